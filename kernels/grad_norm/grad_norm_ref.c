/* grad_norm on ref: the specification. */
#include "kernels/grad_norm/grad_norm.h"

#include <math.h>

static void grad_norm_forward(tern_call *call)
{
    const tern_grad_norm_opts *opts = call->options;
    const double *grad = call->in[0]->data;
    double *norm = call->out[0]->data, *scale = call->out[1]->data;
    double sum = 0;

    for (int64_t i = 0; i < call->in[0]->count; i++)
        sum += grad[i] * grad[i];
    *norm = sqrt(sum);
    *scale = tern_clip_scale(*norm, opts->max_norm);
}

const tern_impl tern_grad_norm_ref = {
    .op = "grad_norm", .backend = "ref", .provider = "hand",
    .forward = grad_norm_forward,
};
