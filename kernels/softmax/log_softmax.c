/* The contract of log_softmax; see log_softmax.h for the formula and shapes. */
#include "kernels/softmax/log_softmax.h"

#include "kernels/softmax/softmax_rows.h"

/* Forward: maximum, difference, exp, sum, difference. */
static void log_softmax_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = 5 * (double)call->in[0]->count;
    backward->flops = 4 * (double)call->in[0]->count;
    forward->bytes = 2 * (double)tern_tensor_bytes(call->in[0]);
    backward->bytes = 3 * (double)tern_tensor_bytes(call->in[0]);
}

const tern_op tern_op_log_softmax = {
    .name = "log_softmax",
    .summary = "logarithm of softmax over the last axis, masked elements left out",
    .doc = "y[r,d] = x[r,d] - log(sum_j exp(x[r,j])) over the valid j; 0 where the mask is 0",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[..., D]" },
            { "mask", TERN_MASK, TERN_OPTIONAL | TERN_BACKWARD_READS, "[..., D]" } },
    .out = { { "y", TERN_REAL, TERN_BACKWARD_READS, "[..., D]" } },
    .shape = tern_softmax_shape,
    .cost = log_softmax_cost,
    .samples = tern_softmax_samples,
};

tern_tensor *tern_log_softmax(tern_ctx *ctx, tern_tensor *x, tern_tensor *mask)
{
    tern_tensor *inputs[] = { x, mask };
    return tern_apply(ctx, &tern_op_log_softmax, inputs, 2, NULL, NULL);
}
