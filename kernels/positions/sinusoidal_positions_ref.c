/* sinusoidal_positions on ref: the formula, element by element. */
#include "kernels/positions/sinusoidal_positions.h"

#include <math.h>

static double code(const tern_sinusoidal_positions_opts *opts, int64_t t, int64_t d, int64_t size)
{
    int64_t i = d / 2;
    double angle = (double)(opts->offset + t) * pow(opts->base, -2.0 * (double)i / (double)size);
    return d % 2 == 0 ? sin(angle) : cos(angle);
}

static void positions_forward(tern_call *call)
{
    const double *x = call->in[0] ? call->in[0]->data : NULL;
    double *y = call->out[0]->data;
    int64_t length = tern_dim(call->out[0], -2), size = tern_dim(call->out[0], -1);

    for (int64_t i = 0; i < call->out[0]->count; i++)
        y[i] = (x ? x[i] : 0) + code(call->options, i / size % length, i % size, size);
}

static void positions_backward(tern_call *call)
{
    const double *grad_y = call->grad_out[0]->data;
    double *grad_x = call->grad_in[0]->data;

    for (int64_t i = 0; i < call->grad_in[0]->count; i++)
        grad_x[i] = (call->accumulate[0] ? grad_x[i] : 0) + grad_y[i];
}

const tern_impl tern_sinusoidal_positions_ref = {
    .op = "sinusoidal_positions", .backend = "ref", .provider = "hand",
    .forward = positions_forward, .backward = positions_backward,
};
