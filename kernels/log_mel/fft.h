/* The power spectra of as many real signals as a vector has lanes, side by side:
 *
 *      X_l[k] = sum_i x_l[i] exp(-2 pi i k / points),   power[k][l] = |X_l[k]|^2,  k <= points/2
 *
 * A vector holds one sample of all signals, so that nothing is ever shuffled.  The even and odd
 * samples of a real signal are the parts of a complex one of half the length, z, which is
 * transformed in place by decimation in frequency (Gentleman and Sande 1966): a stage of radix r
 * takes r elements m = length / r apart to sums over them, turned by exp(-2 pi i j q / length),
 *
 *      z[j + q m] = exp(..) sum_p z[j + p m] exp(-2 pi i p q / r),    j < m, q < r
 *
 * and leaves r transforms of length m.  The frequencies end up with their digits reversed, where
 * `place` finds them.  X follows from z[k] and z[points/2 - k].
 *
 * Cost: 5 h log2(h) + 16 h operations for each signal, h = points / 2, in one read and write of
 * memory for each stage.
 */
#ifndef TERN_KERNELS_LOG_MEL_FFT_H
#define TERN_KERNELS_LOG_MEL_FFT_H

#include <stddef.h>
#include <stdint.h>

#include "core/simd.h"

enum { TERN_FFT_STAGES = 64 };

typedef struct tern_fft {
    int64_t points; /* real ones */
    int stages, radix[TERN_FFT_STAGES];
    float *turn;    /* [points, 2] cosine and sine of -2 pi t / points             */
    int32_t *place; /* [points / 2] of frequency k among the complex elements      */
} tern_fft;

/* Bytes for the tables of that many points, which are even, of prime factors 2, 3 and 5. */
size_t tern_fft_bytes(int64_t points);

/* Make them, in memory aligned to 64 bytes. */
void tern_fft_plan(tern_fft *fft, int64_t points, void *memory);

/* signal [points, TERN_LANES] is spent; power [points / 2 + 1, TERN_LANES]. */
void TERN_LEVEL(tern_fft_power)(const tern_fft *fft, float *signal, float *power);

#endif
