/* add_layer_norm on cpu: layer_norm's passes, which add before and after; see
 * layer_norm_cpu.c. */
#include "kernels/layer_norm/add_layer_norm.h"

#include "kernels/layer_norm/layer_norm_cpu.h"

static void add_layer_norm_forward(tern_call *call)
{
    const tern_layer_norm_opts *opts = call->options;
    layer_norm_task task = { .x = call->in[0]->data, .residual = call->in[1]->data,
                             .gain = call->in[2] ? call->in[2]->data : NULL,
                             .bias = call->in[3] ? call->in[3]->data : NULL,
                             .y = call->out[0]->data, .sum = call->out[1]->data, .eps = opts->eps,
                             .mean = call->saved[0] ? call->saved[0]->data : NULL,
                             .rstd = call->saved[1] ? call->saved[1]->data : NULL };
    TERN_LEVEL(tern_layer_norm_forward)(call, &task);
}

static size_t backward_workspace(const tern_call *call)
{
    bool sums = call->grad_in[2] || call->grad_in[3];
    return sums ? TERN_LEVEL(tern_layer_norm_workspace)(call->in[0]) : 0;
}

static void add_layer_norm_backward(tern_call *call)
{
    layer_norm_task task = { .x = call->out[1]->data, .grad_y = call->grad_out[0]->data,
                             .grad_sum = call->grad_out[1]->data,
                             .gain = call->in[2] ? call->in[2]->data : NULL,
                             .mean = call->saved[0]->data, .rstd = call->saved[1]->data,
                             .grad_x = call->grad_in[0] ? call->grad_in[0]->data : NULL,
                             .grad_residual = call->grad_in[1] ? call->grad_in[1]->data : NULL,
                             .grad_gain = call->grad_in[2] ? call->grad_in[2]->data : NULL,
                             .grad_bias = call->grad_in[3] ? call->grad_in[3]->data : NULL,
                             .accumulate_x = call->accumulate[0],
                             .accumulate_residual = call->accumulate[1],
                             .accumulate_gain = call->accumulate[2],
                             .accumulate_bias = call->accumulate[3] };
    TERN_LEVEL(tern_layer_norm_backward)(call, &task);
}

const tern_impl TERN_LEVEL(tern_add_layer_norm_cpu) = {
    .op = "add_layer_norm", .backend = "cpu", .provider = "hand",
    .forward = add_layer_norm_forward, .backward = add_layer_norm_backward,
    .backward_workspace = backward_workspace,
};
