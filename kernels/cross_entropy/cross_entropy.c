/* The contract of cross-entropy; see cross_entropy.h for the formula and shapes. */
#include "kernels/cross_entropy/cross_entropy.h"

static const tern_option options[] = {
    { .name = "label_smoothing", .type = TERN_OPTION_REAL,
      .offset = offsetof(tern_cross_entropy_opts, label_smoothing), .lowest = 0, .highest = 1,
      .doc = "share of the target spread evenly over all classes" },
    { .name = "ignore_index", .type = TERN_OPTION_INT,
      .offset = offsetof(tern_cross_entropy_opts, ignore_index), .lowest = INT32_MIN,
      .highest = INT32_MAX, .has_offset = offsetof(tern_cross_entropy_opts, has_ignore_index),
      .doc = "class number of rows that do not count" },
    { .name = "reduction", .type = TERN_OPTION_CHOICE,
      .offset = offsetof(tern_cross_entropy_opts, reduction), .choices = tern_reduction_names,
      .doc = "what becomes of the rows' terms" },
    { 0 },
};

static bool check_vector(tern_call *call, int input, int axis)
{
    const tern_tensor *logits = call->in[CE_LOGITS], *vector = call->in[input];
    char lt[TERN_SHAPE_TEXT], vt[TERN_SHAPE_TEXT];

    if (!vector || (vector->rank == 1 && vector->shape[0] == logits->shape[axis]))
        return true;
    tern_call_fail(call, TERN_ERR_SHAPE, "%s %s must be [%lld], one for each %s of logits %s",
                   call->op->in[input].name, tern_shape_text(vector, vt),
                   (long long)logits->shape[axis], axis ? "class" : "row",
                   tern_shape_text(logits, lt));
    return false;
}

static bool check_soft_target(tern_call *call)
{
    const tern_cross_entropy_opts *opts = call->options;
    const tern_tensor *logits = call->in[CE_LOGITS], *soft = call->in[CE_SOFT_TARGET];
    char lt[TERN_SHAPE_TEXT], st[TERN_SHAPE_TEXT];

    if (!call->in[CE_TARGET] == !soft)
        tern_call_fail(call, TERN_ERR_ARGUMENT,
                       "one of target (class numbers) and soft_target (shares) is wanted");
    else if (soft && !tern_same_shape(soft, logits))
        tern_call_fail(call, TERN_ERR_SHAPE, "soft_target %s must have the shape of logits %s",
                       tern_shape_text(soft, st), tern_shape_text(logits, lt));
    else if (soft && opts->has_ignore_index)
        tern_call_fail(call, TERN_ERR_OPTION,
                       "ignore_index is a class number, soft targets have none: use row_weight");
    else
        return true;
    return false;
}

static void cross_entropy_shape(tern_call *call)
{
    const tern_cross_entropy_opts *opts = call->options;
    const tern_tensor *logits = call->in[CE_LOGITS];
    char lt[TERN_SHAPE_TEXT];

    if (logits->rank != 2 || logits->shape[1] < 1) {
        tern_call_fail(call, TERN_ERR_SHAPE, "logits %s must be [N,C] with at least one class",
                       tern_shape_text(logits, lt));
        return;
    }
    if (!check_soft_target(call) || !check_vector(call, CE_TARGET, 0) ||
        !check_vector(call, CE_CLASS_WEIGHT, 1) || !check_vector(call, CE_ROW_WEIGHT, 0))
        return;
    tern_declare_out(call, 0, logits->dtype, opts->reduction == TERN_REDUCE_NONE,
                     &logits->shape[0]);
    tern_declare_saved(call, 0, logits->dtype, 1, &logits->shape[0]);
    tern_declare_saved(call, 1, logits->dtype, 1, &logits->shape[0]);
    tern_declare_saved(call, 2, logits->dtype, 0, NULL);
}

static bool row_counts(const tern_call *call, int64_t row)
{
    const tern_cross_entropy_opts *opts = call->options;
    const tern_tensor *weight = call->in[CE_ROW_WEIGHT];
    const int32_t *target = call->in[CE_TARGET]->data;

    if (opts->has_ignore_index && target[row] == opts->ignore_index)
        return false;
    return !weight || (weight->dtype == TERN_F64 ? ((const double *)weight->data)[row] != 0
                                                 : ((const float *)weight->data)[row] != 0);
}

bool tern_cross_entropy_targets_fit(tern_call *call)
{
    int64_t classes = call->in[CE_LOGITS]->shape[1];

    if (!call->in[CE_TARGET])
        return true;
    const int32_t *target = call->in[CE_TARGET]->data;
    for (int64_t i = 0; i < call->in[CE_TARGET]->count; i++) {
        if ((target[i] >= 0 && target[i] < classes) || !row_counts(call, i))
            continue;
        tern_call_fail(call, TERN_ERR_DATA, "target[%lld] is %d, the %lld classes are 0 to %lld",
                       (long long)i, (int)target[i], (long long)classes, (long long)classes - 1);
        return false;
    }
    return true;
}

static void cross_entropy_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    bool soft = call->in[CE_SOFT_TARGET] != NULL;
    forward->flops = (soft ? 8 : 5) * (double)call->in[CE_LOGITS]->count;
    backward->flops = (soft ? 10 : 4) * (double)call->in[CE_LOGITS]->count;
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "logits=[5,7] target=[5]{0..6}", "" },
    { TERN_SAMPLE_CHECK, "logits=[11,31] target=[11]{0..30} class_weight=[31]{0.1..3}", "" },
    { TERN_SAMPLE_CHECK,
      "logits=[13,3] target=[13]{0..2} class_weight=[3]{0.5..2} row_weight=[13]{0..1}", "" },
    { TERN_SAMPLE_CHECK,
      "logits=[6,5] target=[6]{0..4} class_weight=[5]{0.5..2} row_weight=[6]{0.5..1}",
      "label_smoothing=0.1" },
    { TERN_SAMPLE_CHECK, "logits=[4,17]{-30..30} target=[4]{0..16}", "label_smoothing=1" },
    { TERN_SAMPLE_CHECK, "logits=[6,5] target=[6]{0..4} row_weight=[6]{0..0}", "" },
    { TERN_SAMPLE_CHECK, "logits=[3,1] target=[3]{0..0}", "" },
    { TERN_SAMPLE_CHECK, "logits=[0,4] target=[0]", "" },
    { TERN_SAMPLE_CHECK,
      "logits=[23,5] target=[23]{-1..4} class_weight=[5]{0.5..2} row_weight=[23]{0.5..1}",
      "label_smoothing=0.2 ignore_index=-1" },
    { TERN_SAMPLE_CHECK, "logits=[17,3] target=[17]{0..2}",
      "ignore_index=0 reduction=none" },
    { TERN_SAMPLE_CHECK, "logits=[5,7] target=[5]{0..6} class_weight=[7]{0.5..2}",
      "reduction=sum label_smoothing=0.3" },
    { TERN_SAMPLE_CHECK, "logits=[5,7] soft_target=[5,7]{0..1}", "" },
    { TERN_SAMPLE_CHECK,
      "logits=[11,31] soft_target=[11,31]{0..0.1} class_weight=[31]{0.1..3} "
      "row_weight=[11]{0..1}",
      "label_smoothing=0.1" },
    { TERN_SAMPLE_CHECK, "logits=[7,17]{-30..30} soft_target=[7,17]{0..1} row_weight=[7]{0.5..2}",
      "reduction=none" },
    { TERN_SAMPLE_CHECK, "logits=[3,2] soft_target=[3,2]{0..1} class_weight=[2]{0.1..3}",
      "reduction=sum" },
    { TERN_SAMPLE_CHECK, "logits=[0,4] soft_target=[0,4]", "reduction=none" },
    { TERN_SAMPLE_BENCH, "logits=[4096,7] target=[4096]{0..6}", "" },
    { TERN_SAMPLE_BENCH, "logits=[1024,1024] target=[1024]{0..1023}", "" },
    { TERN_SAMPLE_BENCH, "logits=[1024,1024] soft_target=[1024,1024]{0..1}", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_cross_entropy = {
    .name = "cross_entropy",
    .summary = "softmax cross-entropy of class numbers or shares, averaged by weights",
    .doc = "term[i] = row_weight[i] * sum_c share[i,c] * class_weight[c] * -log softmax(logits[i])[c]\n"
           "share = (1-e) * (1 at target[i], 0 elsewhere; or soft_target[i]) + e/C, "
           "e = label_smoothing\n"
           "mean: sum_i term[i] over sum_i row_weight[i] * class_weight[target[i]], with\n"
           "soft_target over sum_i row_weight[i]; 0 if the weights sum to 0.\n"
           "Rows of weight 0 and rows whose target is ignore_index are padding.\n"
           "One of target and soft_target is to be given",
    .in = { { "logits", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[N, C]" },
            { "target", TERN_INDEX, TERN_OPTIONAL | TERN_BACKWARD_READS, "[N], 0 to C-1" },
            { "class_weight", TERN_REAL, TERN_OPTIONAL | TERN_BACKWARD_READS, "[C]" },
            { "row_weight", TERN_REAL, TERN_OPTIONAL | TERN_BACKWARD_READS, "[N]" },
            { "soft_target", TERN_REAL, TERN_DIFF | TERN_OPTIONAL | TERN_BACKWARD_READS,
              "[N, C]" } },
    .out = { { "loss", TERN_REAL, 0, "[], or [N] for reduction none" } },
    .saved = { { "row_max", TERN_REAL, 0, "[N]" },
               { "inverse_sum", TERN_REAL, 0, "[N]" },
               { "divisor", TERN_REAL, 0, "[]" } },
    .options_size = sizeof(tern_cross_entropy_opts),
    .options = options,
    .shape = cross_entropy_shape,
    .cost = cross_entropy_cost,
    .samples = samples,
};

tern_tensor *tern_cross_entropy(tern_ctx *ctx, tern_tensor *logits, tern_tensor *target,
                                tern_tensor *class_weight, tern_tensor *row_weight,
                                tern_cross_entropy_opts opts)
{
    bool soft = target && tern_dtype_is_real(target->dtype);
    tern_tensor *inputs[CE_INPUTS] = { logits, soft ? NULL : target, class_weight, row_weight,
                                       soft ? target : NULL };
    return tern_apply(ctx, &tern_op_cross_entropy, inputs, CE_INPUTS, &opts, NULL);
}
