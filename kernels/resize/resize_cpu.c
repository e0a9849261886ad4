/* Resizing on cpu: float32; the inner loops run over channels, which lie side by side.
 *
 * The sources of all rows and columns of y are computed once.  Forward takes the rows of
 * y.  Backward takes the rows of x, and to each the rows of y that come from it: as the
 * sources ascend, they lie side by side, and every value is written by one tile only.  A
 * tile of work is a block of rows.
 */
#include "kernels/resize/resize.h"

#include "core/simd.h"
#include "core/threads.h"
#include "core/tiles.h"
#include "core/workspace.h"
#include "kernels/resize/resize_axis.h"

enum { TILE_ELEMENTS = 16384 /* of the larger image, about, in one tile */ };

/* Of nearest, high is low. */
typedef struct source {
    int32_t low, high;
    float low_weight, high_weight;
} source;

typedef struct resize_run {
    const tern_tensor *x, *y; /* headers: the shapes */
    bool bilinear, accumulate;
    source *rows, *columns; /* [y's rows], [y's columns] */
    const float *from;      /* x, or the gradient of y   */
    float *to;              /* y, or the gradient of x   */
    tern_tiles tiles; /* of rows */
    size_t bytes;
} resize_run;

static source source_of(const tern_call *call, int axis, int64_t at)
{
    int64_t size = call->in[0]->shape[axis], out_size = call->out[0]->shape[axis];
    if (call->op == &tern_op_resize_nearest) {
        int32_t place = (int32_t)resize_nearest_place(at, size, out_size);
        return (source){ place, place, 1, 0 };
    }
    const tern_resize_bilinear_opts *opts = call->options;
    resize_source s = resize_bilinear_source(at, size, out_size, opts->align_corners);
    return (source){ (int32_t)s.low, (int32_t)s.high, (float)(1 - s.part), (float)s.part };
}

static resize_run run_of(const tern_call *call, void *base)
{
    tern_workspace workspace = { .base = base };
    resize_run run = { .x = call->in[0], .y = call->out[0],
                       .bilinear = call->op == &tern_op_resize_bilinear };
    run.rows = tern_workspace_take(&workspace, run.y->shape[1], sizeof(source));
    run.columns = tern_workspace_take(&workspace, run.y->shape[2], sizeof(source));
    run.bytes = workspace.used;
    for (int64_t p = 0; base && p < run.y->shape[1]; p++)
        run.rows[p] = source_of(call, 1, p);
    for (int64_t q = 0; base && q < run.y->shape[2]; q++)
        run.columns[q] = source_of(call, 2, q);
    return run;
}

static size_t resize_workspace(const tern_call *call)
{
    return run_of(call, NULL).bytes;
}

/* The rows of `image` of the whole batch in tiles; each costs `elements`. */
static void run_rows(tern_ctx *ctx, resize_run *run, const tern_tensor *image, int64_t elements,
                     tern_tile_fn tile)
{
    run->tiles =
        tern_tiles_of_rows(image->shape[0] * image->shape[1], elements, TILE_ELEMENTS, 1);
    tern_parallel(tern_ctx_pool(ctx), run->tiles.count, tile, run);
}

/* -------------------------------------------------------------- forward -- */

/* One pixel from two rows of x. */
static void blend(const float *restrict low, const float *restrict high, source row, source column,
                  float *restrict to, int64_t channels)
{
    const float *a = low + column.low * channels, *b = low + column.high * channels;
    const float *c = high + column.low * channels, *d = high + column.high * channels;
    for (int64_t i = 0; i < channels; i++)
        to[i] = row.low_weight * (column.low_weight * a[i] + column.high_weight * b[i]) +
                row.high_weight * (column.low_weight * c[i] + column.high_weight * d[i]);
}

static void forward_tile(void *argument, int64_t tile, int worker)
{
    const resize_run *run = argument;
    const int64_t *shape = run->y->shape;
    int64_t channels = shape[3], x_row = run->x->shape[2] * channels;
    int64_t end = tern_tile_end(&run->tiles, tile);
    (void)worker;
    for (int64_t at = tern_tile_begin(&run->tiles, tile); at < end; at++) {
        source row = run->rows[at % shape[1]];
        const float *image = run->from + at / shape[1] * run->x->shape[1] * x_row;
        const float *low = image + row.low * x_row, *high = image + row.high * x_row;
        float *to = run->to + at * shape[2] * channels;
        for (int64_t q = 0; q < shape[2]; q++, to += channels)
            if (run->bilinear)
                blend(low, high, row, run->columns[q], to, channels);
            else
                memcpy(to, low + run->columns[q].low * channels, (size_t)channels * sizeof *to);
    }
}

static void resize_forward(tern_call *call)
{
    resize_run run = run_of(call, call->workspace);
    run.from = call->in[0]->data;
    run.to = call->out[0]->data;
    run_rows(call->ctx, &run, run.y, run.y->shape[2] * run.y->shape[3], forward_tile);
}

/* ------------------------------------------------------------- backward -- */

static void add_weighted(float *restrict to, const float *restrict from, float weight,
                         int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        to[i] += weight * from[i];
}

/* Add to a row of x what a row of y gives back, of which it has the part `weight`. */
static void gather_row(const resize_run *run, const float *grad_y, float weight, float *grad_x)
{
    int64_t channels = run->y->shape[3];
    for (int64_t q = 0; q < run->y->shape[2]; q++, grad_y += channels) {
        source column = run->columns[q];
        add_weighted(grad_x + column.low * channels, grad_y, weight * column.low_weight, channels);
        if (run->bilinear)
            add_weighted(grad_x + column.high * channels, grad_y, weight * column.high_weight,
                         channels);
    }
}

/* The first row of y whose higher source is `row` or beyond. */
static int64_t first_row_from(const resize_run *run, int64_t row)
{
    int64_t from = 0, to = run->y->shape[1];
    while (from < to) {
        int64_t middle = (from + to) / 2;
        if (run->rows[middle].high < row)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void backward_tile(void *argument, int64_t tile, int worker)
{
    const resize_run *run = argument;
    int64_t height = run->x->shape[1], out_height = run->y->shape[1];
    int64_t x_row = run->x->shape[2] * run->x->shape[3];
    int64_t y_row = run->y->shape[2] * run->y->shape[3];
    int64_t end = tern_tile_end(&run->tiles, tile);
    (void)worker;
    for (int64_t at = tern_tile_begin(&run->tiles, tile); at < end; at++) {
        float *grad_x = run->to + at * x_row;
        const float *image = run->from + at / height * out_height * y_row;
        int64_t row = at % height;
        if (!run->accumulate)
            memset(grad_x, 0, (size_t)x_row * sizeof *grad_x);
        for (int64_t p = first_row_from(run, row); p < out_height && run->rows[p].low <= row; p++) {
            source s = run->rows[p];
            float weight = (s.low == row ? s.low_weight : 0) + (s.high == row ? s.high_weight : 0);
            gather_row(run, image + p * y_row, weight, grad_x);
        }
    }
}

static void resize_backward(tern_call *call)
{
    resize_run run = run_of(call, call->workspace);
    const tern_tensor *larger = run.x->count > run.y->count ? run.x : run.y;
    run.from = call->grad_out[0]->data;
    run.to = call->grad_in[0]->data;
    run.accumulate = call->accumulate[0];
    if (call->in[0]->count)
        run_rows(call->ctx, &run, run.x, larger->count / (run.x->shape[0] * run.x->shape[1]),
                 backward_tile);
}

const tern_impl TERN_LEVEL(tern_resize_nearest_cpu) = {
    .op = "resize_nearest", .backend = "cpu", .provider = "hand",
    .forward = resize_forward, .backward = resize_backward,
    .forward_workspace = resize_workspace, .backward_workspace = resize_workspace,
};

const tern_impl TERN_LEVEL(tern_resize_bilinear_cpu) = {
    .op = "resize_bilinear", .backend = "cpu", .provider = "hand",
    .forward = resize_forward, .backward = resize_backward,
    .forward_workspace = resize_workspace, .backward_workspace = resize_workspace,
};
