/* dropout on ref: one draw for each element, in float64. */
#include "core/rng.h"
#include "kernels/elementwise/dropout.h"

/* What element e is multiplied with, in forward and backward alike. */
static double factor(const tern_call *call, int64_t e)
{
    const tern_dropout_opts *opts = call->options;
    uint32_t bits = tern_random_bits(call->rng_seed, call->rng_step, call->rng_position,
                                     (uint64_t)e);
    if (!call->training)
        return 1;
    return tern_uniform(bits) >= opts->p ? tern_dropout_scale(opts->p) : 0;
}

static void dropout_forward(tern_call *call)
{
    const double *x = call->in[0]->data;
    double *y = call->out[0]->data;

    for (int64_t e = 0; e < call->in[0]->count; e++)
        y[e] = x[e] * factor(call, e);
}

static void dropout_backward(tern_call *call)
{
    const double *grad_y = call->grad_out[0]->data;
    double *grad_x = call->grad_in[0]->data;

    for (int64_t e = 0; e < call->in[0]->count; e++)
        grad_x[e] = (call->accumulate[0] ? grad_x[e] : 0) + grad_y[e] * factor(call, e);
}

const tern_impl tern_dropout_ref = {
    .op = "dropout", .backend = "ref", .provider = "hand",
    .forward = dropout_forward, .backward = dropout_backward,
};
