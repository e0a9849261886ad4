/* Depthwise conv2d on cpu: forward and the gradient of x.
 *
 * Every channel is convolved with its own kernel, so channels, which lie side by side,
 * are the vectors: one vector of TERN_LANES channels of an output pixel is
 *
 *      y[q] = sum over kernel elements of x[pixel under it] * tap,   lane by lane
 *
 * Eight neighbouring pixels are computed at once: they share each tap's load, and their
 * sums are eight chains of additions that need not wait for each other.
 *
 *      taps     [channel vectors][kh][kw][TERN_LANES], zero in channels beyond C
 *
 * Pixels at the left and right border, whose kernel reaches beyond the image, go one by
 * one.  The gradient of x is the same sum over the output's gradient, phase by phase
 * (conv2d_phase.h), so both directions are one row function.
 *
 * A tile of work is (image, block of rows); its extent depends on the shapes alone.
 */
#include "kernels/conv2d/conv2d_cpu.h"

#include "core/threads.h"
#include "kernels/conv2d/conv2d_phase.h"

enum {
    PIXELS = 8,                  /* of a block of sums                    */
    TILE_MULTIPLY_ADDS = 500000, /* see conv2d_cpu.c                      */
    SLOPE_FLOATS = 16384         /* of the gradient prepared by one tile  */
};

/* One row of results, for one vector of channels.  Taps walk over the image from the
 * row and column under the first tap, a step at a time. */
typedef struct depthwise_row {
    const float *image; /* [rows, columns, channels], at the vector's channel */
    int64_t rows, columns, channels, width; /* width: channels of the vector  */
    int64_t row, row_step, row_taps;
    int64_t column, column_step, column_taps; /* for the first result         */
    int64_t column_stride;                    /* from one result to the next  */
    const float *taps;                        /* [row_taps][column_taps][TERN_LANES] */
    float *out; /* [count], out_step floats apart                             */
    int64_t count, out_step;
    const float *start; /* start_step floats apart: bias (0), out, or NULL for zeros */
    int64_t start_step;
    float *activated; /* where act(out) goes, as out; NULL: nowhere */
    tern_activation activation;
} depthwise_row;

/* Taps of `taps` that fall into [0, extent) when the first lies at `at`. */
typedef struct tap_range {
    int64_t first, last; /* last is beyond the range */
} tap_range;

static tap_range taps_inside(int64_t at, int64_t step, int64_t taps, int64_t extent)
{
    tap_range range = { at < 0 ? divide_up(-at, step) : 0, 0 };
    range.last = at < extent ? smaller(taps, divide_up(extent - at, step)) : 0;
    return range;
}

/* Inlined with constant pixels and whole, so that the sums are registers. */
static inline __attribute__((always_inline)) void
block_of_pixels(const depthwise_row *d, int64_t q, tap_range rows, tap_range columns,
                const int pixels, const bool whole)
{
    const int64_t width = whole ? TERN_LANES : d->width;
    const int64_t pixel_step = d->column_stride * d->channels;
    const int64_t column = d->column + q * d->column_stride;
    tern_vf sum[PIXELS];

    TERN_UNROLL for (int i = 0; i < pixels; i++)
        sum[i] = d->start ? tern_load_part(d->start + (q + i) * d->start_step, width)
                          : (tern_vf){ 0 };
    for (int64_t s = rows.first; s < rows.last; s++) {
        int64_t pixel = (d->row + s * d->row_step) * d->columns + column;
        for (int64_t t = columns.first; t < columns.last; t++) {
            const float *x = d->image + (pixel + t * d->column_step) * d->channels;
            tern_vf tap = tern_load(d->taps + (s * d->column_taps + t) * TERN_LANES);
            TERN_UNROLL for (int i = 0; i < pixels; i++)
                sum[i] += tern_load_part(x + i * pixel_step, width) * tap;
        }
    }
    TERN_UNROLL for (int i = 0; i < pixels; i++) {
        int64_t at = (q + i) * d->out_step;
        tern_store_part(d->out + at, sum[i], width);
        if (d->activated)
            tern_store_part(d->activated + at, tern_vactivate(d->activation, sum[i]), width);
    }
}

static inline __attribute__((always_inline)) void row_of_pixels(const depthwise_row *d,
                                                                const bool whole)
{
    tap_range rows = taps_inside(d->row, d->row_step, d->row_taps, d->rows);
    tap_range all = { 0, d->column_taps };
    /* Results [inside, border) have all their taps within the columns. */
    int64_t room = d->columns - d->column - (d->column_taps - 1) * d->column_step;
    int64_t inside = d->column < 0 ? divide_up(-d->column, d->column_stride) : 0;
    int64_t border = room > 0 ? smaller(d->count, divide_up(room, d->column_stride)) : 0;

    for (int64_t q = 0; q < d->count;) {
        int64_t left = q >= inside ? border - q : 0;
        if (left >= PIXELS) {
            block_of_pixels(d, q, rows, all, PIXELS, whole);
            q += PIXELS;
        } else if (left >= PIXELS / 2) {
            block_of_pixels(d, q, rows, all, PIXELS / 2, whole);
            q += PIXELS / 2;
        } else {
            tap_range columns = taps_inside(d->column + q * d->column_stride, d->column_step,
                                            d->column_taps, d->columns);
            block_of_pixels(d, q, rows, columns, 1, whole);
            q++;
        }
    }
}

static void depthwise_row_run(const depthwise_row *row)
{
    if (row->width == TERN_LANES)
        row_of_pixels(row, true);
    else
        row_of_pixels(row, false);
}

static int64_t vectors_of(const conv2d_geometry *g)
{
    return divide_up(g->inputs, TERN_LANES);
}

static int64_t taps_floats(const conv2d_geometry *g)
{
    return vectors_of(g) * g->kernel_rows * g->kernel_columns * TERN_LANES;
}

/* Rows of a tile, of so many multiply-adds each. */
static int64_t rows_of_tile(int64_t row_work, int64_t rows)
{
    return smaller(divide_up(TILE_MULTIPLY_ADDS, row_work + 1), rows);
}

/* One kernel element's tap for a vector of channels. */
static void pack_tap(const conv2d_geometry *g, const float *weight, int64_t vector, int64_t u,
                     int64_t v, float *to)
{
    int64_t area = g->kernel_rows * g->kernel_columns;
    for (int64_t lane = 0; lane < TERN_LANES; lane++) {
        int64_t channel = vector * TERN_LANES + lane;
        to[lane] = channel < g->inputs ? weight[channel * area + u * g->kernel_columns + v] : 0;
    }
}

/* -------------------------------------------------------------- forward -- */

typedef struct forward_work {
    conv2d_geometry g;
    int64_t tile_rows, blocks;
    const float *x, *bias;
    float *taps, *sums, *y;
    tern_activation activation;
} forward_work;

static void forward_tile(void *argument, int64_t tile, int worker)
{
    const forward_work *work = argument;
    const conv2d_geometry *g = &work->g;
    int64_t image = tile / work->blocks, first = tile % work->blocks * work->tile_rows;
    int64_t last = smaller(first + work->tile_rows, g->out_rows);

    (void)worker;
    for (int64_t p = first; p < last; p++)
        for (int64_t vector = 0; vector < vectors_of(g); vector++) {
            int64_t channel = vector * TERN_LANES;
            int64_t at = (image * g->out_rows + p) * g->out_columns * g->outputs + channel;
            bool active = work->activation != TERN_ACT_NONE;
            depthwise_row_run(&(depthwise_row){
                .image = work->x + image * g->rows * g->columns * g->inputs + channel,
                .rows = g->rows, .columns = g->columns, .channels = g->inputs,
                .width = smaller(g->inputs - channel, TERN_LANES),
                .row = p * g->row_stride - g->row_pad, .row_step = g->row_dilation,
                .row_taps = g->kernel_rows, .column = -g->column_pad,
                .column_step = g->column_dilation, .column_taps = g->kernel_columns,
                .column_stride = g->column_stride,
                .taps = work->taps + channel * g->kernel_rows * g->kernel_columns,
                .out = work->sums + at, .count = g->out_columns, .out_step = g->outputs,
                .start = work->bias ? work->bias + channel : NULL,
                .activated = active ? work->y + at : NULL, .activation = work->activation,
            });
        }
}

void TERN_LEVEL(tern_conv2d_depthwise)(tern_call *call)
{
    const tern_conv2d_opts *opts = call->options;
    conv2d_geometry g = conv2d_geometry_of(call);
    int64_t area = g.kernel_rows * g.kernel_columns;
    forward_work work = {
        .g = g, .tile_rows = rows_of_tile(g.out_columns * g.outputs * area, g.out_rows),
        .x = call->in[0]->data, .bias = call->in[2] ? call->in[2]->data : NULL,
        .taps = call->workspace, .y = call->out[0]->data,
        .activation = (tern_activation)opts->activation,
    };
    work.sums = call->saved[0] ? call->saved[0]->data : work.y;
    work.blocks = divide_up(g.out_rows, work.tile_rows);

    for (int64_t vector = 0; vector < vectors_of(&g); vector++)
        for (int64_t element = 0; element < area; element++)
            pack_tap(&g, call->in[1]->data, vector, element / g.kernel_columns,
                     element % g.kernel_columns,
                     work.taps + (vector * area + element) * TERN_LANES);
    tern_parallel(tern_ctx_pool(call->ctx), g.images * work.blocks, forward_tile, &work);
}

int64_t TERN_LEVEL(tern_conv2d_depthwise_floats)(const tern_call *call)
{
    conv2d_geometry g = conv2d_geometry_of(call);
    return taps_floats(&g);
}

/* ------------------------------------------------------------- backward -- */

typedef struct backward_work {
    conv2d_geometry g;
    int64_t tile_rows, blocks;
    image_source source; /* y's gradient, as it came */
    float *prepared;     /* before the activation, where there is one */
    const float *grad_y; /* before the activation                     */
    float *taps, *grad_x;
    bool accumulate;
} backward_work;

/* Taps in the order in which a phase walks over the output's gradient: flipped, the
 * phases one after the other as grad_x_row takes them. */
static void pack_phases(const conv2d_geometry *g, const float *weight, float *taps)
{
    for (int64_t vector = 0; vector < vectors_of(g); vector++)
        for (int64_t row = 0; row < g->row_stride; row++)
            for (int64_t column = 0; column < g->column_stride; column++) {
                conv2d_phase rows = conv2d_row_phase(g, row);
                conv2d_phase columns = conv2d_column_phase(g, column);
                for (int64_t s = rows.taps - 1; s >= 0; s--)
                    for (int64_t t = columns.taps - 1; t >= 0; t--, taps += TERN_LANES)
                        pack_tap(g, weight, vector, rows.first + s * rows.step,
                                 columns.first + t * columns.step, taps);
            }
}

/* Row h of grad_x, for one vector of channels. */
static void grad_x_row(const backward_work *work, int64_t image, int64_t h, int64_t vector)
{
    const conv2d_geometry *g = &work->g;
    int64_t channel = vector * TERN_LANES, area = g->kernel_rows * g->kernel_columns;
    int64_t row = h % g->row_stride;
    conv2d_phase rows = conv2d_row_phase(g, row);
    const float *taps = work->taps + vector * area * TERN_LANES;

    for (int64_t before = 0; before < row; before++)
        taps += conv2d_row_phase(g, before).taps * g->kernel_columns * TERN_LANES;
    for (int64_t column = 0; column < g->column_stride && column < g->columns; column++) {
        conv2d_phase columns = conv2d_column_phase(g, column);
        float *out = work->grad_x + channel +
                     ((image * g->rows + h) * g->columns + column) * g->inputs;
        depthwise_row_run(&(depthwise_row){
            .image = work->grad_y + image * g->out_rows * g->out_columns * g->outputs + channel,
            .rows = g->out_rows, .columns = g->out_columns, .channels = g->outputs,
            .width = smaller(g->inputs - channel, TERN_LANES),
            .row = rows.base + h / g->row_stride - (rows.taps - 1) * rows.back,
            .row_step = rows.back, .row_taps = rows.taps,
            .column = columns.base - (columns.taps - 1) * columns.back,
            .column_step = columns.back, .column_taps = columns.taps, .column_stride = 1,
            .taps = taps, .out = out, .count = divide_up(g->columns - column, g->column_stride),
            .out_step = g->column_stride * g->inputs, .start = work->accumulate ? out : NULL,
            .start_step = g->column_stride * g->inputs,
        });
        taps += rows.taps * columns.taps * TERN_LANES;
    }
}

static void grad_x_tile(void *argument, int64_t tile, int worker)
{
    const backward_work *work = argument;
    const conv2d_geometry *g = &work->g;
    int64_t image = tile / work->blocks, first = tile % work->blocks * work->tile_rows;
    int64_t last = smaller(first + work->tile_rows, g->rows);

    (void)worker;
    for (int64_t h = first; h < last; h++)
        for (int64_t vector = 0; vector < vectors_of(g); vector++)
            grad_x_row(work, image, h, vector);
}

static void slope_tile(void *argument, int64_t tile, int worker)
{
    const backward_work *work = argument;
    const conv2d_geometry *g = &work->g;
    int64_t first = tile * SLOPE_FLOATS;
    int64_t count = g->images * g->out_rows * g->out_columns * g->outputs;
    (void)worker;
    read_source(work->prepared + first, &work->source, first,
                smaller(SLOPE_FLOATS, count - first));
}

/* Workspace: the gradient before the activation, then taps or partial sums. */
static int64_t prepared_floats(const tern_call *call)
{
    const tern_conv2d_opts *opts = call->options;
    return opts->activation == TERN_ACT_NONE ? 0 : whole_lines(call->out[0]->count);
}

void TERN_LEVEL(tern_conv2d_depthwise_backward)(tern_call *call)
{
    tern_pool *pool = tern_ctx_pool(call->ctx);
    conv2d_geometry g = conv2d_geometry_of(call);
    float *rest = (float *)call->workspace + prepared_floats(call);
    backward_work work = { .g = g, .source = gradient_source(call, &g), .taps = rest,
                           .grad_y = call->grad_out[0]->data };

    if (prepared_floats(call) > 0) {
        work.grad_y = work.prepared = call->workspace;
        tern_parallel(pool, divide_up(call->out[0]->count, SLOPE_FLOATS), slope_tile, &work);
    }
    if (call->grad_in[0]) {
        int64_t row_work = g.columns * g.inputs * g.kernel_rows * g.kernel_columns;
        work.tile_rows = rows_of_tile(row_work / (g.row_stride * g.column_stride), g.rows);
        work.blocks = divide_up(g.rows, work.tile_rows);
        work.grad_x = call->grad_in[0]->data;
        work.accumulate = call->accumulate[0];
        pack_phases(&g, call->in[1]->data, work.taps);
        tern_parallel(pool, g.images * work.blocks, grad_x_tile, &work);
    }
    if (call->grad_in[1] || call->grad_in[2])
        TERN_LEVEL(tern_conv2d_depthwise_weight)(call, work.grad_y, rest);
}

int64_t TERN_LEVEL(tern_conv2d_depthwise_backward_floats)(const tern_call *call)
{
    conv2d_geometry g = conv2d_geometry_of(call);
    return prepared_floats(call) +
           larger(taps_floats(&g), TERN_LEVEL(tern_conv2d_depthwise_weight_floats)(call));
}
