/* The contract of layer normalisation; see layer_norm.h for the formula. */
#include "kernels/layer_norm/layer_norm.h"

static const tern_option options[] = {
    { .name = "eps", .type = TERN_OPTION_REAL, .offset = offsetof(tern_layer_norm_opts, eps),
      .fallback = 1e-5, .lowest = 1e-30, .highest = 1, .doc = "added to the variance" },
    { 0 },
};

static void layer_norm_shape(tern_call *call)
{
    const tern_tensor *x = call->in[0];
    char xt[TERN_SHAPE_TEXT], vt[TERN_SHAPE_TEXT];

    if (x->rank < 1) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x is a scalar, it needs a last axis: [...,D]");
        return;
    }
    for (int i = 1; i < 3; i++) {
        const tern_tensor *vector = call->in[i];
        if (vector && (vector->rank != 1 || vector->shape[0] != tern_dim(x, -1))) {
            tern_call_fail(call, TERN_ERR_SHAPE, "%s %s must be [%lld], the last axis of x %s",
                           call->op->in[i].name, tern_shape_text(vector, vt),
                           (long long)tern_dim(x, -1), tern_shape_text(x, xt));
            return;
        }
    }
    tern_declare_out(call, 0, x->dtype, x->rank, x->shape);
    tern_declare_saved(call, 0, x->dtype, x->rank - 1, x->shape);
    tern_declare_saved(call, 1, x->dtype, x->rank - 1, x->shape);
}

/* Forward: sum; difference, square, sum; difference, scale, gain, bias.
 * Backward: normalised x (2), gain, two sums (4), their use (5), gain's sum (2), bias's. */
static void layer_norm_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = 8 * (double)call->in[0]->count;
    backward->flops = 15 * (double)call->in[0]->count;
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7] gain=[7] bias=[7]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,3,31] gain=[31] bias=[31]", "eps=0.01" },
    { TERN_SAMPLE_CHECK, "x=[37,19]", "" },
    { TERN_SAMPLE_CHECK, "x=[3,17] gain=[17]", "" },
    { TERN_SAMPLE_CHECK, "x=[3,16] bias=[16]", "" },
    { TERN_SAMPLE_CHECK, "x=[37,263] gain=[263] bias=[263]", "" },
    { TERN_SAMPLE_CHECK, "x=[13]{100..101} gain=[13] bias=[13]", "" },
    { TERN_SAMPLE_CHECK, "x=[4,1] gain=[1] bias=[1]", "" },
    { TERN_SAMPLE_CHECK, "x=[0,6] gain=[6] bias=[6]", "" },
    { TERN_SAMPLE_BENCH, "x=[8192,128] gain=[128] bias=[128]", "" },
    { TERN_SAMPLE_BENCH, "x=[1024,1024] gain=[1024] bias=[1024]", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_layer_norm = {
    .name = "layer_norm",
    .summary = "layer normalisation over the last axis",
    .doc = "y[r,d] = (x[r,d] - mean[r]) / sqrt(var[r] + eps) * gain[d] + bias[d]\n"
           "var is the biased variance of row r",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[..., D]" },
            { "gain", TERN_REAL, TERN_DIFF | TERN_OPTIONAL | TERN_BACKWARD_READS, "[D]" },
            { "bias", TERN_REAL, TERN_DIFF | TERN_OPTIONAL, "[D]" } },
    .out = { { "y", TERN_REAL, 0, "[..., D]" } },
    .saved = { { "mean", TERN_REAL, 0, "[...]" }, { "rstd", TERN_REAL, 0, "[...]" } },
    .options_size = sizeof(tern_layer_norm_opts),
    .options = options,
    .shape = layer_norm_shape,
    .cost = layer_norm_cost,
    .samples = samples,
};

tern_tensor *tern_layer_norm(tern_ctx *ctx, tern_tensor *x, tern_tensor *gain, tern_tensor *bias,
                             tern_layer_norm_opts opts)
{
    tern_tensor *inputs[] = { x, gain, bias };
    return tern_apply(ctx, &tern_op_layer_norm, inputs, 3, &opts, NULL);
}
