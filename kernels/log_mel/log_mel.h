/* Log-mel spectrogram in decibels, as librosa defines it:
 * power_to_db(melspectrogram(y, center=True, pad_mode="constant"), top_db=80).
 *
 *   frame[t,i] = hann[i] * waveform[t * hop - window/2 + i]     zero outside the clip
 *   power[t,k] = | sum_i frame[t,i] * exp(-2 pi j k i / n_fft) |^2
 *   mel[t,f]   = max(10 log10(max(sum_k filter[f,k] * power[t,k], 1e-10)), loudest - top_db)
 *
 *   waveform  [N, S]     samples, usually in [-1, 1]
 *   lengths   [N]        valid samples of each clip, 0 to S; NULL: all S
 *   -> mel    [N, T, F]  T = tern_log_mel_frames(S, hop), F = mels
 *   -> mask   [N, T]     1 for the tern_log_mel_frames(length, hop) frames of the clip
 *
 * Each clip is computed as if it were alone: samples behind its length do not
 * count, `loudest` is its own largest value, and frames behind its end are 0.
 * The filters are triangles on the mel scale, F of them between fmin and fmax:
 *
 *            /\    /\            Slaney's scale (linear below 1 kHz, logarithmic
 *      /\   /  \  /  \           above) and area 1 each, as librosa's default;
 *     /  \ /    \/    \          htk: 2595 log10(1 + f / 700)
 *    /    X     /\     \
 *
 * Not differentiable.  Cost: 2.5 n_fft log2 n_fft FLOPs a frame for the FFT.
 * Errors: TERN_ERR_SHAPE if lengths is not [N], TERN_ERR_OPTION if window > n_fft,
 * n_fft has other prime factors than 2, 3 and 5 or is odd, or the frequencies do not
 * fit the sample rate; TERN_ERR_DATA for a length outside 0..S.
 */
#ifndef TERN_KERNELS_LOG_MEL_H
#define TERN_KERNELS_LOG_MEL_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_log_mel_opts {
    int64_t sample_rate; /* Hz, default 16000                                       */
    int64_t n_fft;       /* points of the transform, default 512                    */
    int64_t window;      /* samples of the Hann window, centred in n_fft; 400       */
    int64_t hop;         /* samples from frame to frame, default 160                */
    int64_t mels;        /* filters, default 64                                     */
    double fmin, fmax;   /* Hz; fmax 0 is half the sample rate                      */
    double top_db;       /* what is quieter than the loudest by more is raised; 80  */
    bool htk;            /* HTK's mel scale                                         */
    bool no_area_norm;   /* triangles of height 1 (librosa: norm=None)              */
    bool no_floor;       /* no top_db                                               */
} tern_log_mel_opts;

extern const tern_op tern_op_log_mel;

/* mask may be NULL if the caller has no use for it. */
tern_tensor *tern_log_mel(tern_ctx *ctx, tern_tensor *waveform, tern_tensor *lengths,
                          tern_tensor **mask, tern_log_mel_opts opts);

/* Frames of a clip: 1 + samples / hop, the first centred on sample 0; an empty
 * clip has none. */
int64_t tern_log_mel_frames(int64_t samples, int64_t hop);

#endif
