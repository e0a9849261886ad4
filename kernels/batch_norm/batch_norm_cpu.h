/* What forward and backward of batch_norm's cpu backend share. */
#ifndef TERN_KERNELS_BATCH_NORM_CPU_H
#define TERN_KERNELS_BATCH_NORM_CPU_H

#include "core/simd.h"
#include "kernels/batch_norm/batch_norm_rows.h"

enum {
    BN_CHUNK_ELEMENTS = 8192,  /* 32 KiB, to be read twice from the L1 cache */
    BN_CHUNK_ROWS = 1024,      /* at most, so that sums stay short           */
    BN_COMBINE_CHANNELS = 64   /* whose chunks one tile puts together        */
};

typedef struct bn_run {
    batch_norm_rows rows;
    int64_t valid;  /* rows that count               */
    int64_t chunks, chunk_rows;
    bool training, relu, moves_running;
    double eps, momentum;

    const float *x, *gain, *bias;
    float *y, *running_mean, *running_var;
    float *mean, *inverse; /* saved, or workspace in inference */
    float *scale;          /* gain * inverse                   */

    /* Of each chunk, [chunks, channels]: in forward the sums of (x - centre) and of its
     * square, in backward those of the gradient and of the gradient times (x - mean). */
    float *sums, *products, *centres;
    int32_t *counts; /* rows of each chunk that count */

    const float *grad_y;
    float *grad_x, *grad_gain, *grad_bias;
    float *offset, *slope; /* backward: what the statistics take back, for each channel */
    const bool *accumulate;
} bn_run;

static inline int64_t bn_smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Forward and backward must decide alike which elements relu cut off. */
static inline float bn_normalised(float x, float mean, float scale, float bias)
{
    return (x - mean) * scale + bias;
}

static inline int64_t bn_first(const bn_run *run, int64_t chunk)
{
    return bn_smaller(chunk * run->chunk_rows, run->rows.rows);
}

static inline int64_t bn_combine_tiles(const bn_run *run)
{
    return (run->rows.channels + BN_COMBINE_CHANNELS - 1) / BN_COMBINE_CHANNELS;
}

static inline void bn_cut(bn_run *run)
{
    int64_t channels = run->rows.channels ? run->rows.channels : 1;
    run->chunk_rows = bn_smaller(BN_CHUNK_ELEMENTS / channels + 1, BN_CHUNK_ROWS);
    run->chunks = (run->rows.rows + run->chunk_rows - 1) / run->chunk_rows;
}

static inline size_t bn_workspace_bytes(const tern_call *call)
{
    bn_run run = { .rows = batch_norm_rows_of(call) };
    bn_cut(&run);
    int64_t floats = (5 + 3 * run.chunks) * run.rows.channels;
    return (size_t)floats * sizeof(float) + (size_t)run.chunks * sizeof(int32_t);
}

static inline bn_run bn_run_of(const tern_call *call)
{
    const tern_batch_norm_opts *opts = call->options;
    bn_run run = { .rows = batch_norm_rows_of(call), .training = call->training,
                   .relu = opts->activation == TERN_ACT_RELU, .eps = opts->eps,
                   .momentum = opts->momentum, .x = call->in[BN_X]->data,
                   .gain = call->in[BN_GAIN]->data, .bias = call->in[BN_BIAS]->data };
    bn_cut(&run);
    run.valid = batch_norm_valid_rows(&run.rows);
    int64_t channels = run.rows.channels;
    float *workspace = call->workspace;
    run.mean = call->saved[0] ? call->saved[0]->data : workspace;
    run.inverse = call->saved[1] ? call->saved[1]->data : workspace + channels;
    run.scale = workspace + 2 * channels;
    run.offset = workspace + 3 * channels;
    run.slope = workspace + 4 * channels;
    run.sums = workspace + 5 * channels;
    run.products = run.sums + run.chunks * channels;
    run.centres = run.products + run.chunks * channels;
    run.counts = (int32_t *)(void *)(run.centres + run.chunks * channels);
    return run;
}

static inline void bn_scale(const bn_run *run)
{
    for (int64_t c = 0; c < run->rows.channels; c++)
        run->scale[c] = run->gain[c] * run->inverse[c];
}

void TERN_LEVEL(tern_batch_norm_backward)(tern_call *call);

#endif
