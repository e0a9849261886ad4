/* ema on ref: the formula, element by element. */
#include "kernels/ema/ema.h"

static void ema_forward(tern_call *call)
{
    const tern_ema_opts *opts = call->options;
    double *average = call->in[0]->data;
    const double *value = call->in[1]->data;

    for (int64_t i = 0; i < call->in[0]->count; i++)
        average[i] += (1 - opts->decay) * (value[i] - average[i]);
}

const tern_impl tern_ema_ref = {
    .op = "ema", .backend = "ref", .provider = "hand",
    .forward = ema_forward,
};
