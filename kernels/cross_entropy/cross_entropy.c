/* The contract of cross-entropy; see cross_entropy.h for the formula and shapes. */
#include "kernels/cross_entropy/cross_entropy.h"

static const tern_option options[] = {
    { .name = "label_smoothing", .type = TERN_OPTION_REAL,
      .offset = offsetof(tern_cross_entropy_opts, label_smoothing), .lowest = 0, .highest = 1,
      .doc = "share of the target spread evenly over all classes" },
    { 0 },
};

static bool is_vector(const tern_tensor *tensor, int64_t length)
{
    return tensor->rank == 1 && tensor->shape[0] == length;
}

static void cross_entropy_shape(tern_call *call)
{
    const tern_tensor *logits = call->in[0];
    char lt[TERN_SHAPE_TEXT], vt[TERN_SHAPE_TEXT];

    if (logits->rank != 2 || logits->shape[1] < 1) {
        tern_call_fail(call, TERN_ERR_SHAPE, "logits %s must be [N,C] with at least one class",
                       tern_shape_text(logits, lt));
        return;
    }
    for (int i = 1; i < 4; i++) { /* target [N], class_weight [C], row_weight [N] */
        int axis = i == 2;
        if (call->in[i] && !is_vector(call->in[i], logits->shape[axis])) {
            tern_call_fail(call, TERN_ERR_SHAPE,
                           "%s %s must be [%lld], one for each %s of logits %s",
                           call->op->in[i].name, tern_shape_text(call->in[i], vt),
                           (long long)logits->shape[axis], axis ? "class" : "row",
                           tern_shape_text(logits, lt));
            return;
        }
    }
    tern_declare_out(call, 0, logits->dtype, 0, NULL);
    tern_declare_saved(call, 0, logits->dtype, 1, &logits->shape[0]);
    tern_declare_saved(call, 1, logits->dtype, 1, &logits->shape[0]);
    tern_declare_saved(call, 2, logits->dtype, 0, NULL);
}

bool tern_cross_entropy_targets_fit(tern_call *call)
{
    const int32_t *target = call->in[1]->data;
    const tern_tensor *row_weight = call->in[3];
    int64_t classes = call->in[0]->shape[1];

    for (int64_t i = 0; i < call->in[1]->count; i++) {
        if (target[i] >= 0 && target[i] < classes)
            continue;
        if (row_weight && (row_weight->dtype == TERN_F64 ? ((double *)row_weight->data)[i] == 0
                                                         : ((float *)row_weight->data)[i] == 0))
            continue;
        tern_call_fail(call, TERN_ERR_DATA, "target[%lld] is %d, the %lld classes are 0 to %lld",
                       (long long)i, (int)target[i], (long long)classes, (long long)classes - 1);
        return false;
    }
    return true;
}

static void cross_entropy_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = 5 * (double)call->in[0]->count;
    backward->flops = 4 * (double)call->in[0]->count;
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
    { TERN_SAMPLE_BENCH, "logits=[4096,7] target=[4096]{0..6}", "" },
    { TERN_SAMPLE_BENCH, "logits=[1024,1024] target=[1024]{0..1023}", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_cross_entropy = {
    .name = "cross_entropy",
    .summary = "softmax cross-entropy, averaged by class and row weights",
    .doc = "loss = sum_i w[i] * -log softmax(logits[i])[target[i]] / sum_i w[i],\n"
           "w[i] = class_weight[target[i]] * row_weight[i]; rows of weight 0 are padding;\n"
           "0 if the weights sum to 0",
    .in = { { "logits", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[N, C]" },
            { "target", TERN_INDEX, TERN_BACKWARD_READS, "[N], 0 to C-1" },
            { "class_weight", TERN_REAL, TERN_OPTIONAL | TERN_BACKWARD_READS, "[C]" },
            { "row_weight", TERN_REAL, TERN_OPTIONAL | TERN_BACKWARD_READS, "[N]" } },
    .out = { { "loss", TERN_REAL, 0, "[]" } },
    .saved = { { "row_max", TERN_REAL, 0, "[N]" },
               { "inverse_sum", TERN_REAL, 0, "[N]" },
               { "weight_sum", TERN_REAL, 0, "[]" } },
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
    tern_tensor *inputs[] = { logits, target, class_weight, row_weight };
    return tern_apply(ctx, &tern_op_cross_entropy, inputs, 4, &opts, NULL);
}
