/* adam on ref: the formula, element by element, in PyTorch's order of operations. */
#include "kernels/adamw/adam.h"

#include <math.h>

static void adam_forward(tern_call *call)
{
    const tern_adamw_opts *opts = call->options;
    tern_adamw_factors factors = tern_adamw_prepare(opts);
    double *value = call->in[0]->data, *moment1 = call->in[2]->data, *moment2 = call->in[3]->data;
    const double *grad = call->in[1]->data;
    double scale = call->in[4] ? *(const double *)call->in[4]->data : 1;

    for (int64_t i = 0; i < call->in[0]->count; i++) {
        double g = scale * grad[i] + opts->weight_decay * value[i];
        moment1[i] += factors.rate1 * (g - moment1[i]);
        moment2[i] = opts->beta2 * moment2[i] + factors.rate2 * g * g;
        value[i] -= factors.step_size * moment1[i] / (sqrt(moment2[i]) / factors.root2 + opts->eps);
    }
}

const tern_impl tern_adam_ref = {
    .op = "adam", .backend = "ref", .provider = "hand",
    .forward = adam_forward,
};
