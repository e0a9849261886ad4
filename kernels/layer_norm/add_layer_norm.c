/* The contract of add_layer_norm; see add_layer_norm.h for the formula. */
#include "kernels/layer_norm/add_layer_norm.h"

static const tern_option options[] = {
    { .name = "eps", .type = TERN_OPTION_REAL, .offset = offsetof(tern_layer_norm_opts, eps),
      .fallback = 1e-5, .lowest = 1e-30, .highest = 1, .doc = "added to the variance" },
    { 0 },
};

static void add_layer_norm_shape(tern_call *call)
{
    const tern_tensor *x = call->in[0], *residual = call->in[1];
    char xt[TERN_SHAPE_TEXT], ot[TERN_SHAPE_TEXT];

    if (x->rank < 1) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x is a scalar, it needs a last axis: [...,D]");
        return;
    }
    if (!tern_same_shape(residual, x)) {
        tern_call_fail(call, TERN_ERR_SHAPE, "residual %s must have the shape of x %s",
                       tern_shape_text(residual, ot), tern_shape_text(x, xt));
        return;
    }
    for (int i = 2; i < 4; i++) {
        const tern_tensor *vector = call->in[i];
        if (vector && (vector->rank != 1 || vector->shape[0] != tern_dim(x, -1))) {
            tern_call_fail(call, TERN_ERR_SHAPE, "%s %s must be [%lld], the last axis of x %s",
                           call->op->in[i].name, tern_shape_text(vector, ot),
                           (long long)tern_dim(x, -1), tern_shape_text(x, xt));
            return;
        }
    }
    tern_declare_out(call, 0, x->dtype, x->rank, x->shape);
    tern_declare_out(call, 1, x->dtype, x->rank, x->shape);
    tern_declare_saved(call, 0, x->dtype, x->rank - 1, x->shape);
    tern_declare_saved(call, 1, x->dtype, x->rank - 1, x->shape);
}

/* layer_norm's and one addition each way. */
static void add_layer_norm_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = 9 * (double)call->in[0]->count;
    backward->flops = 16 * (double)call->in[0]->count;
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7] residual=[5,7] gain=[7] bias=[7]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,3,31] residual=[2,3,31] gain=[31] bias=[31]", "eps=0.01" },
    { TERN_SAMPLE_CHECK, "x=[37,19] residual=[37,19]", "" },
    { TERN_SAMPLE_CHECK, "x=[37,263] residual=[37,263] gain=[263]", "" },
    { TERN_SAMPLE_CHECK, "x=[3,16] residual=[3,16] bias=[16]", "" },
    { TERN_SAMPLE_CHECK, "x=[13]{100..101} residual=[13] gain=[13] bias=[13]", "" },
    { TERN_SAMPLE_CHECK, "x=[4,1] residual=[4,1] gain=[1] bias=[1]", "" },
    { TERN_SAMPLE_CHECK, "x=[0,6] residual=[0,6] gain=[6] bias=[6]", "" },
    { TERN_SAMPLE_BENCH, "x=[8192,128] residual=[8192,128] gain=[128] bias=[128]", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_add_layer_norm = {
    .name = "add_layer_norm",
    .summary = "residual add and layer normalisation in one pass",
    .doc = "sum = x + residual\n"
           "y[r,d] = (sum[r,d] - mean[r]) / sqrt(var[r] + eps) * gain[d] + bias[d]\n"
           "mean and biased var are those of row r of sum",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[..., D]" },
            { "residual", TERN_REAL, TERN_DIFF, "[..., D]" },
            { "gain", TERN_REAL, TERN_DIFF | TERN_OPTIONAL | TERN_BACKWARD_READS, "[D]" },
            { "bias", TERN_REAL, TERN_DIFF | TERN_OPTIONAL, "[D]" } },
    .out = { { "y", TERN_REAL, 0, "[..., D]" },
             { "sum", TERN_REAL, TERN_BACKWARD_READS, "[..., D]" } },
    .saved = { { "mean", TERN_REAL, 0, "[...]" }, { "rstd", TERN_REAL, 0, "[...]" } },
    .options_size = sizeof(tern_layer_norm_opts),
    .options = options,
    .shape = add_layer_norm_shape,
    .cost = add_layer_norm_cost,
    .samples = samples,
};

tern_tensor *tern_add_layer_norm(tern_ctx *ctx, tern_tensor *x, tern_tensor *residual,
                                 tern_tensor *gain, tern_tensor *bias, tern_tensor **sum,
                                 tern_layer_norm_opts opts)
{
    tern_tensor *inputs[] = { x, residual, gain, bias }, *outputs[2];
    tern_apply(ctx, &tern_op_add_layer_norm, inputs, 4, &opts, outputs);
    if (sum)
        *sum = outputs[1];
    return outputs[0];
}
