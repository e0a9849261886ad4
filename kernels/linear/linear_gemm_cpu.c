/* linear on cpu: three matrix products by whatever GEMM the provider brings, float32.
 *
 *   forward    y           [rows,O] = act( x [rows,I] weight^T + bias )     one GEMM
 *   backward   g           [rows,O] = grad_y * act'                         one pass over rows,
 *              grad_bias   [O]      = sum of g over rows                    both in one
 *              grad_x      [rows,I] = g weight                              one GEMM each
 *              grad_weight [O,I]    = g^T x
 *
 * Without an activation g is grad_y itself.  grad_bias is summed over tiles of
 * TILE_ROWS rows first and then over tiles, in order, whatever the threads.
 */
#include "kernels/linear/linear_gemm.h"

#include "kernels/elementwise/activation_cpu.h"
#include "kernels/matmul/gemm_weight.h"

enum { TILE_ROWS = 64, TILE_COLUMNS = 256 };

typedef struct sizes {
    int64_t rows, inputs, outputs;
} sizes;

static sizes sizes_of(const tern_call *call)
{
    return (sizes){ .rows = tern_extent(call->in[0], 0, call->in[0]->rank - 1),
                    .inputs = call->in[1]->shape[1],
                    .outputs = call->in[1]->shape[0] };
}

static tern_activation activation_of(const tern_call *call)
{
    return (tern_activation)((const tern_linear_opts *)call->options)->activation;
}

/* Sizes, strides and flags only: what tern_gemm_scratch looks at. */
static tern_gemm forward_product(const tern_call *call, const tern_gemm_provider *gemm)
{
    sizes n = sizes_of(call);
    tern_gemm product = { .m = n.rows, .n = n.outputs, .k = n.inputs, .a_stride = n.inputs,
                          .b_stride = n.inputs, .c_stride = n.outputs };
    tern_gemm_flag_weight(call, 1, gemm, &product);
    return product;
}

static tern_gemm grad_x_product(const tern_call *call)
{
    sizes n = sizes_of(call);
    return (tern_gemm){ .m = n.rows, .n = n.inputs, .k = n.outputs, .a_stride = n.outputs,
                        .b_stride = n.inputs, .c_stride = n.inputs,
                        .accumulate = call->accumulate[0] };
}

static tern_gemm grad_weight_product(const tern_call *call)
{
    sizes n = sizes_of(call);
    return (tern_gemm){ .m = n.outputs, .n = n.inputs, .k = n.rows, .a_stride = n.outputs,
                        .b_stride = n.inputs, .c_stride = n.inputs, .a_transposed = true,
                        .accumulate = call->accumulate[1] };
}

size_t TERN_LEVEL(tern_linear_forward_bytes)(const tern_call *call, const tern_gemm_provider *gemm)
{
    tern_gemm product = forward_product(call, gemm);
    return gemm->scratch(&product, tern_pool_threads(tern_ctx_pool(call->ctx)));
}

void TERN_LEVEL(tern_linear_forward)(tern_call *call, const tern_gemm_provider *gemm)
{
    tern_gemm product = forward_product(call, gemm);
    product.a = call->in[0]->data;
    if (!tern_gemm_take_weight(call, 1, gemm, &product))
        return;
    product.c = call->out[0]->data;
    product.bias = call->in[2] ? call->in[2]->data : NULL;
    product.activation = activation_of(call);
    product.before = call->saved[0] ? call->saved[0]->data : NULL;
    product.scratch = call->workspace;
    gemm->run(tern_ctx_pool(call->ctx), &product);
}

/* --------------------------------------------------------------- backward -- */

/* The backward workspace: g [rows,O], then sums [tiles,O], then GEMM's scratch. */
typedef struct layout {
    size_t sums, scratch, total; /* offsets in bytes */
} layout;

static size_t aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static layout layout_of(const tern_call *call, const tern_gemm_provider *gemm)
{
    sizes n = sizes_of(call);
    int threads = tern_pool_threads(tern_ctx_pool(call->ctx));
    tern_gemm for_x = grad_x_product(call), for_weight = grad_weight_product(call);
    size_t x = call->grad_in[0] ? gemm->scratch(&for_x, threads) : 0;
    size_t weight = call->grad_in[1] ? gemm->scratch(&for_weight, threads) : 0;
    size_t row = (size_t)n.outputs * sizeof(float);
    size_t tiles = (size_t)(n.rows + TILE_ROWS - 1) / TILE_ROWS;
    layout at = { 0 };

    at.sums = activation_of(call) ? aligned((size_t)n.rows * row) : 0;
    at.scratch = at.sums + (call->grad_in[2] ? aligned(tiles * row) : 0);
    at.total = at.scratch + (x > weight ? x : weight);
    return at;
}

size_t TERN_LEVEL(tern_linear_backward_bytes)(const tern_call *call,
                                              const tern_gemm_provider *gemm)
{
    return layout_of(call, gemm).total;
}

typedef struct rows_job {
    tern_activation activation;
    int64_t rows, outputs, tiles;
    const float *grad_y, *kept;
    float *g;         /* NULL without an activation                */
    float *sums;      /* [tiles,O], or NULL if no bias wants them  */
    float *grad_bias;
    bool accumulate_bias;
} rows_job;

/* One vector of one row, or what is left of it: g, and its part of the tile's sum. */
static inline void rows_vector(const rows_job *job, int64_t row, int64_t j, float *sum)
{
    int64_t at = row * job->outputs + j, n = job->outputs - j;
    tern_vf g = tern_load_part(job->grad_y + at, n);

    if (job->g) {
        g *= tern_vactivation_slope(job->activation, tern_load_part(job->kept + at, n));
        tern_store_part(job->g + at, g, n);
    }
    if (sum)
        tern_store_part(sum + j, tern_load_part(sum + j, n) + g, n);
}

static void rows_tile(void *argument, int64_t tile, int worker)
{
    const rows_job *job = argument;
    int64_t row = tile * TILE_ROWS, end = row + TILE_ROWS < job->rows ? row + TILE_ROWS : job->rows;
    float *sum = job->sums ? job->sums + tile * job->outputs : NULL;

    (void)worker;
    if (sum)
        memset(sum, 0, (size_t)job->outputs * sizeof(float));
    for (; row < end; row++)
        for (int64_t j = 0; j < job->outputs; j += TERN_LANES)
            rows_vector(job, row, j, sum);
}

static void bias_tile(void *argument, int64_t tile, int worker)
{
    const rows_job *job = argument;
    int64_t j = tile * TILE_COLUMNS;
    int64_t end = j + TILE_COLUMNS < job->outputs ? j + TILE_COLUMNS : job->outputs;

    (void)worker;
    for (; j < end; j++) {
        float sum = 0;
        for (int64_t t = 0; t < job->tiles; t++)
            sum += job->sums[t * job->outputs + j];
        job->grad_bias[j] = job->accumulate_bias ? job->grad_bias[j] + sum : sum;
    }
}

/* Returns g. */
static const float *backward_rows(tern_call *call, layout at)
{
    sizes n = sizes_of(call);
    tern_pool *pool = tern_ctx_pool(call->ctx);
    char *workspace = call->workspace;
    rows_job job = {
        .activation = activation_of(call), .rows = n.rows, .outputs = n.outputs,
        .tiles = (n.rows + TILE_ROWS - 1) / TILE_ROWS, .grad_y = call->grad_out[0]->data,
        .kept = tern_activation_kept(call),
        .g = activation_of(call) ? (float *)workspace : NULL,
        .sums = call->grad_in[2] ? (float *)(workspace + at.sums) : NULL,
        .grad_bias = call->grad_in[2] ? call->grad_in[2]->data : NULL,
        .accumulate_bias = call->accumulate[2],
    };
    if (job.g || job.sums)
        tern_parallel(pool, job.tiles, rows_tile, &job);
    if (job.grad_bias)
        tern_parallel(pool, (n.outputs + TILE_COLUMNS - 1) / TILE_COLUMNS, bias_tile, &job);
    return job.g ? job.g : job.grad_y;
}

void TERN_LEVEL(tern_linear_backward)(tern_call *call, const tern_gemm_provider *gemm)
{
    tern_pool *pool = tern_ctx_pool(call->ctx);
    layout at = layout_of(call, gemm);
    void *scratch = (char *)call->workspace + at.scratch;
    const float *g = backward_rows(call, at);

    if (call->grad_in[0]) {
        tern_gemm product = grad_x_product(call);
        product.a = g;
        product.b = call->in[1]->data;
        product.c = call->grad_in[0]->data;
        product.scratch = scratch;
        gemm->run(pool, &product);
    }
    if (call->grad_in[1]) {
        tern_gemm product = grad_weight_product(call);
        product.a = g;
        product.b = call->in[0]->data;
        product.c = call->grad_in[1]->data;
        product.scratch = scratch;
        gemm->run(pool, &product);
    }
}
