/* Depthwise conv2d on cpu: the gradients of weight and bias.
 *
 *   grad_weight[c,u,v] = sum_pixels grad_y[pixel,c] * x[pixel under (u,v), c]
 *
 * A vector of channels is summed lane by lane over a row of pixels, in four sums that
 * do not wait for each other.  A tile of work is (chunk of output rows, vector of
 * channels) and owns a partial sum; the number of chunks depends on the shapes alone,
 * and they are added in their order.
 *
 *   partials  [chunks][channel vectors][kh*kw + 1][TERN_LANES], the last one of bias
 */
#include "kernels/conv2d/conv2d_cpu.h"

#include "core/threads.h"

enum { ENOUGH_TILES = 16, SUMS = 4 };

typedef struct weight_work {
    conv2d_geometry g;
    int64_t vectors, area, chunks;
    const float *x, *grad_y;
    float *partials;
    float *grad_weight, *grad_bias; /* NULL: not wanted */
    bool accumulate_weight, accumulate_bias;
} weight_work;

static weight_work weight_work_of(const tern_call *call)
{
    weight_work work = { .g = conv2d_geometry_of(call) };
    work.vectors = divide_up(work.g.inputs, TERN_LANES);
    work.area = work.g.kernel_rows * work.g.kernel_columns;
    work.chunks = larger(smaller(divide_up(ENOUGH_TILES, work.vectors),
                                 work.g.images * work.g.out_rows), 1);
    return work;
}

static int64_t partial_floats(const weight_work *work)
{
    return work->vectors * (work->area + 1) * TERN_LANES;
}

/* sum over q of grad[q*grad_step] * x[q*x_step]; whole: all lanes exist. */
static inline __attribute__((always_inline)) tern_vf
sum_of_row(const float *grad, int64_t grad_step, const float *x, int64_t x_step, int64_t pixels,
           int64_t width, const bool whole)
{
    const int64_t lanes = whole ? TERN_LANES : width;
    tern_vf sum[SUMS] = { { 0 } };
    int64_t q = 0;
    for (; q + SUMS <= pixels; q += SUMS)
        for (int i = 0; i < SUMS; i++)
            sum[i] += tern_load_part(grad + (q + i) * grad_step, lanes) *
                      tern_load_part(x + (q + i) * x_step, lanes);
    for (; q < pixels; q++)
        sum[0] += tern_load_part(grad + q * grad_step, lanes) *
                  tern_load_part(x + q * x_step, lanes);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static void add_to(float *partial, tern_vf value)
{
    tern_store(partial, tern_load(partial) + value);
}

/* Add output row p of an image to the sums of a vector of channels. */
static void add_row(const weight_work *work, int64_t image, int64_t p, int64_t channel,
                    float *partial)
{
    const conv2d_geometry *g = &work->g;
    int64_t channels = g->inputs, width = smaller(channels - channel, TERN_LANES);
    const float *grad =
        work->grad_y + (image * g->out_rows + p) * g->out_columns * channels + channel;
    tern_vf bias = { 0 };

    for (int64_t q = 0; q < g->out_columns; q++)
        bias += tern_load_part(grad + q * channels, width);
    add_to(partial + work->area * TERN_LANES, bias);
    for (int64_t u = 0; u < g->kernel_rows; u++) {
        int64_t row = p * g->row_stride + u * g->row_dilation - g->row_pad;
        if (row < 0 || row >= g->rows)
            continue;
        for (int64_t v = 0; v < g->kernel_columns; v++) {
            /* Output columns [first, last) whose pixel under (u,v) is in the image. */
            int64_t at = v * g->column_dilation - g->column_pad;
            int64_t first = at < 0 ? divide_up(-at, g->column_stride) : 0;
            int64_t last = at < g->columns ? divide_up(g->columns - at, g->column_stride) : 0;
            int64_t pixels = smaller(last, g->out_columns) - first;
            int64_t x_step = g->column_stride * channels, grad_at = first * channels;
            int64_t pixel = (image * g->rows + row) * g->columns + at + first * g->column_stride;
            const float *x = work->x + pixel * channels + channel;
            if (pixels <= 0)
                continue;
            add_to(partial + (u * g->kernel_columns + v) * TERN_LANES,
                   width == TERN_LANES
                       ? sum_of_row(grad + grad_at, channels, x, x_step, pixels, width, true)
                       : sum_of_row(grad + grad_at, channels, x, x_step, pixels, width, false));
        }
    }
}

static void chunk_tile(void *argument, int64_t tile, int worker)
{
    const weight_work *work = argument;
    int64_t vector = tile % work->vectors, chunk = tile / work->vectors;
    int64_t rows = work->g.images * work->g.out_rows;
    float *partial = work->partials + tile * (work->area + 1) * TERN_LANES;

    (void)worker;
    memset(partial, 0, (size_t)((work->area + 1) * TERN_LANES) * sizeof(float));
    for (int64_t row = rows * chunk / work->chunks; row < rows * (chunk + 1) / work->chunks; row++)
        add_row(work, row / work->g.out_rows, row % work->g.out_rows, vector * TERN_LANES, partial);
}

/* One vector's chunks added up, and put where the gradients lie. */
static void sum_tile(void *argument, int64_t vector, int worker)
{
    const weight_work *work = argument;
    int64_t channel = vector * TERN_LANES, area = work->area;
    int64_t width = smaller(work->g.inputs - channel, TERN_LANES);

    (void)worker;
    for (int64_t element = 0; element <= area; element++) {
        const float *partial = work->partials + (vector * (area + 1) + element) * TERN_LANES;
        tern_vf sum = tern_load(partial);
        for (int64_t chunk = 1; chunk < work->chunks; chunk++)
            sum += tern_load(partial + chunk * partial_floats(work));
        bool bias = element == area;
        bool accumulate = bias ? work->accumulate_bias : work->accumulate_weight;
        float *grad = bias                ? work->grad_bias
                      : work->grad_weight ? work->grad_weight + element
                                          : NULL;
        for (int64_t lane = 0; grad && lane < width; lane++) {
            float *to = grad + (channel + lane) * (bias ? 1 : area);
            *to = (accumulate ? *to : 0) + sum[lane];
        }
    }
}

void TERN_LEVEL(tern_conv2d_depthwise_weight)(tern_call *call, const float *grad_y,
                                              float *workspace)
{
    tern_pool *pool = tern_ctx_pool(call->ctx);
    weight_work work = weight_work_of(call);

    work.x = call->in[0]->data;
    work.grad_y = grad_y;
    work.partials = workspace;
    work.grad_weight = call->grad_in[1] ? call->grad_in[1]->data : NULL;
    work.grad_bias = call->grad_in[2] ? call->grad_in[2]->data : NULL;
    work.accumulate_weight = call->accumulate[1];
    work.accumulate_bias = call->accumulate[2];
    tern_parallel(pool, work.chunks * work.vectors, chunk_tile, &work);
    tern_parallel(pool, work.vectors, sum_tile, &work);
}

int64_t TERN_LEVEL(tern_conv2d_depthwise_weight_floats)(const tern_call *call)
{
    weight_work work = weight_work_of(call);
    return work.chunks * partial_floats(&work);
}
