/* The mel filter bank and the window, in float64, shared by log_mel's backends. */
#ifndef TERN_KERNELS_LOG_MEL_MEL_FILTERS_H
#define TERN_KERNELS_LOG_MEL_MEL_FILTERS_H

#include "kernels/log_mel/log_mel.h"

/* Below this power there is nothing to hear: -100 dB. */
#define TERN_MEL_AMIN 1e-10

/* The corners of the triangles in Hz, mels + 2 of them, evenly spaced in mel:
 * filter f rises from edges[f] to edges[f+1] and falls to edges[f+2]. */
void tern_mel_edges(const tern_log_mel_opts *opts, double *edges);

/* What bin k of the transform counts in filter f; 0 outside the triangle. */
double tern_mel_weight(const tern_log_mel_opts *opts, const double *edges, int64_t f, int64_t k);

/* Periodic Hann window: 0.5 - 0.5 cos(2 pi i / window). */
double tern_hann(int64_t i, int64_t window);

/* Check lengths (may be NULL) against the clips' samples; reports the first wrong one. */
bool tern_log_mel_check_lengths(tern_call *call);

/* Valid samples of clip n. */
int64_t tern_log_mel_samples(const tern_call *call, int64_t n);

#endif
