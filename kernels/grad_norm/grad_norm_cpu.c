/* grad_norm on cpu: each tile's sum of squares, then the sum of the tiles.
 *
 * float64 throughout, because float32 squares overflow above 2e19, vanish below
 * 1e-23 and lose digits in a sum of millions; the loop waits for memory anyway.
 */
#include "core/simd.h"
#include "core/threads.h"
#include "kernels/grad_norm/grad_norm.h"

#include <math.h>

enum { TILE = 16384, LANES = TERN_LANES / 2, SUMS = 4 };

/* As many float64 as fit a register, and as many float32. */
typedef double vector __attribute__((vector_size(TERN_VECTOR_BYTES)));
typedef float narrow_vector __attribute__((vector_size(TERN_VECTOR_BYTES / 2)));

static vector load_wide(const float *x)
{
    narrow_vector v;
    memcpy(&v, x, sizeof v);
    return __builtin_convertvector(v, vector);
}

static double sum_of_squares(const float *x, int64_t count)
{
    vector sums[SUMS] = { { 0 } };
    double sum = 0;
    int64_t i = 0;

    for (; i + SUMS * LANES <= count; i += SUMS * LANES)
        for (int j = 0; j < SUMS; j++) {
            vector v = load_wide(x + i + j * LANES);
            sums[j] += v * v;
        }
    for (; i < count; i++)
        sum += (double)x[i] * x[i];
    vector all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    for (int lane = 0; lane < LANES; lane++)
        sum += all[lane];
    return sum;
}

static int64_t tile_count(const tern_call *call)
{
    return (call->in[0]->count + TILE - 1) / TILE;
}

static size_t grad_norm_workspace(const tern_call *call)
{
    return (size_t)tile_count(call) * sizeof(double);
}

static void sum_tile(void *argument, int64_t tile, int worker)
{
    const tern_call *call = argument;
    const float *grad = call->in[0]->data;
    double *sums = call->workspace;
    int64_t rest = call->in[0]->count - tile * TILE;

    (void)worker;
    sums[tile] = sum_of_squares(grad + tile * TILE, rest < TILE ? rest : TILE);
}

static void grad_norm_forward(tern_call *call)
{
    const tern_grad_norm_opts *opts = call->options;
    const double *sums = call->workspace;
    float *norm = call->out[0]->data, *scale = call->out[1]->data;
    double sum = 0;

    tern_parallel(tern_ctx_pool(call->ctx), tile_count(call), sum_tile, call);
    for (int64_t tile = 0; tile < tile_count(call); tile++)
        sum += sums[tile];
    *norm = (float)sqrt(sum);
    *scale = (float)tern_clip_scale(sqrt(sum), opts->max_norm);
}

const tern_impl TERN_LEVEL(tern_grad_norm_cpu) = {
    .op = "grad_norm", .backend = "cpu", .provider = "hand",
    .forward = grad_norm_forward, .forward_workspace = grad_norm_workspace,
};
