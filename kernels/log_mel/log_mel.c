/* The contract of log_mel; see log_mel.h for the formula and shapes. */
#include "kernels/log_mel/log_mel.h"

#include <math.h>

enum { MAX_HZ = 1000000, MAX_POINTS = 1 << 20 };

static const tern_option options[] = {
    { .name = "sample_rate", .type = TERN_OPTION_INT,
      .offset = offsetof(tern_log_mel_opts, sample_rate),
      .fallback = 16000, .lowest = 1, .highest = MAX_HZ, .doc = "samples per second" },
    { .name = "n_fft", .type = TERN_OPTION_INT, .offset = offsetof(tern_log_mel_opts, n_fft),
      .fallback = 512, .lowest = 16, .highest = MAX_POINTS,
      .doc = "points of the transform, even, of prime factors 2, 3 and 5" },
    { .name = "window", .type = TERN_OPTION_INT, .offset = offsetof(tern_log_mel_opts, window),
      .fallback = 400, .lowest = 1, .highest = MAX_POINTS,
      .doc = "samples of the Hann window, centred in n_fft" },
    { .name = "hop", .type = TERN_OPTION_INT, .offset = offsetof(tern_log_mel_opts, hop),
      .fallback = 160, .lowest = 1, .highest = MAX_POINTS, .doc = "samples from frame to frame" },
    { .name = "mels", .type = TERN_OPTION_INT, .offset = offsetof(tern_log_mel_opts, mels),
      .fallback = 64, .lowest = 1, .highest = 4096, .doc = "number of mel filters" },
    { .name = "fmin", .type = TERN_OPTION_REAL, .offset = offsetof(tern_log_mel_opts, fmin),
      .lowest = 0, .highest = MAX_HZ, .doc = "lowest frequency of the filters in Hz" },
    { .name = "fmax", .type = TERN_OPTION_REAL, .offset = offsetof(tern_log_mel_opts, fmax),
      .lowest = 0, .highest = MAX_HZ,
      .doc = "highest frequency of the filters in Hz; 0: half the sample rate" },
    { .name = "top_db", .type = TERN_OPTION_REAL, .offset = offsetof(tern_log_mel_opts, top_db),
      .fallback = 80, .lowest = 0, .highest = 1000,
      .doc = "values are raised to this much below the clip's loudest" },
    { .name = "htk", .type = TERN_OPTION_BOOL, .offset = offsetof(tern_log_mel_opts, htk),
      .doc = "HTK's mel scale instead of Slaney's" },
    { .name = "no_area_norm", .type = TERN_OPTION_BOOL,
      .offset = offsetof(tern_log_mel_opts, no_area_norm),
      .doc = "filters of height 1, not area 1" },
    { .name = "no_floor", .type = TERN_OPTION_BOOL,
      .offset = offsetof(tern_log_mel_opts, no_floor), .doc = "no top_db" },
    { 0 },
};

int64_t tern_log_mel_frames(int64_t samples, int64_t hop)
{
    return samples > 0 ? 1 + samples / hop : 0;
}

/* The factors for which the FFT library has butterflies that need no memory. */
static bool has_only_small_factors(int64_t n)
{
    for (int64_t prime = 2; prime <= 5; prime++)
        while (n % prime == 0)
            n /= prime;
    return n == 1;
}

static bool check_options(tern_call *call)
{
    const tern_log_mel_opts *opts = call->options;
    double nyquist = (double)opts->sample_rate / 2;

    if (opts->n_fft % 2 != 0 || !has_only_small_factors(opts->n_fft)) {
        tern_call_fail(call, TERN_ERR_OPTION,
                       "n_fft %lld must be even and have no prime factors but 2, 3 and 5",
                       (long long)opts->n_fft);
        return false;
    }
    if (opts->window > opts->n_fft) {
        tern_call_fail(call, TERN_ERR_OPTION, "window %lld is longer than n_fft %lld",
                       (long long)opts->window, (long long)opts->n_fft);
        return false;
    }
    if (opts->fmax > nyquist || opts->fmin >= (opts->fmax > 0 ? opts->fmax : nyquist)) {
        tern_call_fail(call, TERN_ERR_OPTION,
                       "fmin %g and fmax %g must be in order and at most half the sample rate, %g",
                       opts->fmin, opts->fmax, nyquist);
        return false;
    }
    return true;
}

static void log_mel_shape(tern_call *call)
{
    const tern_log_mel_opts *opts = call->options;
    const tern_tensor *waveform = call->in[0], *lengths = call->in[1];
    char wt[TERN_SHAPE_TEXT], lt[TERN_SHAPE_TEXT];

    if (waveform->rank != 2) {
        tern_call_fail(call, TERN_ERR_SHAPE, "waveform %s must be [N,S], one clip a row",
                       tern_shape_text(waveform, wt));
        return;
    }
    if (lengths && (lengths->rank != 1 || lengths->shape[0] != waveform->shape[0])) {
        tern_call_fail(call, TERN_ERR_SHAPE, "lengths %s must be [%lld], one for each clip of %s",
                       tern_shape_text(lengths, lt), (long long)waveform->shape[0],
                       tern_shape_text(waveform, wt));
        return;
    }
    if (!check_options(call))
        return;

    int64_t frames = tern_log_mel_frames(waveform->shape[1], opts->hop);
    int64_t shape[] = { waveform->shape[0], frames, opts->mels };
    tern_declare_out(call, 0, tern_real(call), 3, shape);
    tern_declare_out(call, 1, TERN_U8, 2, shape);
}

static void log_mel_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    const tern_log_mel_opts *opts = call->options;
    double frames = (double)call->out[0]->shape[0] * (double)call->out[0]->shape[1];
    double points = (double)opts->n_fft;

    (void)backward;
    forward->flops = frames * (2.5 * points * log2(points) + 4 * points + (double)opts->window +
                               2 * (double)opts->mels);
}

/* Lengths of the transform with all its radices, even and odd halves; frames at a clip's ends
 * and within. */
static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "waveform=[2,1500] lengths=[2]{1..1500}", "" },
    { TERN_SAMPLE_CHECK, "waveform=[3,401]",
      "sample_rate=4000 n_fft=120 window=90 hop=31 mels=23 htk=true" },
    { TERN_SAMPLE_CHECK, "waveform=[1,997] lengths=[1]{997..997}",
      "sample_rate=8000 n_fft=64 window=63 hop=17 mels=7 fmin=50 fmax=3700 no_area_norm=true "
      "top_db=5 no_floor=true" },
    { TERN_SAMPLE_CHECK, "waveform=[2,3001]{-1..1} lengths=[2]{2000..3001}",
      "sample_rate=4000 n_fft=90 window=77 hop=19 mels=41" },
    { TERN_SAMPLE_CHECK, "waveform=[1,1]", "n_fft=16 window=1 hop=1 mels=1" },
    { TERN_SAMPLE_CHECK, "waveform=[2,300] lengths=[2]{0..0}", "top_db=20" },
    { TERN_SAMPLE_CHECK, "waveform=[2,307]{-1..1}", "top_db=5" },
    { TERN_SAMPLE_CHECK, "waveform=[0,300]", "" },
    { TERN_SAMPLE_CHECK, "waveform=[2,0]", "" },
    { TERN_SAMPLE_BENCH, "waveform=[16,48000]{-1..1}", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_log_mel = {
    .name = "log_mel",
    .summary = "log-mel spectrogram in dB, librosa's definition",
    .doc = "mel[n,t,f] = max(10 log10(max(sum_k filter[f,k] |STFT[n,t,k]|^2, 1e-10)), "
           "loudest[n] - top_db)\n"
           "periodic Hann window, frames centred, zeros outside the clip; frames behind a clip's "
           "end are 0",
    .in = { { "waveform", TERN_REAL, 0, "[N, S]" },
            { "lengths", TERN_INDEX, TERN_OPTIONAL, "[N]" } },
    .out = { { "mel", TERN_REAL, 0, "[N, 1 + S / hop, mels]" },
             { "mask", TERN_MASK, 0, "[N, 1 + S / hop]" } },
    .options_size = sizeof(tern_log_mel_opts),
    .options = options,
    .shape = log_mel_shape,
    .cost = log_mel_cost,
    .samples = samples,
};

tern_tensor *tern_log_mel(tern_ctx *ctx, tern_tensor *waveform, tern_tensor *lengths,
                          tern_tensor **mask, tern_log_mel_opts opts)
{
    tern_tensor *inputs[] = { waveform, lengths };
    tern_tensor *outputs[2];
    tern_tensor *mel = tern_apply(ctx, &tern_op_log_mel, inputs, 2, &opts, outputs);
    if (mask)
        *mask = outputs[1];
    return mel;
}
