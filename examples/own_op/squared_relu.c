/* An op of your own, outside tern's source tree: squared ReLU (So et al. 2021,
 * arXiv:2109.08668).
 *
 *   y = max(x, 0)^2        dy/dx = 2 max(x, 0)
 *
 * Copy this file, give the op another name, and change what it computes.  `make` builds
 * it against an installed tern; then
 *
 *   tern gradcheck --plugin ./squared_relu.so squared_relu
 *   tern op --plugin ./squared_relu.so squared_relu --in in.safetensors --out out.safetensors
 *
 * A program loads it with tern_load_plugin and calls tern_apply(ctx, tern_ctx_op_find(...)).
 */
#include "core/backend.h"
#include "core/threads.h"

/* ------------------------------------------------------------ contract -- */

static void shape(tern_call *call)
{
    const tern_tensor *x = call->in[0];
    tern_declare_out(call, 0, x->dtype, x->rank, x->shape);
}

static void cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = 2 * (double)call->in[0]->count;
    backward->flops = 3 * (double)call->in[0]->count;
}

/* What `tern gradcheck` checks: awkward shapes are worth more than large ones. */
static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[3,31]", "" },
    { TERN_SAMPLE_CHECK, "x=[1]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,0,5]", "" },
    { 0, NULL, NULL },
};

static const tern_op squared_relu = {
    .name = "squared_relu",
    .summary = "square of the rectified linear unit",
    .doc = "y = max(x, 0)^2, element by element",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "any shape" } },
    .out = { { "y", TERN_REAL, 0, "as x" } },
    .shape = shape,
    .cost = cost,
    .samples = samples,
};

/* ------------------------------------------- ref: float64, plain loops -- */

static double relu(double x)
{
    return x < 0 ? 0 : x; /* NaN stays */
}

static void ref_forward(tern_call *call)
{
    const double *x = call->in[0]->data;
    double *y = call->out[0]->data;
    for (int64_t i = 0; i < call->in[0]->count; i++)
        y[i] = relu(x[i]) * relu(x[i]);
}

static void ref_backward(tern_call *call)
{
    const double *x = call->in[0]->data, *grad_y = call->grad_out[0]->data;
    double *grad_x = call->grad_in[0]->data;
    for (int64_t i = 0; i < call->in[0]->count; i++)
        grad_x[i] = (call->accumulate[0] ? grad_x[i] : 0) + 2 * relu(x[i]) * grad_y[i];
}

static const tern_impl on_ref = { .op = "squared_relu", .backend = "ref", .provider = "hand",
                                  .forward = ref_forward, .backward = ref_backward };

/* ------------------------------------------- cpu: float32, all threads -- */

enum { TILE = 16384 }; /* elements: fixed, so that the bits do not depend on the threads */

static int64_t end_of(const tern_call *call, int64_t tile)
{
    int64_t count = call->in[0]->count;
    return (tile + 1) * TILE < count ? (tile + 1) * TILE : count;
}

static void forward_tile(void *argument, int64_t tile, int worker)
{
    const tern_call *call = argument;
    const float *x = call->in[0]->data;
    float *y = call->out[0]->data;
    (void)worker;
    for (int64_t i = tile * TILE; i < end_of(call, tile); i++) {
        float positive = x[i] < 0 ? 0 : x[i];
        y[i] = positive * positive;
    }
}

static void backward_tile(void *argument, int64_t tile, int worker)
{
    const tern_call *call = argument;
    const float *x = call->in[0]->data, *grad_y = call->grad_out[0]->data;
    float *grad_x = call->grad_in[0]->data;
    (void)worker;
    for (int64_t i = tile * TILE; i < end_of(call, tile); i++) {
        float grad = 2 * (x[i] < 0 ? 0 : x[i]) * grad_y[i];
        grad_x[i] = call->accumulate[0] ? grad_x[i] + grad : grad;
    }
}

static void cpu_forward(tern_call *call)
{
    int64_t tiles = (call->in[0]->count + TILE - 1) / TILE;
    tern_parallel(tern_ctx_pool(call->ctx), tiles, forward_tile, call);
}

static void cpu_backward(tern_call *call)
{
    int64_t tiles = (call->in[0]->count + TILE - 1) / TILE;
    tern_parallel(tern_ctx_pool(call->ctx), tiles, backward_tile, call);
}

static const tern_impl on_cpu = { .op = "squared_relu", .backend = "cpu", .provider = "hand",
                                  .forward = cpu_forward, .backward = cpu_backward };

/* -------------------------------------------------------------- plugin -- */

bool tern_plugin(int version, const tern_host *host, tern_error *error)
{
    if (version != TERN_PLUGIN_VERSION)
        return tern_error_set(error, TERN_ERR_MISSING, "built for plugin interface version %d",
                              TERN_PLUGIN_VERSION);
    host->add_op(host->registry, &squared_relu);
    host->add_impl(host->registry, &on_ref);
    host->add_impl(host->registry, &on_cpu);
    return true;
}
