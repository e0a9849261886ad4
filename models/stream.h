/* A stream: what an encoder makes of one modality, a sequence over time.
 *
 *   x     [N,T,D]  features
 *   mask  [N,T]    u8, 1 = valid
 *   time  [N,T,D]  code of each step's place in its clip, the same for all streams;
 *                  NULL where the fusion does not ask for it
 *
 * The time code of relative time r in [0,1] is sinusoidal,
 *
 *   code[2j] = sin(2 pi f_j r),  code[2j+1] = cos(2 pi f_j r),  f_j from 1/4 to 16
 *
 * with frequencies in geometric steps, so that steps of two streams that happen
 * at one moment have the same code although their rates differ.  What attends
 * across streams adds it.
 */
#ifndef TERN_MODELS_STREAM_H
#define TERN_MODELS_STREAM_H

#include "core/context.h"

typedef struct tern_stream {
    tern_tensor *x, *mask, *time;
} tern_stream;

/* Write the codes of the first `steps` steps, or of all, of a clip that has `count` into
 * codes[steps * size]; step t is at relative time (t + 1/2) / count.  size is even. */
void tern_time_codes(int64_t count, int64_t steps, int64_t size, float *codes);

#endif
