/* The contract of group normalisation; see group_norm.h for the formula. */
#include "kernels/group_norm/group_norm.h"

static const tern_option options[] = {
    { .name = "groups", .type = TERN_OPTION_INT, .offset = offsetof(tern_group_norm_opts, groups),
      .fallback = 1, .lowest = 1, .highest = 1 << 30, .doc = "how many; must divide the channels" },
    { .name = "eps", .type = TERN_OPTION_REAL, .offset = offsetof(tern_group_norm_opts, eps),
      .fallback = 1e-5, .lowest = 1e-30, .highest = 1, .doc = "added to the variance" },
    { 0 },
};

tern_group_extents tern_group_norm_extents(const tern_call *call)
{
    const tern_group_norm_opts *opts = call->options;
    const tern_tensor *x = call->in[0];
    int64_t channels = tern_dim(x, -1);
    return (tern_group_extents){ .samples = x->shape[0],
                                 .rows = tern_extent(x, 1, x->rank - 1),
                                 .groups = opts->groups, .width = channels / opts->groups,
                                 .channels = channels };
}

static void group_norm_shape(tern_call *call)
{
    const tern_group_norm_opts *opts = call->options;
    const tern_tensor *x = call->in[0];
    char xt[TERN_SHAPE_TEXT], vt[TERN_SHAPE_TEXT];

    if (x->rank < 2) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x %s needs samples and channels: [N,...,C]",
                       tern_shape_text(x, xt));
        return;
    }
    if (tern_dim(x, -1) % opts->groups != 0) {
        tern_call_fail(call, TERN_ERR_OPTION, "groups is %lld, it must divide the %lld channels of x %s",
                       (long long)opts->groups, (long long)tern_dim(x, -1), tern_shape_text(x, xt));
        return;
    }
    for (int i = 1; i < 3; i++) {
        const tern_tensor *vector = call->in[i];
        if (vector && (vector->rank != 1 || vector->shape[0] != tern_dim(x, -1))) {
            tern_call_fail(call, TERN_ERR_SHAPE, "%s %s must be [%lld], the channels of x %s",
                           call->op->in[i].name, tern_shape_text(vector, vt),
                           (long long)tern_dim(x, -1), tern_shape_text(x, xt));
            return;
        }
    }
    int64_t saved[] = { x->shape[0], opts->groups };
    tern_declare_out(call, 0, x->dtype, x->rank, x->shape);
    tern_declare_saved(call, 0, x->dtype, 2, saved);
    tern_declare_saved(call, 1, x->dtype, 2, saved);
}

/* As layer_norm's. */
static void group_norm_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = 8 * (double)call->in[0]->count;
    backward->flops = 15 * (double)call->in[0]->count;
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[2,3,4,6] gain=[6] bias=[6]", "groups=2" },
    { TERN_SAMPLE_CHECK, "x=[3,7,31] gain=[31] bias=[31]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,5,3,12]", "groups=4 eps=0.01" },
    { TERN_SAMPLE_CHECK, "x=[2,11,5] gain=[5]", "groups=5" },
    { TERN_SAMPLE_CHECK, "x=[5,34] bias=[34]", "groups=17" },
    { TERN_SAMPLE_CHECK, "x=[2,13,4]{100..101} gain=[4] bias=[4]", "groups=2" },
    { TERN_SAMPLE_CHECK, "x=[4,1] gain=[1] bias=[1]", "" },
    { TERN_SAMPLE_CHECK, "x=[1,37,61,7] gain=[7] bias=[7]", "groups=7" },
    { TERN_SAMPLE_CHECK, "x=[0,3,6] gain=[6] bias=[6]", "groups=3" },
    { TERN_SAMPLE_CHECK, "x=[2,0,6] gain=[6] bias=[6]", "groups=3" },
    { TERN_SAMPLE_BENCH, "x=[8,32,32,64] gain=[64] bias=[64]", "groups=8" },
    { 0, NULL, NULL },
};

const tern_op tern_op_group_norm = {
    .name = "group_norm",
    .summary = "normalisation over the positions and a group of channels of each sample",
    .doc = "y[n,...,c] = (x[n,...,c] - mean[n,g]) / sqrt(var[n,g] + eps) * gain[c] + bias[c]\n"
           "mean and biased var over all positions and the channels of c's group g",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[N, ..., C]" },
            { "gain", TERN_REAL, TERN_DIFF | TERN_OPTIONAL | TERN_BACKWARD_READS, "[C]" },
            { "bias", TERN_REAL, TERN_DIFF | TERN_OPTIONAL, "[C]" } },
    .out = { { "y", TERN_REAL, 0, "[N, ..., C]" } },
    .saved = { { "mean", TERN_REAL, 0, "[N, groups]" }, { "rstd", TERN_REAL, 0, "[N, groups]" } },
    .options_size = sizeof(tern_group_norm_opts),
    .options = options,
    .shape = group_norm_shape,
    .cost = group_norm_cost,
    .samples = samples,
};

tern_tensor *tern_group_norm(tern_ctx *ctx, tern_tensor *x, tern_tensor *gain, tern_tensor *bias,
                             tern_group_norm_opts opts)
{
    tern_tensor *inputs[] = { x, gain, bias };
    return tern_apply(ctx, &tern_op_group_norm, inputs, 3, &opts, NULL);
}
