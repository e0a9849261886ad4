/* Mel scales, triangles and the window; see mel_filters.h. */
#include "kernels/log_mel/mel_filters.h"

#include <math.h>

#define PI 3.14159265358979323846

/* Slaney's scale (Auditory Toolbox): 15 mel per 1000 Hz up to 1000 Hz, then 27
 * mel for each factor 6.4 in frequency. */
static const double SLANEY_KNEE_HZ = 1000, SLANEY_KNEE_MEL = 15;
static const double SLANEY_HZ_PER_MEL = 200.0 / 3;

static double slaney_log_step(void)
{
    return log(6.4) / 27;
}

static double mel_from_hz(double hz, bool htk)
{
    if (htk)
        return 2595 * log10(1 + hz / 700);
    if (hz < SLANEY_KNEE_HZ)
        return hz / SLANEY_HZ_PER_MEL;
    return SLANEY_KNEE_MEL + log(hz / SLANEY_KNEE_HZ) / slaney_log_step();
}

static double hz_from_mel(double mel, bool htk)
{
    if (htk)
        return 700 * (pow(10, mel / 2595) - 1);
    if (mel < SLANEY_KNEE_MEL)
        return mel * SLANEY_HZ_PER_MEL;
    return SLANEY_KNEE_HZ * exp((mel - SLANEY_KNEE_MEL) * slaney_log_step());
}

void tern_mel_edges(const tern_log_mel_opts *opts, double *edges)
{
    double fmax = opts->fmax > 0 ? opts->fmax : (double)opts->sample_rate / 2;
    double low = mel_from_hz(opts->fmin, opts->htk), high = mel_from_hz(fmax, opts->htk);
    int64_t gaps = opts->mels + 1;

    for (int64_t i = 0; i <= gaps; i++)
        edges[i] = hz_from_mel(low + (high - low) * (double)i / (double)gaps, opts->htk);
}

double tern_mel_weight(const tern_log_mel_opts *opts, const double *edges, int64_t f, int64_t k)
{
    double hz = (double)(k * opts->sample_rate) / (double)opts->n_fft;
    double rising = (hz - edges[f]) / (edges[f + 1] - edges[f]);
    double falling = (edges[f + 2] - hz) / (edges[f + 2] - edges[f + 1]);
    double height = rising < falling ? rising : falling;

    if (height <= 0)
        return 0;
    return opts->no_area_norm ? height : height * 2 / (edges[f + 2] - edges[f]);
}

double tern_hann(int64_t i, int64_t window)
{
    return 0.5 - 0.5 * cos(2 * PI * (double)i / (double)window);
}

int64_t tern_log_mel_samples(const tern_call *call, int64_t n)
{
    return call->in[1] ? ((const int32_t *)call->in[1]->data)[n] : call->in[0]->shape[1];
}

bool tern_log_mel_check_lengths(tern_call *call)
{
    int64_t clips = call->in[0]->shape[0], most = call->in[0]->shape[1];

    for (int64_t n = 0; n < clips; n++) {
        int64_t samples = tern_log_mel_samples(call, n);
        if (samples < 0 || samples > most) {
            tern_call_fail(call, TERN_ERR_DATA,
                           "lengths[%lld] is %lld; waveform has 0 to %lld samples a clip",
                           (long long)n, (long long)samples, (long long)most);
            return false;
        }
    }
    return true;
}
