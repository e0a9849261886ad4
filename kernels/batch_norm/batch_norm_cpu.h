/* What forward and backward of batch_norm's cpu backend share. */
#ifndef TERN_KERNELS_BATCH_NORM_CPU_H
#define TERN_KERNELS_BATCH_NORM_CPU_H

#include "core/simd.h"
#include "kernels/batch_norm/batch_norm_rows.h"

enum {
    BN_CHUNK_ELEMENTS = 8192,  /* 32 KiB, to be read twice from the L1 cache */
    BN_COMBINE_CHANNELS = 64,  /* whose chunks one tile puts together        */
    BN_STRIP_VECTORS = 4,
    BN_STRIP = BN_STRIP_VECTORS * TERN_LANES
};

/* Inner loops run over wide rows: as many rows, side by side, as have BN_STRIP elements.
 * What belongs to a channel stands in a wide vector once for each of them,
 *
 *     | mean 0 .. mean C-1 | mean 0 .. mean C-1 | ...        [width]
 *
 * and sums are taken in a wide vector, whose parts are then added to the first.
 *
 * A strip of a chunk is some columns of all its wide rows: BN_STRIP columns, so few that what
 * belongs to them and their sums stay in registers, or, at the end, up to one vector. */
typedef struct bn_strip {
    int64_t at;      /* the first element's place in x                       */
    int64_t column;  /* in wide vectors                                      */
    int64_t columns; /* BN_STRIP, or up to TERN_LANES                        */
    int64_t rows;    /* `width` elements apart                               */
} bn_strip;

typedef struct bn_run {
    batch_norm_rows rows;
    int64_t valid;  /* rows that count               */
    int64_t chunks, chunk_rows;
    int64_t width; /* elements of a wide row, a multiple of the channels */
    bool training, relu, moves_running;
    double eps, momentum;

    const float *x, *gain, *bias;
    float *y, *running_mean, *running_var;
    float *mean, *inverse; /* saved, or workspace in inference */
    float *wide_mean, *wide_scale, *wide_bias; /* scale: gain * inverse */

    /* Of each chunk, [chunks, width]: in forward the sums of (x - centre) and of its
     * square, in backward those of the gradient and of the gradient times (x - mean). */
    float *sums, *products, *centres;
    int32_t *counts; /* rows of each chunk that count */

    const float *grad_y;
    float *grad_x, *grad_gain, *grad_bias;
    float *wide_offset, *wide_slope; /* backward: what the statistics take back */
    const bool *accumulate;
} bn_run;

static inline int64_t bn_smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Forward and backward must decide alike which elements relu cut off. */
static inline tern_vf bn_normalised(tern_vf x, tern_vf mean, tern_vf scale, tern_vf bias)
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
    run->chunk_rows = channels < BN_CHUNK_ELEMENTS ? BN_CHUNK_ELEMENTS / channels : 1;
    run->chunks = (run->rows.rows + run->chunk_rows - 1) / run->chunk_rows;
    run->width = (BN_STRIP + channels - 1) / channels * channels;
}

/* Rows from `row` up to the one returned either all count or all do not. */
static inline int64_t bn_alike(const batch_norm_rows *rows, int64_t row, int64_t end, bool *count)
{
    *count = batch_norm_row_counts(rows, row);
    if (!rows->mask)
        return end;
    int64_t group = row / rows->group, last = (end - 1) / rows->group;
    while (group < last && (rows->mask[group + 1] != 0) == *count)
        group++;
    return bn_smaller((group + 1) * rows->group, end);
}

/* Cut `count` elements from x[first] on into strips; `first` begins a row. */
static inline void bn_cut_strips(const bn_run *run, int64_t first, int64_t count,
                                 void (*run_strip)(const bn_run *run, bn_strip strip, void *job),
                                 void *job)
{
    int64_t rows = count / run->width, columns;
    for (int64_t j = 0; rows > 0 && j < run->width; j += columns) {
        columns = run->width - j >= BN_STRIP ? BN_STRIP : bn_smaller(TERN_LANES, run->width - j);
        run_strip(run, (bn_strip){ first + j, j, columns, rows }, job);
    }
    first += rows * run->width;
    count -= rows * run->width;
    for (int64_t j = 0; j < count; j += columns) {
        columns = bn_smaller(TERN_LANES, count - j);
        run_strip(run, (bn_strip){ first + j, j, columns, 1 }, job);
    }
}

/* A strip's columns of a wide vector, and back. */
static inline void bn_load_strip(tern_vf *to, const float *wide, bn_strip strip, int vectors)
{
    for (int v = 0; v < vectors; v++)
        to[v] = tern_load_part(wide + strip.column + v * TERN_LANES,
                               strip.columns - v * TERN_LANES);
}

static inline void bn_store_strip(float *wide, const tern_vf *from, bn_strip strip, int vectors)
{
    for (int v = 0; v < vectors; v++)
        tern_store_part(wide + strip.column + v * TERN_LANES, from[v],
                        strip.columns - v * TERN_LANES);
}

/* Add the parts of a wide vector to its first. */
static inline void bn_fold(const bn_run *run, float *wide)
{
    int64_t channels = run->rows.channels;
    for (int64_t part = channels; part < run->width; part += channels)
        for (int64_t c = 0; c < channels; c++)
            wide[c] += wide[part + c];
}

/* Copy the first part of a wide vector to the others. */
static inline void bn_spread(const bn_run *run, float *wide)
{
    int64_t channels = run->rows.channels;
    for (int64_t part = channels; part < run->width; part += channels)
        memcpy(wide + part, wide, (size_t)channels * sizeof *wide);
}

static inline size_t bn_workspace_bytes(const tern_call *call)
{
    bn_run run = { .rows = batch_norm_rows_of(call) };
    bn_cut(&run);
    int64_t floats = 2 * run.rows.channels + (5 + 3 * run.chunks) * run.width;
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
    run.wide_mean = workspace + 2 * channels;
    run.wide_scale = run.wide_mean + run.width;
    run.wide_bias = run.wide_scale + run.width;
    run.wide_offset = run.wide_bias + run.width;
    run.wide_slope = run.wide_offset + run.width;
    run.sums = run.wide_slope + run.width;
    run.products = run.sums + run.chunks * run.width;
    run.centres = run.products + run.chunks * run.width;
    run.counts = (int32_t *)(void *)(run.centres + run.chunks * run.width);
    return run;
}

/* Once mean and inverse are known. */
static inline void bn_widen(const bn_run *run)
{
    for (int64_t c = 0; c < run->rows.channels; c++) {
        run->wide_mean[c] = run->mean[c];
        run->wide_scale[c] = run->gain[c] * run->inverse[c];
        run->wide_bias[c] = run->bias[c];
    }
    bn_spread(run, run->wide_mean);
    bn_spread(run, run->wide_scale);
    bn_spread(run, run->wide_bias);
}

void TERN_LEVEL(tern_batch_norm_backward)(tern_call *call);

#endif
