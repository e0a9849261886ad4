/* log_mel on ref: the discrete Fourier transform by its definition, in float64. */
#include "kernels/log_mel/mel_filters.h"

#include <math.h>

#define TWO_PI 6.28318530717958647692

static double *carve(double **memory, int64_t count)
{
    double *piece = *memory;
    *memory += count;
    return piece;
}

static size_t log_mel_workspace(const tern_call *call)
{
    const tern_log_mel_opts *opts = call->options;
    return (size_t)(4 * opts->n_fft + opts->mels + 2) * sizeof(double);
}

/* Samples around the centre of frame t under the window, which stands in the
 * middle of n_fft points; zero where the clip has no samples. */
static void take_frame(const tern_log_mel_opts *opts, const double *clip, int64_t samples,
                       int64_t t, double *frame)
{
    int64_t margin = (opts->n_fft - opts->window) / 2;

    for (int64_t i = 0; i < opts->n_fft; i++) {
        int64_t at = t * opts->hop - opts->n_fft / 2 + i, inside = i - margin;
        bool in_window = inside >= 0 && inside < opts->window;
        bool in_clip = at >= 0 && at < samples;
        frame[i] = in_window && in_clip ? clip[at] * tern_hann(inside, opts->window) : 0;
    }
}

static void power_spectrum(int64_t n_fft, const double *frame, const double *cosine,
                           const double *sine, double *power)
{
    for (int64_t k = 0; k <= n_fft / 2; k++) {
        double real = 0, imaginary = 0;
        for (int64_t i = 0; i < n_fft; i++) {
            int64_t turn = k * i % n_fft;
            real += frame[i] * cosine[turn];
            imaginary -= frame[i] * sine[turn];
        }
        power[k] = real * real + imaginary * imaginary;
    }
}

static void log_mel_forward(tern_call *call)
{
    const tern_log_mel_opts *opts = call->options;
    int64_t clips = call->out[0]->shape[0], frames = call->out[0]->shape[1];
    int64_t most_samples = call->in[0]->shape[1], n_fft = opts->n_fft, mels = opts->mels;
    double *memory = call->workspace;
    double *frame = carve(&memory, n_fft), *power = carve(&memory, n_fft);
    double *cosine = carve(&memory, n_fft), *sine = carve(&memory, n_fft);
    double *edges = carve(&memory, mels + 2);

    if (!tern_log_mel_check_lengths(call))
        return;
    tern_mel_edges(opts, edges);
    for (int64_t i = 0; i < n_fft; i++) {
        cosine[i] = cos(TWO_PI * (double)i / (double)n_fft);
        sine[i] = sin(TWO_PI * (double)i / (double)n_fft);
    }
    for (int64_t n = 0; n < clips; n++) {
        const double *clip = (const double *)call->in[0]->data + n * most_samples;
        double *mel = (double *)call->out[0]->data + n * frames * mels;
        uint8_t *mask = (uint8_t *)call->out[1]->data + n * frames;
        int64_t samples = tern_log_mel_samples(call, n);
        int64_t valid = tern_log_mel_frames(samples, opts->hop);
        double loudest = -INFINITY;

        for (int64_t t = 0; t < valid; t++) {
            take_frame(opts, clip, samples, t, frame);
            power_spectrum(n_fft, frame, cosine, sine, power);
            for (int64_t f = 0; f < mels; f++) {
                double sum = 0;
                for (int64_t k = 0; k <= n_fft / 2; k++)
                    sum += tern_mel_weight(opts, edges, f, k) * power[k];
                mel[t * mels + f] = 10 * log10(fmax(sum, TERN_MEL_AMIN));
                loudest = fmax(loudest, mel[t * mels + f]);
            }
        }
        for (int64_t t = 0; t < frames; t++) {
            mask[t] = t < valid;
            for (int64_t f = 0; f < mels; f++) {
                double floor_db = opts->no_floor ? -INFINITY : loudest - opts->top_db;
                mel[t * mels + f] = t < valid ? fmax(mel[t * mels + f], floor_db) : 0;
            }
        }
    }
}

const tern_impl tern_log_mel_ref = {
    .op = "log_mel", .backend = "ref", .provider = "hand",
    .forward = log_mel_forward, .forward_workspace = log_mel_workspace,
};
