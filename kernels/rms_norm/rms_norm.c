/* The contract of RMS normalisation; see rms_norm.h for the formula. */
#include "kernels/rms_norm/rms_norm.h"

static const tern_option options[] = {
    { .name = "eps", .type = TERN_OPTION_REAL, .offset = offsetof(tern_rms_norm_opts, eps),
      .fallback = 0x1p-23, .lowest = 1e-30, .highest = 1, .doc = "added to the mean of squares" },
    { 0 },
};

static void rms_norm_shape(tern_call *call)
{
    const tern_tensor *x = call->in[0], *gain = call->in[1];
    char xt[TERN_SHAPE_TEXT], gt[TERN_SHAPE_TEXT];

    if (x->rank < 1) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x is a scalar, it needs a last axis: [...,D]");
        return;
    }
    if (gain && (gain->rank != 1 || gain->shape[0] != tern_dim(x, -1))) {
        tern_call_fail(call, TERN_ERR_SHAPE, "gain %s must be [%lld], the last axis of x %s",
                       tern_shape_text(gain, gt), (long long)tern_dim(x, -1),
                       tern_shape_text(x, xt));
        return;
    }
    tern_declare_out(call, 0, x->dtype, x->rank, x->shape);
    tern_declare_saved(call, 0, x->dtype, x->rank - 1, x->shape);
}

/* Forward: square, sum; scale, gain.  Backward: gain, sum (2), its use (4), gain's sum (3). */
static void rms_norm_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = 4 * (double)call->in[0]->count;
    backward->flops = 10 * (double)call->in[0]->count;
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7] gain=[7]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,3,31] gain=[31]", "eps=0.01" },
    { TERN_SAMPLE_CHECK, "x=[37,19]", "" },
    { TERN_SAMPLE_CHECK, "x=[3,16] gain=[16]", "" },
    { TERN_SAMPLE_CHECK, "x=[37,263] gain=[263]", "" },
    { TERN_SAMPLE_CHECK, "x=[13]{100..101} gain=[13]", "" },
    { TERN_SAMPLE_CHECK, "x=[4,1] gain=[1]", "eps=0.5" },
    { TERN_SAMPLE_CHECK, "x=[0,6] gain=[6]", "" },
    { TERN_SAMPLE_BENCH, "x=[8192,128] gain=[128]", "" },
    { TERN_SAMPLE_BENCH, "x=[1024,1024] gain=[1024]", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_rms_norm = {
    .name = "rms_norm",
    .summary = "root mean square normalisation over the last axis",
    .doc = "y[r,d] = x[r,d] / sqrt(mean_d(x[r,d]^2) + eps) * gain[d]",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[..., D]" },
            { "gain", TERN_REAL, TERN_DIFF | TERN_OPTIONAL | TERN_BACKWARD_READS, "[D]" } },
    .out = { { "y", TERN_REAL, 0, "[..., D]" } },
    .saved = { { "inverse", TERN_REAL, 0, "[...]" } },
    .options_size = sizeof(tern_rms_norm_opts),
    .options = options,
    .shape = rms_norm_shape,
    .cost = rms_norm_cost,
    .samples = samples,
};

tern_tensor *tern_rms_norm(tern_ctx *ctx, tern_tensor *x, tern_tensor *gain,
                           tern_rms_norm_opts opts)
{
    tern_tensor *inputs[] = { x, gain };
    return tern_apply(ctx, &tern_op_rms_norm, inputs, 2, &opts, NULL);
}
