/* The contract of the focal loss; see focal.h for the formula and shapes. */
#include "kernels/losses/focal.h"

#include <math.h>

static const tern_option options[] = {
    { .name = "gamma", .type = TERN_OPTION_REAL, .offset = offsetof(tern_focal_opts, gamma),
      .fallback = 2, .lowest = 0, .highest = 100,
      .doc = "how much less a row counts that is already right" },
    { .name = "reduction", .type = TERN_OPTION_CHOICE,
      .offset = offsetof(tern_focal_opts, reduction), .choices = tern_reduction_names,
      .doc = "what becomes of the rows' terms" },
    { 0 },
};

static void focal_shape(tern_call *call)
{
    const tern_focal_opts *opts = call->options;
    const tern_tensor *logits = call->in[0];
    char lt[TERN_SHAPE_TEXT], vt[TERN_SHAPE_TEXT];

    if (logits->rank != 2 || logits->shape[1] < 1) {
        tern_call_fail(call, TERN_ERR_SHAPE, "logits %s must be [N,C] with at least one class",
                       tern_shape_text(logits, lt));
        return;
    }
    for (int i = 1; i < 4; i++) { /* target [N], class_weight [C], row_weight [N] */
        const tern_tensor *vector = call->in[i];
        int axis = i == 2;
        if (vector && (vector->rank != 1 || vector->shape[0] != logits->shape[axis])) {
            tern_call_fail(call, TERN_ERR_SHAPE,
                           "%s %s must be [%lld], one for each %s of logits %s",
                           call->op->in[i].name, tern_shape_text(vector, vt),
                           (long long)logits->shape[axis], axis ? "class" : "row",
                           tern_shape_text(logits, lt));
            return;
        }
    }
    tern_declare_out(call, 0, logits->dtype, opts->reduction == TERN_REDUCE_NONE,
                     &logits->shape[0]);
    for (int i = 0; i < 3; i++)
        tern_declare_saved(call, i, logits->dtype, 1, &logits->shape[0]);
    tern_declare_saved(call, 3, logits->dtype, 0, NULL);
}

bool tern_focal_targets_fit(tern_call *call)
{
    const int32_t *target = call->in[1]->data;
    const tern_tensor *weight = call->in[3];
    int64_t classes = call->in[0]->shape[1];

    for (int64_t i = 0; i < call->in[1]->count; i++) {
        if (target[i] >= 0 && target[i] < classes)
            continue;
        if (weight && (weight->dtype == TERN_F64 ? ((const double *)weight->data)[i] == 0
                                                 : ((const float *)weight->data)[i] == 0))
            continue;
        tern_call_fail(call, TERN_ERR_DATA, "target[%lld] is %d, the %lld classes are 0 to %lld",
                       (long long)i, (int)target[i], (long long)classes, (long long)classes - 1);
        return false;
    }
    return true;
}

/* With q = 1 - p:  d (q^g * -l) / dl = g q^(g-1) p l - q^g,  l = log p.  Towards q = 0,
 * where q^(g-1) may be infinite, l is -q and all of it goes to 0. */
double tern_focal_term(double log_p, double rest, double gamma, double *slope)
{
    double factor = pow(rest, gamma);
    *slope = -factor;
    if (rest > 0)
        *slope += gamma * (factor / rest) * exp(log_p) * log_p;
    return rest > 0 ? factor * -log_p : 0;
}

static void focal_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = 5 * (double)call->in[0]->count;
    backward->flops = 4 * (double)call->in[0]->count;
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "logits=[5,7] target=[5]{0..6}", "" },
    { TERN_SAMPLE_CHECK, "logits=[11,31] target=[11]{0..30} class_weight=[31]{0.1..3}",
      "gamma=0.5" },
    { TERN_SAMPLE_CHECK,
      "logits=[13,3] target=[13]{0..2} class_weight=[3]{0.5..2} row_weight=[13]{0..1}",
      "gamma=5" },
    { TERN_SAMPLE_CHECK, "logits=[17,2]{-9..9} target=[17] row_weight=[17]{0.5..2}",
      "reduction=none" },
    { TERN_SAMPLE_CHECK, "logits=[4,17]{-30..30} target=[4]{0..16}", "reduction=sum gamma=1" },
    { TERN_SAMPLE_CHECK, "logits=[6,5] target=[6]{0..4} row_weight=[6]{0..0}", "" },
    { TERN_SAMPLE_CHECK, "logits=[3,1] target=[3]{0..0}", "gamma=0.5" },
    { TERN_SAMPLE_CHECK, "logits=[0,4] target=[0]", "reduction=none" },
    { TERN_SAMPLE_BENCH, "logits=[4096,7] target=[4096]{0..6}", "" },
    { TERN_SAMPLE_BENCH, "logits=[1024,1024] target=[1024]{0..1023}", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_focal = {
    .name = "focal",
    .summary = "focal loss: cross-entropy in which easy rows count little",
    .doc = "term[i] = row_weight[i] * class_weight[t] * (1 - p)^gamma * -log p,\n"
           "p = softmax(logits[i])[t], t = target[i]; the mean divides by sum_i row_weight[i]",
    .in = { { "logits", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[N, C]" },
            { "target", TERN_INDEX, TERN_BACKWARD_READS, "[N], 0 to C-1" },
            { "class_weight", TERN_REAL, TERN_OPTIONAL, "[C]" },
            { "row_weight", TERN_REAL, TERN_OPTIONAL | TERN_BACKWARD_READS, "[N]" } },
    .out = { { "loss", TERN_REAL, 0, "[], or [N] for reduction none" } },
    .saved = { { "row_max", TERN_REAL, 0, "[N]" },
               { "inverse_sum", TERN_REAL, 0, "[N]" },
               { "slope", TERN_REAL, 0, "[N]" },
               { "divisor", TERN_REAL, 0, "[]" } },
    .options_size = sizeof(tern_focal_opts),
    .options = options,
    .shape = focal_shape,
    .cost = focal_cost,
    .samples = samples,
};

tern_tensor *tern_focal(tern_ctx *ctx, tern_tensor *logits, tern_tensor *target,
                        tern_tensor *class_weight, tern_tensor *row_weight, tern_focal_opts opts)
{
    tern_tensor *inputs[] = { logits, target, class_weight, row_weight };
    return tern_apply(ctx, &tern_op_focal, inputs, 4, &opts, NULL);
}
