/* The contract of adamw; see adamw.h for the formula. */
#include "kernels/adamw/adamw.h"

#include <math.h>

static const tern_option options[] = {
    { .name = "lr", .type = TERN_OPTION_REAL, .offset = offsetof(tern_adamw_opts, lr),
      .lowest = 0, .highest = 1e6, .doc = "learning rate of this step" },
    { .name = "beta1", .type = TERN_OPTION_REAL, .offset = offsetof(tern_adamw_opts, beta1),
      .has_offset = offsetof(tern_adamw_opts, has_beta1), .fallback = 0.9, .lowest = 0,
      .highest = 0.9999999, .doc = "how much of the first moment stays" },
    { .name = "beta2", .type = TERN_OPTION_REAL, .offset = offsetof(tern_adamw_opts, beta2),
      .has_offset = offsetof(tern_adamw_opts, has_beta2), .fallback = 0.999, .lowest = 0,
      .highest = 0.9999999, .doc = "how much of the second moment stays" },
    { .name = "eps", .type = TERN_OPTION_REAL, .offset = offsetof(tern_adamw_opts, eps),
      .fallback = 1e-8, .lowest = 0, .highest = 1, .doc = "added to the root of the second moment" },
    { .name = "weight_decay", .type = TERN_OPTION_REAL,
      .offset = offsetof(tern_adamw_opts, weight_decay), .lowest = 0, .highest = 1e6,
      .doc = "decoupled: values shrink by lr * weight_decay" },
    { .name = "step", .type = TERN_OPTION_INT, .offset = offsetof(tern_adamw_opts, step),
      .lowest = 1, .highest = 0x1p53, .doc = "number of this step, from 1" },
    { 0 },
};

static void adamw_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    (void)backward;
    forward->flops = 15 * (double)call->in[0]->count;
    forward->bytes = 7 * (double)tern_tensor_bytes(call->in[0]);
}

tern_adamw_factors tern_adamw_prepare(const tern_adamw_opts *opts)
{
    double step = (double)opts->step;
    return (tern_adamw_factors){
        .shrink = opts->lr * opts->weight_decay,
        .rate1 = 1 - opts->beta1,
        .rate2 = 1 - opts->beta2,
        .step_size = opts->lr / (1 - pow(opts->beta1, step)),
        .root2 = sqrt(1 - pow(opts->beta2, step)),
    };
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK,
      "value=[9001] grad=[9001] moment1=[9001] moment2=[9001]{0.01..1} scale=[1]{0.5..0.5}",
      "lr=0.01 weight_decay=0.1 step=7" },
    { TERN_SAMPLE_CHECK, "value=[31] grad=[31] moment1=[31]{0..0} moment2=[31]{0..0}",
      "lr=0.1 step=1" },
    { TERN_SAMPLE_CHECK, "value=[1] grad=[1] moment1=[1] moment2=[1]{0.1..1}",
      "lr=0.001 beta1=0.5 beta2=0.9 eps=0.1 weight_decay=0.01 step=1000" },
    { TERN_SAMPLE_CHECK, "value=[7] grad=[7]{1..2} moment1=[7] moment2=[7]{0.1..1}",
      "lr=0.1 beta1=0 beta2=0 step=2" },
    { TERN_SAMPLE_CHECK, "value=[0] grad=[0] moment1=[0] moment2=[0]", "step=2" },
    { TERN_SAMPLE_BENCH,
      "value=[1000000] grad=[1000000] moment1=[1000000] moment2=[1000000]{0.01..1} "
      "scale=[1]{0.5..0.5}",
      "lr=0.001 weight_decay=0.01 step=10" },
    { 0, NULL, NULL },
};

const tern_op tern_op_adamw = {
    .name = "adamw",
    .summary = "one step of the AdamW optimiser, in place",
    .doc = "g = scale * grad;  value *= 1 - lr * weight_decay\n"
           "moment1 += (1 - beta1) (g - moment1);  moment2 += (1 - beta2) (g^2 - moment2)\n"
           "value -= lr / (1 - beta1^step) * moment1 / (sqrt(moment2 / (1 - beta2^step)) + eps)",
    .in = { { "value", TERN_REAL, TERN_MUTATED, "[n]" },
            { "grad", TERN_REAL, 0, "[n]" },
            { "moment1", TERN_REAL, TERN_MUTATED, "[n]" },
            { "moment2", TERN_REAL, TERN_MUTATED, "[n]" },
            { "scale", TERN_REAL, TERN_OPTIONAL, "[] or [1]" } },
    .options_size = sizeof(tern_adamw_opts),
    .options = options,
    .shape = tern_optimiser_shape,
    .cost = adamw_cost,
    .samples = samples,
};

void tern_adamw(tern_ctx *ctx, const tern_param_blocks *blocks, tern_tensor *scale,
                tern_adamw_opts opts)
{
    for (int i = 0; i < blocks->group_count; i++) {
        const tern_param_group *group = &blocks->groups[i];
        tern_tensor *inputs[] = { group->value, group->grad, group->moment1, group->moment2, scale };
        tern_adamw_opts own = opts;
        own.lr *= group->lr_scale;
        own.weight_decay = tern_group_decay(group, opts.weight_decay);
        tern_apply(ctx, &tern_op_adamw, inputs, 5, &own, NULL);
    }
}
