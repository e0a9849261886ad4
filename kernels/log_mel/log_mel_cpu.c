/* log_mel on cpu: FFT by kissfft, mel filters as short rows, log10 by vectors.
 *
 * A tile is FRAMES_PER_TILE frames of one clip, transformed into decibels before
 * the floor.  Then the loudest value of each clip is known and a second pass
 * over the same tiles, still in cache, raises what lies below the floor.
 *
 * A filter touches few bins, and each bin lies in at most two filters, so all
 * filters' weights together are fewer than 2 * bins:
 *
 *     weights | filter 0 | filter 1   | filter 2      | ...
 *               bins first[0] .. first[0] + count[0] - 1
 */
#include "core/simd.h"
#include "core/threads.h"
#include "core/vmath.h"
#include "kernels/log_mel/mel_filters.h"

#include <kissfft/kiss_fftr.h>
#include <math.h>

enum { FRAMES_PER_TILE = 32 };

/* What the tiles of one call share; everything lies in the workspace. */
typedef struct log_mel_job {
    const tern_call *call;
    const tern_log_mel_opts *opts;
    int64_t frames, tiles_per_clip, bins;
    double *edges;          /* [mels + 2], only to make the weights          */
    float *hann;            /* [window]                                      */
    float *weights;         /* [2 * bins], the filters' one after the other  */
    int32_t *first, *count; /* [mels] bins of each filter                    */
    float *loudest;         /* [N * tiles_per_clip] dB                       */
    kiss_fftr_cfg *fft;     /* [threads], made by a worker when it starts    */
    char *scratch;          /* [threads] of scratch_bytes                    */
    size_t fft_bytes, scratch_bytes, bytes;
} log_mel_job;

/* A piece of the workspace, 64-byte aligned; a NULL workspace only counts. */
static void *carve(log_mel_job *job, size_t bytes)
{
    char *base = job->call->workspace;
    char *piece = base ? base + job->bytes : NULL;
    job->bytes += (bytes + 63) / 64 * 64;
    return piece;
}

static size_t padded(int64_t floats)
{
    return ((size_t)floats * sizeof(float) + 63) / 64 * 64;
}

static log_mel_job lay_out(const tern_call *call)
{
    const tern_log_mel_opts *opts = call->options;
    log_mel_job job = { .call = call, .opts = opts, .frames = call->out[0]->shape[1],
                        .bins = opts->n_fft / 2 + 1 };
    size_t mels = (size_t)opts->mels, clips = (size_t)call->out[0]->shape[0];
    size_t threads = (size_t)tern_pool_threads(tern_ctx_pool(call->ctx));

    job.tiles_per_clip = (job.frames + FRAMES_PER_TILE - 1) / FRAMES_PER_TILE;
    kiss_fftr_alloc((int)opts->n_fft, 0, NULL, &job.fft_bytes);
    job.fft_bytes = (job.fft_bytes + 63) / 64 * 64;
    job.scratch_bytes = job.fft_bytes + padded(opts->n_fft) + padded(2 * job.bins);

    job.edges = carve(&job, (mels + 2) * sizeof(double));
    job.hann = carve(&job, (size_t)opts->window * sizeof(float));
    job.weights = carve(&job, 2 * (size_t)job.bins * sizeof(float));
    job.first = carve(&job, mels * sizeof(int32_t));
    job.count = carve(&job, mels * sizeof(int32_t));
    job.loudest = carve(&job, clips * (size_t)job.tiles_per_clip * sizeof(float));
    job.fft = carve(&job, threads * sizeof(kiss_fftr_cfg));
    job.scratch = carve(&job, threads * job.scratch_bytes);
    return job;
}

static size_t log_mel_workspace(const tern_call *call)
{
    tern_call counting = *call;
    counting.workspace = NULL;
    return lay_out(&counting).bytes;
}

static void make_filters(log_mel_job *job)
{
    float *weight = job->weights;

    tern_mel_edges(job->opts, job->edges);
    for (int64_t f = 0; f < job->opts->mels; f++) {
        int64_t k = 0;
        while (k < job->bins && tern_mel_weight(job->opts, job->edges, f, k) == 0)
            k++;
        job->first[f] = (int32_t)k;
        for (; k < job->bins; k++) {
            double value = tern_mel_weight(job->opts, job->edges, f, k);
            if (value == 0)
                break;
            *weight++ = (float)value;
        }
        job->count[f] = (int32_t)(k - job->first[f]);
    }
}

/* Samples under the window, which stands in the middle of the n_fft points. */
static void take_frame(const log_mel_job *job, const float *clip, int64_t samples, int64_t t,
                       float *restrict frame)
{
    const float *hann = job->hann;
    int64_t window = job->opts->window, margin = (job->opts->n_fft - window) / 2;
    int64_t start = t * job->opts->hop - job->opts->n_fft / 2 + margin;
    int64_t from = start < 0 ? -start : 0, to = samples - start;

    from = from < window ? from : window;
    to = to < window ? to : window;
    to = to > from ? to : from;
    memset(frame, 0, (size_t)(margin + from) * sizeof(float));
    for (int64_t i = from; i < to; i++)
        frame[margin + i] = clip[start + i] * hann[i];
    memset(frame + margin + to, 0, (size_t)(job->opts->n_fft - margin - to) * sizeof(float));
}

static void power_spectrum(const kiss_fft_cpx *spectrum, int64_t bins, float *restrict power)
{
    for (int64_t k = 0; k < bins; k++)
        power[k] = spectrum[k].r * spectrum[k].r + spectrum[k].i * spectrum[k].i;
}

static void apply_filters(const log_mel_job *job, const float *power, float *mel)
{
    const float *weight = job->weights;

    for (int64_t f = 0; f < job->opts->mels; f++) {
        const float *bin = power + job->first[f];
        int32_t count = job->count[f];
        float sum = 0;
        for (int32_t k = 0; k < count; k++)
            sum += weight[k] * bin[k];
        weight += count;
        mel[f] = sum;
    }
}

/* In place; returns the largest value. */
static float power_to_db(float *mel, int64_t count)
{
    const float db_per_neper = 4.34294481903251827651f; /* 10 / ln 10 */
    tern_vf loudest = tern_splat(-INFINITY);

    for (int64_t i = 0; i < count; i += TERN_LANES) {
        int64_t lanes = count - i < TERN_LANES ? count - i : TERN_LANES;
        tern_vf power = tern_load_part(mel + i, lanes);
        /* The comparison is that way round so that NaN stays NaN. */
        tern_vf audible = tern_select(power < (float)TERN_MEL_AMIN,
                                      tern_splat((float)TERN_MEL_AMIN), power);
        tern_vf db = tern_vlog(audible) * db_per_neper;
        tern_store_part(mel + i, db, lanes);
        loudest = tern_vmax(db, loudest); /* lanes past the end are at -100 dB */
    }
    return tern_hmax(loudest);
}

static void transform_tile(void *argument, int64_t tile, int worker)
{
    log_mel_job *job = argument;
    const tern_call *call = job->call;
    int64_t n = tile / job->tiles_per_clip, mels = job->opts->mels;
    int64_t t0 = tile % job->tiles_per_clip * FRAMES_PER_TILE;
    int64_t t1 = t0 + FRAMES_PER_TILE < job->frames ? t0 + FRAMES_PER_TILE : job->frames;
    int64_t samples = tern_log_mel_samples(call, n);
    int64_t valid = tern_log_mel_frames(samples, job->opts->hop);
    const float *clip = (const float *)call->in[0]->data + n * call->in[0]->shape[1];
    float *mel = (float *)call->out[0]->data + n * job->frames * mels;
    uint8_t *mask = (uint8_t *)call->out[1]->data + n * job->frames;
    char *scratch = job->scratch + (size_t)worker * job->scratch_bytes;
    float *frame = (float *)(scratch + job->fft_bytes);
    kiss_fft_cpx *spectrum = (kiss_fft_cpx *)(scratch + job->fft_bytes + padded(job->opts->n_fft));

    if (!job->fft[worker]) {
        size_t given = job->fft_bytes;
        job->fft[worker] = kiss_fftr_alloc((int)job->opts->n_fft, 0, scratch, &given);
    }
    for (int64_t t = t0; t < t1; t++)
        mask[t] = t < valid;
    t1 = t1 < valid ? t1 : valid;
    job->loudest[tile] = -INFINITY;
    if (t0 >= t1)
        return;
    for (int64_t t = t0; t < t1; t++) {
        take_frame(job, clip, samples, t, frame);
        kiss_fftr(job->fft[worker], frame, spectrum);
        power_spectrum(spectrum, job->bins, frame); /* the samples are spent by now */
        apply_filters(job, frame, mel + t * mels);
    }
    job->loudest[tile] = power_to_db(mel + t0 * mels, (t1 - t0) * mels);
}

/* Raise to the floor what is valid, zero what is behind the clip's end. */
static void floor_tile(void *argument, int64_t tile, int worker)
{
    const log_mel_job *job = argument;
    const tern_call *call = job->call;
    int64_t n = tile / job->tiles_per_clip, mels = job->opts->mels;
    int64_t from = tile % job->tiles_per_clip * FRAMES_PER_TILE, to = from + FRAMES_PER_TILE;
    int64_t end = tern_log_mel_frames(tern_log_mel_samples(call, n), job->opts->hop);
    float *mel = (float *)call->out[0]->data + n * job->frames * mels;
    float loudest = -INFINITY;

    (void)worker;
    for (int64_t i = 0; i < job->tiles_per_clip; i++) {
        float other = job->loudest[n * job->tiles_per_clip + i];
        loudest = other > loudest ? other : loudest;
    }
    float floor_db = loudest - (float)job->opts->top_db;
    to = to < job->frames ? to : job->frames;
    end = end < from ? from : end < to ? end : to;
    if (!job->opts->no_floor)
        for (int64_t i = from * mels; i < end * mels; i++)
            mel[i] = mel[i] < floor_db ? floor_db : mel[i];
    memset(mel + end * mels, 0, (size_t)((to - end) * mels) * sizeof(float));
}

static void log_mel_forward(tern_call *call)
{
    tern_pool *pool = tern_ctx_pool(call->ctx);
    log_mel_job job = lay_out(call);
    int64_t tiles = call->out[0]->shape[0] * job.tiles_per_clip;

    if (tiles == 0 || !tern_log_mel_check_lengths(call))
        return;
    make_filters(&job);
    for (int64_t i = 0; i < job.opts->window; i++)
        job.hann[i] = (float)tern_hann(i, job.opts->window);
    for (int i = 0; i < tern_pool_threads(pool); i++)
        job.fft[i] = NULL;
    tern_parallel(pool, tiles, transform_tile, &job);
    tern_parallel(pool, tiles, floor_tile, &job);
}

const tern_impl TERN_LEVEL(tern_log_mel_cpu) = {
    .op = "log_mel", .backend = "cpu", .provider = "hand",
    .forward = log_mel_forward, .forward_workspace = log_mel_workspace,
};
