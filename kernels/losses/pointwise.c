/* The contracts of mse, l1, huber and bce_with_logits; see pointwise.h. */
#include "kernels/losses/pointwise.h"

static const tern_option options[] = {
    { .name = "reduction", .type = TERN_OPTION_CHOICE,
      .offset = offsetof(tern_loss_opts, reduction), .choices = tern_reduction_names,
      .doc = "what becomes of the elements' terms" },
    { 0 },
};

static const tern_option huber_options[] = {
    { .name = "reduction", .type = TERN_OPTION_CHOICE,
      .offset = offsetof(tern_loss_opts, reduction), .choices = tern_reduction_names,
      .doc = "what becomes of the elements' terms" },
    { .name = "delta", .type = TERN_OPTION_REAL, .offset = offsetof(tern_loss_opts, delta),
      .fallback = 1, .lowest = 1e-30, .highest = 1e30,
      .doc = "where the parabola becomes a line" },
    { 0 },
};

static bool check_pos_weight(tern_call *call)
{
    const tern_tensor *x = call->in[LOSS_X];
    const tern_tensor *vector = call->inputs > LOSS_POS_WEIGHT ? call->in[LOSS_POS_WEIGHT] : NULL;
    char xt[TERN_SHAPE_TEXT], vt[TERN_SHAPE_TEXT];

    if (!vector || (x->rank >= 1 && vector->rank == 1 && vector->shape[0] == tern_dim(x, -1)))
        return true;
    tern_call_fail(call, TERN_ERR_SHAPE, "pos_weight %s must be as long as the last axis of x %s",
                   tern_shape_text(vector, vt), tern_shape_text(x, xt));
    return false;
}

static void loss_shape(tern_call *call)
{
    const tern_loss_opts *opts = call->options;
    const tern_tensor *x = call->in[LOSS_X];
    char xt[TERN_SHAPE_TEXT], ot[TERN_SHAPE_TEXT];

    for (int i = LOSS_TARGET; i <= LOSS_WEIGHT; i++)
        if (call->in[i] && !tern_same_shape(call->in[i], x)) {
            tern_call_fail(call, TERN_ERR_SHAPE, "%s %s must have the shape of x %s",
                           call->op->in[i].name, tern_shape_text(call->in[i], ot),
                           tern_shape_text(x, xt));
            return;
        }
    if (!check_pos_weight(call))
        return;
    tern_declare_out(call, 0, x->dtype, opts->reduction == TERN_REDUCE_NONE ? x->rank : 0,
                     x->shape);
    tern_declare_saved(call, 0, x->dtype, 0, NULL);
}

static void regression_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = 4 * (double)call->in[LOSS_X]->count;
    backward->flops = 4 * (double)call->in[LOSS_X]->count;
}

static void bce_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = 12 * (double)call->in[LOSS_X]->count;
    backward->flops = 12 * (double)call->in[LOSS_X]->count;
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7] target=[5,7]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,3,31] target=[2,3,31] weight=[2,3,31]{0..2}", "" },
    { TERN_SAMPLE_CHECK, "x=[97]{-9..9} target=[97] weight=[97]{0..1}", "reduction=sum" },
    { TERN_SAMPLE_CHECK, "x=[17] target=[17] weight=[17]{0.5..2}", "reduction=none" },
    { TERN_SAMPLE_CHECK, "x=[3,2] target=[3,2]", "reduction=none" },
    { TERN_SAMPLE_CHECK, "x=[1,1] target=[1,1]", "" },
    { TERN_SAMPLE_CHECK, "x=[3,2] target=[3,2] weight=[3,2]{0..0}", "" },
    { TERN_SAMPLE_CHECK, "x=[] target=[]", "" },
    { TERN_SAMPLE_CHECK, "x=[0,3] target=[0,3] weight=[0,3]", "" },
    { TERN_SAMPLE_BENCH, "x=[1024,1024] target=[1024,1024]", "" },
    { 0, NULL, NULL },
};

static const tern_sample huber_samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7] target=[5,7]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,3,31] target=[2,3,31] weight=[2,3,31]{0..2}", "delta=0.3" },
    { TERN_SAMPLE_CHECK, "x=[97]{-9..9} target=[97]", "delta=5 reduction=sum" },
    { TERN_SAMPLE_CHECK, "x=[17] target=[17] weight=[17]{0.5..2}", "reduction=none" },
    { TERN_SAMPLE_CHECK, "x=[] target=[]", "delta=2" },
    { TERN_SAMPLE_CHECK, "x=[1,1] target=[1,1]", "" },
    { TERN_SAMPLE_CHECK, "x=[0,3] target=[0,3]", "reduction=none" },
    { TERN_SAMPLE_BENCH, "x=[1024,1024] target=[1024,1024]", "" },
    { 0, NULL, NULL },
};

static const tern_sample bce_samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7] target=[5,7]{0..1}", "" },
    { TERN_SAMPLE_CHECK,
      "x=[2,3,31]{-9..9} target=[2,3,31]{0..1} weight=[2,3,31]{0..2} pos_weight=[31]{0.2..5}", "" },
    { TERN_SAMPLE_CHECK, "x=[97]{-30..30} target=[97]{0..1} weight=[97]{0..1}", "reduction=sum" },
    { TERN_SAMPLE_CHECK, "x=[17,3] target=[17,3]{0..1} pos_weight=[3]{1..9}", "reduction=none" },
    { TERN_SAMPLE_CHECK, "x=[13,1] target=[13,1]{1..1} pos_weight=[1]{3..3}", "" },
    { TERN_SAMPLE_CHECK, "x=[23]{-30..30} target=[23]{0..0}", "reduction=none" },
    { TERN_SAMPLE_CHECK, "x=[] target=[]{0..1}", "" },
    { TERN_SAMPLE_CHECK, "x=[0,3] target=[0,3] pos_weight=[3]", "" },
    { TERN_SAMPLE_BENCH, "x=[4096,64] target=[4096,64]{0..1} pos_weight=[64]{1..9}", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_mse = {
    .name = "mse",
    .summary = "mean squared error",
    .doc = "term = weight * (x - target)^2; the mean divides by the sum of the weights",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" },
            { "target", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" },
            { "weight", TERN_REAL, TERN_OPTIONAL | TERN_BACKWARD_READS, "[...]" } },
    .out = { { "loss", TERN_REAL, 0, "[], or [...] for reduction none" } },
    .saved = { { "divisor", TERN_REAL, 0, "[]" } },
    .options_size = sizeof(tern_loss_opts),
    .options = options,
    .shape = loss_shape,
    .cost = regression_cost,
    .samples = samples,
};

const tern_op tern_op_l1 = {
    .name = "l1",
    .summary = "mean absolute error",
    .doc = "term = weight * |x - target|; the mean divides by the sum of the weights",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" },
            { "target", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" },
            { "weight", TERN_REAL, TERN_OPTIONAL | TERN_BACKWARD_READS, "[...]" } },
    .out = { { "loss", TERN_REAL, 0, "[], or [...] for reduction none" } },
    .saved = { { "divisor", TERN_REAL, 0, "[]" } },
    .options_size = sizeof(tern_loss_opts),
    .options = options,
    .shape = loss_shape,
    .cost = regression_cost,
    .samples = samples,
};

const tern_op tern_op_huber = {
    .name = "huber",
    .summary = "squared error that is linear far from the target",
    .doc = "term = weight * (d^2 / 2 where |d| <= delta, delta (|d| - delta/2) elsewhere), d = x - target;\n"
           "the mean divides by the number of elements",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" },
            { "target", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" },
            { "weight", TERN_REAL, TERN_OPTIONAL | TERN_BACKWARD_READS, "[...]" } },
    .out = { { "loss", TERN_REAL, 0, "[], or [...] for reduction none" } },
    .saved = { { "divisor", TERN_REAL, 0, "[]" } },
    .options_size = sizeof(tern_loss_opts),
    .options = huber_options,
    .shape = loss_shape,
    .cost = regression_cost,
    .samples = huber_samples,
};

const tern_op tern_op_bce_with_logits = {
    .name = "bce_with_logits",
    .summary = "binary cross-entropy of scores before the sigmoid",
    .doc = "term = weight * (pos_weight * target * softplus(-x) + (1 - target) * softplus(x));\n"
           "the mean divides by the number of elements",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" },
            { "target", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" },
            { "weight", TERN_REAL, TERN_OPTIONAL | TERN_BACKWARD_READS, "[...]" },
            { "pos_weight", TERN_REAL, TERN_OPTIONAL | TERN_BACKWARD_READS, "[C], last axis" } },
    .out = { { "loss", TERN_REAL, 0, "[], or [...] for reduction none" } },
    .saved = { { "divisor", TERN_REAL, 0, "[]" } },
    .options_size = sizeof(tern_loss_opts),
    .options = options,
    .shape = loss_shape,
    .cost = bce_cost,
    .samples = bce_samples,
};

tern_tensor *tern_mse(tern_ctx *ctx, tern_tensor *x, tern_tensor *target, tern_tensor *weight,
                      tern_loss_opts opts)
{
    tern_tensor *inputs[] = { x, target, weight };
    return tern_apply(ctx, &tern_op_mse, inputs, 3, &opts, NULL);
}

tern_tensor *tern_l1(tern_ctx *ctx, tern_tensor *x, tern_tensor *target, tern_tensor *weight,
                     tern_loss_opts opts)
{
    tern_tensor *inputs[] = { x, target, weight };
    return tern_apply(ctx, &tern_op_l1, inputs, 3, &opts, NULL);
}

tern_tensor *tern_huber(tern_ctx *ctx, tern_tensor *x, tern_tensor *target, tern_tensor *weight,
                        tern_loss_opts opts)
{
    tern_tensor *inputs[] = { x, target, weight };
    return tern_apply(ctx, &tern_op_huber, inputs, 3, &opts, NULL);
}

tern_tensor *tern_bce_with_logits(tern_ctx *ctx, tern_tensor *x, tern_tensor *target,
                                  tern_tensor *weight, tern_tensor *pos_weight,
                                  tern_loss_opts opts)
{
    tern_tensor *inputs[] = { x, target, weight, pos_weight };
    return tern_apply(ctx, &tern_op_bce_with_logits, inputs, 4, &opts, NULL);
}
