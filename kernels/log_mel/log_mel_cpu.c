/* log_mel on cpu: as many frames at once as a vector has lanes; see fft.h.
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
#include "core/transpose.h"
#include "core/vmath.h"
#include "kernels/log_mel/fft.h"
#include "kernels/log_mel/mel_filters.h"

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
    void *tables;           /* of the transform */
    tern_fft fft;
    float *scratch; /* [threads] of signal_floats + power_floats */
    int64_t signal_floats, power_floats;
    size_t bytes;
} log_mel_job;

/* A piece of the workspace, 64-byte aligned; a NULL workspace only counts. */
static void *carve(log_mel_job *job, size_t bytes)
{
    char *base = job->call->workspace;
    char *piece = base ? base + job->bytes : NULL;
    job->bytes += (bytes + 63) / 64 * 64;
    return piece;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static log_mel_job lay_out(const tern_call *call)
{
    const tern_log_mel_opts *opts = call->options;
    log_mel_job job = { .call = call, .opts = opts, .frames = call->out[0]->shape[1],
                        .bins = opts->n_fft / 2 + 1 };
    size_t mels = (size_t)opts->mels, clips = (size_t)call->out[0]->shape[0];
    size_t threads = (size_t)tern_pool_threads(tern_ctx_pool(call->ctx));

    job.tiles_per_clip = (job.frames + FRAMES_PER_TILE - 1) / FRAMES_PER_TILE;
    /* The spent signal gives its room to the filters' output, the power to windows before. */
    job.signal_floats = larger(opts->n_fft, opts->mels + TERN_LANES - 1) * TERN_LANES;
    job.power_floats = larger(job.bins, opts->window) * TERN_LANES;

    job.edges = carve(&job, (mels + 2) * sizeof(double));
    job.hann = carve(&job, (size_t)opts->window * sizeof(float));
    job.weights = carve(&job, 2 * (size_t)job.bins * sizeof(float));
    job.first = carve(&job, mels * sizeof(int32_t));
    job.count = carve(&job, mels * sizeof(int32_t));
    job.loudest = carve(&job, clips * (size_t)job.tiles_per_clip * sizeof(float));
    job.tables = carve(&job, tern_fft_bytes(opts->n_fft));
    job.scratch = carve(&job, threads * (size_t)(job.signal_floats + job.power_floats) *
                                  sizeof(float));
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
    int64_t k = 0; /* filters begin one behind the other */

    tern_mel_edges(job->opts, job->edges);
    for (int64_t f = 0; f < job->opts->mels; f++) {
        k = f ? job->first[f - 1] : 0;
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

/* The windows of frames that reach beyond the clip, or are fewer than lanes: [TERN_LANES, window]
 * with zeros where there is nothing. */
static void copy_windows(const log_mel_job *job, const float *clip, int64_t samples, int64_t start,
                         int64_t frames, float *rows)
{
    int64_t window = job->opts->window;
    for (int64_t lane = 0; lane < TERN_LANES; lane++, start += job->opts->hop, rows += window) {
        int64_t from = start < 0 ? -start : 0, to = lane < frames ? samples - start : 0;
        from = from < window ? from : window;
        to = to < window ? to : window;
        to = to > from ? to : from;
        memset(rows, 0, (size_t)window * sizeof *rows);
        if (to > from)
            memcpy(rows + from, clip + start + from, (size_t)(to - from) * sizeof *rows);
    }
}

/* signal [n_fft, TERN_LANES]: samples of some frames from t on under the window, which stands in
 * the middle of the n_fft points.  rows: room for [TERN_LANES, window]. */
static void take_frames(const log_mel_job *job, const float *clip, int64_t samples, int64_t t,
                        int64_t frames, float *rows, float *signal)
{
    int64_t window = job->opts->window, stride = job->opts->hop, i = 0;
    int64_t margin = (job->opts->n_fft - window) / 2, points = job->opts->n_fft;
    int64_t start = t * stride - points / 2 + margin;
    const float *from = rows;
    float *to = signal + margin * TERN_LANES;

    if (start >= 0 && frames == TERN_LANES && start + (frames - 1) * stride + window <= samples) {
        from = clip + start;
    } else {
        copy_windows(job, clip, samples, start, frames, rows);
        stride = window;
    }
    memset(signal, 0, (size_t)(margin * TERN_LANES) * sizeof *signal);
    for (; i + TERN_LANES <= window; i += TERN_LANES)
        tern_transpose_square(from + i, stride, to + i * TERN_LANES, TERN_LANES);
    for (; i < window; i++)
        for (int64_t lane = 0; lane < TERN_LANES; lane++)
            to[i * TERN_LANES + lane] = from[lane * stride + i];
    for (i = 0; i < window; i++)
        tern_store(to + i * TERN_LANES, tern_load(to + i * TERN_LANES) * job->hann[i]);
    memset(to + window * TERN_LANES, 0,
           (size_t)((points - margin - window) * TERN_LANES) * sizeof *signal);
}

static tern_vf decibels(tern_vf power)
{
    const float db_per_neper = 4.34294481903251827651f; /* 10 / ln 10 */
    /* The comparison is that way round so that NaN stays NaN. */
    return tern_vlog(tern_select(power < (float)TERN_MEL_AMIN,
                                 tern_splat((float)TERN_MEL_AMIN), power)) * db_per_neper;
}

/* mel [mels, TERN_LANES] from power [bins, TERN_LANES]; returns the largest values. */
static tern_vf apply_filters(const log_mel_job *job, const float *power, float *mel)
{
    const float *weight = job->weights;
    tern_vf loudest = tern_splat(-INFINITY);

    for (int64_t f = 0; f < job->opts->mels; f++) {
        const float *bin = power + job->first[f] * TERN_LANES;
        int32_t count = job->count[f];
        tern_vf sum = { 0 };
        for (int32_t k = 0; k < count; k++)
            sum += tern_load(bin + k * TERN_LANES) * weight[k];
        weight += count;
        sum = decibels(sum);
        tern_store(mel + f * TERN_LANES, sum);
        loudest = tern_vmax(sum, loudest); /* lanes without a frame are at -100 dB */
    }
    return loudest;
}

/* From [mels, TERN_LANES] to [frames, mels]. */
static void give_frames(const float *mel, int64_t mels, int64_t frames, float *to)
{
    for (int64_t f = 0; f < mels; f += TERN_LANES) {
        float square[TERN_LANES * TERN_LANES];
        tern_transpose_square(mel + f * TERN_LANES, TERN_LANES, square, TERN_LANES);
        for (int64_t lane = 0; lane < frames; lane++)
            tern_store_part(to + lane * mels + f, tern_load(square + lane * TERN_LANES), mels - f);
    }
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
    float *signal = job->scratch + worker * (job->signal_floats + job->power_floats);
    float *power = signal + job->signal_floats;
    tern_vf loudest = tern_splat(-INFINITY);

    for (int64_t t = t0; t < t1; t++)
        mask[t] = t < valid;
    t1 = t1 < valid ? t1 : valid;
    for (int64_t t = t0; t < t1; t += TERN_LANES) {
        int64_t frames = t1 - t < TERN_LANES ? t1 - t : TERN_LANES;
        take_frames(job, clip, samples, t, frames, power, signal);
        TERN_LEVEL(tern_fft_power)(&job->fft, signal, power);
        loudest = tern_vmax(apply_filters(job, power, signal), loudest);
        give_frames(signal, mels, frames, mel + t * mels);
    }
    job->loudest[tile] = tern_hmax(loudest);
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
    tern_fft_plan(&job.fft, job.opts->n_fft, job.tables);
    tern_parallel(pool, tiles, transform_tile, &job);
    tern_parallel(pool, tiles, floor_tile, &job);
}

const tern_impl TERN_LEVEL(tern_log_mel_cpu) = {
    .op = "log_mel", .backend = "cpu", .provider = "hand",
    .forward = log_mel_forward, .forward_workspace = log_mel_workspace,
};
