/* Learning rate over a run: linear warm-up, then half a cosine down to zero.
 *
 *   step <= warmup:  peak * step / warmup
 *   else:            peak * (1 + cos(pi (step - warmup) / (total - warmup))) / 2
 *
 * step counts from 1 to total.
 */
#ifndef TERN_TRAIN_SCHEDULE_H
#define TERN_TRAIN_SCHEDULE_H

#include <stdint.h>

double tern_warmup_cosine(double peak, int64_t step, int64_t warmup, int64_t total);

#endif
