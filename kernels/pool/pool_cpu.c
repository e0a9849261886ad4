/* Pooling on cpu: float32; the inner loops run over channels, which lie side by side.
 *
 * Forward walks the window of an output pixel in row-major order.  Backward takes the
 * rows of the input instead, and to each the rows of windows that cover it, so that every
 * value is written by one tile only.  A tile of work is a block of image rows, of the
 * output or of the input.
 */
#include "kernels/pool/pool.h"

#include "core/simd.h"
#include "core/threads.h"
#include "core/tiles.h"
#include "kernels/pool/pool_geometry.h"

enum { TILE_ELEMENTS = 16384, /* of x, about, in one tile         */
       SUM_CHANNELS = 64      /* whose sums are kept on the stack */ };

typedef struct pool_run {
    pool_geometry g;
    tern_tiles rows; /* of all images, counted through */
    const float *x, *grad_y;
    float *y, *grad_x;
    int32_t *winners; /* max_pool2d, where backward will follow */
    bool accumulate;
} pool_run;

/* rows_per_image rows, each of which costs `elements` of x. */
static void run_rows(tern_ctx *ctx, pool_run *run, int64_t rows_per_image, int64_t elements,
                     tern_tile_fn tile)
{
    run->rows = tern_tiles_of_rows(run->g.images * rows_per_image, elements, TILE_ELEMENTS, 1);
    tern_parallel(tern_ctx_pool(ctx), run->rows.count, tile, run);
}

static void run_out_rows(tern_ctx *ctx, pool_run *run, tern_tile_fn tile)
{
    const pool_geometry *g = &run->g;
    run_rows(ctx, run, g->rows.out_size, g->rows.window * g->columns.size * g->channels, tile);
}

static void run_in_rows(tern_ctx *ctx, pool_run *run, tern_tile_fn tile)
{
    run_rows(ctx, run, run->g.rows.size, run->g.columns.size * run->g.channels, tile);
}

static pool_range tile_range(const pool_run *run, int64_t tile)
{
    return (pool_range){ tern_tile_begin(&run->rows, tile), tern_tile_end(&run->rows, tile) };
}

/* ------------------------------------------------------------- channels -- */

static void add_channels(float *restrict to, const float *restrict from, int64_t count)
{
    for (int64_t c = 0; c < count; c++)
        to[c] += from[c];
}

/* ----------------------------------------------------------- max_pool2d -- */

/* One vector of channels, beginning at x; its place in the image and in y is counted in
 * pixels and elements. */
static inline __attribute__((always_inline)) void
max_window_vector(const pool_run *run, pool_range rows, pool_range columns, const float *x,
                  int64_t at, const bool keeps_winners)
{
    const int64_t row_pixels = run->g.columns.size, channels = run->g.channels;
    int64_t first = rows.from * row_pixels + columns.from;
    tern_vf best = tern_load(x + first * channels);
    tern_vi winner = (int32_t)first - (tern_vi){ 0 };
    for (int64_t row = rows.from; row < rows.to; row++) {
        const float *from = x + (row * row_pixels + columns.from) * channels;
        for (int64_t column = columns.from; column < columns.to; column++, from += channels) {
            tern_vf value = tern_load(from);
            /* NaN, which is not equal to itself, wins. */
            tern_vi wins = (value > best) | (value != value); // NOLINT(misc-redundant-expression)
            best = tern_select(wins, value, best);
            if (keeps_winners)
                winner = (wins & (int32_t)(row * row_pixels + column)) | (~wins & winner);
        }
    }
    tern_store(run->y + at, best);
    if (keeps_winners)
        memcpy(run->winners + at, &winner, sizeof winner);
}

static void larger_channels(float *restrict best, const float *restrict from, int64_t count)
{
    for (int64_t c = 0; c < count; c++)
        best[c] = from[c] > best[c] || from[c] != from[c] ? from[c] : best[c];
}

static void larger_channels_at(float *restrict best, int32_t *restrict winner,
                               const float *restrict from, int32_t at, int64_t count)
{
    for (int64_t c = 0; c < count; c++) {
        bool wins = from[c] > best[c] || from[c] != from[c];
        best[c] = wins ? from[c] : best[c];
        winner[c] = wins ? at : winner[c];
    }
}

/* The channels from c on, fewer than a vector. */
static void max_window_rest(const pool_run *run, pool_range rows, pool_range columns,
                            const float *x, int64_t c, int64_t at)
{
    const pool_geometry *g = &run->g;
    int64_t first = rows.from * g->columns.size + columns.from, count = g->channels - c;
    float *best = run->y + at + c;
    int32_t *winner = run->winners ? run->winners + at + c : NULL;

    memcpy(best, x + first * g->channels + c, (size_t)count * sizeof *best);
    for (int64_t i = 0; winner && i < count; i++)
        winner[i] = (int32_t)first;
    for (int64_t row = rows.from; row < rows.to; row++)
        for (int64_t column = columns.from; column < columns.to; column++) {
            int64_t place = row * g->columns.size + column;
            const float *from = x + place * g->channels + c;
            if (winner)
                larger_channels_at(best, winner, from, (int32_t)place, count);
            else
                larger_channels(best, from, count);
        }
}

static inline __attribute__((always_inline)) void
max_row(const pool_run *run, int64_t row, const bool keeps_winners)
{
    const pool_geometry *g = &run->g;
    const int64_t channels = g->channels, out_columns = g->columns.out_size;
    const float *x = run->x + row / g->rows.out_size * g->rows.size * g->columns.size * channels;
    const pool_range rows = pool_covered(&g->rows, row % g->rows.out_size);
    int64_t at = row * out_columns * channels;
    for (int64_t q = 0; q < out_columns; q++, at += channels) {
        const pool_range columns = pool_covered(&g->columns, q);
        int64_t c = 0;
        for (; c + TERN_LANES <= channels; c += TERN_LANES)
            max_window_vector(run, rows, columns, x + c, at + c, keeps_winners);
        if (c < channels)
            max_window_rest(run, rows, columns, x, c, at);
    }
}

static void max_forward_tile(void *argument, int64_t tile, int worker)
{
    const pool_run *run = argument;
    pool_range rows = tile_range(run, tile);
    (void)worker;
    for (int64_t row = rows.from; row < rows.to; row++)
        if (run->winners)
            max_row(run, row, true);
        else
            max_row(run, row, false);
}

static void max_forward(tern_call *call)
{
    pool_run run = { .g = pool_geometry_of(call), .x = call->in[0]->data,
                     .y = call->out[0]->data,
                     .winners = call->saved[0] ? call->saved[0]->data : NULL };
    run_out_rows(call->ctx, &run, max_forward_tile);
}

/* -------------------------------------------------- gathering gradients -- */

/* What a window gives back to one pixel under it: written, or added to what others gave. */
static inline __attribute__((always_inline)) void
give_where_won(float *to, const int32_t *winner, int32_t at, const float *from, int64_t count,
               const bool add)
{
    int64_t c = 0;
    for (; c + TERN_LANES <= count; c += TERN_LANES) {
        tern_vi place;
        memcpy(&place, winner + c, sizeof place);
        tern_vf given = (tern_vf)((place == at) & (tern_vi)tern_load(from + c));
        tern_store(to + c, add ? tern_load(to + c) + given : given);
    }
    for (; c < count; c++)
        to[c] = (add ? to[c] : 0) + (winner[c] == at ? from[c] : 0);
}

static void give_share(float *restrict to, const float *restrict from, float share, int64_t count,
                       bool add)
{
    for (int64_t c = 0; c < count; c++)
        to[c] = (add ? to[c] : 0) + from[c] * share;
}

/* Give back from row p of windows to a row of the input. */
static inline __attribute__((always_inline)) void
gather_row(const pool_run *run, int64_t image, int64_t row, int64_t p, float *grad, const bool add)
{
    const pool_geometry *g = &run->g;
    const int64_t channels = g->channels, out_columns = g->columns.out_size;
    int64_t at = (image * g->rows.out_size + p) * out_columns * channels;
    const pool_range rows = pool_covered(&g->rows, p);
    for (int64_t q = 0; q < out_columns; q++, at += channels) {
        const pool_range columns = pool_covered(&g->columns, q);
        float share = run->winners ? 0 : 1 / (float)pool_divisor(g, rows, columns);
        for (int64_t column = columns.from; column < columns.to; column++)
            if (run->winners)
                give_where_won(grad + column * channels, run->winners + at,
                               (int32_t)(row * g->columns.size + column), run->grad_y + at,
                               channels, add);
            else
                give_share(grad + column * channels, run->grad_y + at, share, channels, add);
    }
}

/* Windows side by side, as almost always: each pixel has one, and none is left over but
 * behind the last. */
static bool tiles_the_image(const pool_axis *axis)
{
    return !axis->adaptive && axis->stride == axis->window && axis->pad == 0;
}

static void gather_tile(void *argument, int64_t tile, int worker)
{
    const pool_run *run = argument;
    const pool_geometry *g = &run->g;
    pool_range rows = tile_range(run, tile);
    int64_t row_size = g->columns.size * g->channels, covered = 0;
    (void)worker;
    if (!run->accumulate && tiles_the_image(&g->rows) && tiles_the_image(&g->columns))
        covered = g->columns.out_size * g->columns.window * g->channels;
    for (int64_t at = rows.from; at < rows.to; at++) {
        float *grad = run->grad_x + at * row_size;
        int64_t image = at / g->rows.size, row = at % g->rows.size;
        pool_range covering = pool_covering(&g->rows, row);
        int64_t written = covering.from < covering.to ? covered : 0;
        if (!run->accumulate)
            memset(grad + written, 0, (size_t)(row_size - written) * sizeof *grad);
        for (int64_t p = covering.from; p < covering.to; p++)
            if (written)
                gather_row(run, image, row, p, grad, false);
            else
                gather_row(run, image, row, p, grad, true);
    }
}

/* Averages have no winners. */
static void gather(tern_call *call)
{
    pool_run run = { .g = pool_geometry_of(call), .grad_y = call->grad_out[0]->data,
                     .grad_x = call->grad_in[0]->data, .accumulate = call->accumulate[0],
                     .winners = call->saved[0] ? call->saved[0]->data : NULL };
    run_in_rows(call->ctx, &run, gather_tile);
}

const tern_impl TERN_LEVEL(tern_max_pool2d_cpu) = {
    .op = "max_pool2d", .backend = "cpu", .provider = "hand",
    .forward = max_forward, .backward = gather,
};

const tern_impl TERN_LEVEL(tern_adaptive_max_pool2d_cpu) = {
    .op = "adaptive_max_pool2d", .backend = "cpu", .provider = "hand",
    .forward = max_forward, .backward = gather,
};

/* ------------------------------------------------------------- averages -- */

/* The mean of a window for up to SUM_CHANNELS channels.  Each row is summed apart,
 * which keeps the rounding error of large windows small. */
static void mean_window(const pool_run *run, pool_range rows, pool_range columns, const float *x,
                        float *y, int64_t channels)
{
    const pool_geometry *g = &run->g;
    float total[SUM_CHANNELS] = { 0 }, sum[SUM_CHANNELS];
    float share = 1 / (float)pool_divisor(g, rows, columns);
    for (int64_t row = rows.from; row < rows.to; row++) {
        memset(sum, 0, sizeof sum);
        for (int64_t column = columns.from; column < columns.to; column++)
            add_channels(sum, x + (row * g->columns.size + column) * g->channels, channels);
        add_channels(total, sum, channels);
    }
    for (int64_t c = 0; c < channels; c++)
        y[c] = total[c] * share;
}

static void avg_forward_tile(void *argument, int64_t tile, int worker)
{
    const pool_run *run = argument;
    const pool_geometry *g = &run->g;
    pool_range tile_rows = tile_range(run, tile);
    int64_t image_size = g->rows.size * g->columns.size * g->channels;
    (void)worker;
    for (int64_t row = tile_rows.from; row < tile_rows.to; row++)
        for (int64_t q = 0; q < g->columns.out_size; q++) {
            pool_range rows = pool_covered(&g->rows, row % g->rows.out_size);
            pool_range columns = pool_covered(&g->columns, q);
            const float *x = run->x + row / g->rows.out_size * image_size;
            float *y = run->y + (row * g->columns.out_size + q) * g->channels;
            for (int64_t c = 0; c < g->channels; c += SUM_CHANNELS) {
                int64_t left = g->channels - c;
                mean_window(run, rows, columns, x + c, y + c,
                            left < SUM_CHANNELS ? left : SUM_CHANNELS);
            }
        }
}

static void avg_forward(tern_call *call)
{
    pool_run run = { .g = pool_geometry_of(call), .x = call->in[0]->data,
                     .y = call->out[0]->data };
    run_out_rows(call->ctx, &run, avg_forward_tile);
}

const tern_impl TERN_LEVEL(tern_avg_pool2d_cpu) = {
    .op = "avg_pool2d", .backend = "cpu", .provider = "hand",
    .forward = avg_forward, .backward = gather,
};

const tern_impl TERN_LEVEL(tern_global_avg_pool_cpu) = {
    .op = "global_avg_pool", .backend = "cpu", .provider = "hand",
    .forward = avg_forward, .backward = gather,
};

const tern_impl TERN_LEVEL(tern_adaptive_avg_pool2d_cpu) = {
    .op = "adaptive_avg_pool2d", .backend = "cpu", .provider = "hand",
    .forward = avg_forward, .backward = gather,
};
