/* The contract of sgd; see sgd.h for the formula. */
#include "kernels/sgd/sgd.h"

static const tern_option options[] = {
    { .name = "lr", .type = TERN_OPTION_REAL, .offset = offsetof(tern_sgd_opts, lr), .lowest = 0,
      .highest = 1e6, .doc = "learning rate of this step" },
    { .name = "momentum", .type = TERN_OPTION_REAL, .offset = offsetof(tern_sgd_opts, momentum),
      .lowest = 0, .highest = 0.9999999, .doc = "how much of the velocity stays" },
    { .name = "weight_decay", .type = TERN_OPTION_REAL,
      .offset = offsetof(tern_sgd_opts, weight_decay), .lowest = 0, .highest = 1e6,
      .doc = "how much of the value is added to the gradient" },
    { .name = "nesterov", .type = TERN_OPTION_BOOL, .offset = offsetof(tern_sgd_opts, nesterov),
      .doc = "use the velocity that the next step will have" },
    { 0 },
};

static void sgd_shape(tern_call *call)
{
    const tern_sgd_opts *opts = call->options;
    tern_optimiser_shape(call);
    if (!tern_ok(call->ctx))
        return;
    if (opts->momentum != 0 && !call->in[SGD_VELOCITY])
        tern_call_fail(call, TERN_ERR_ARGUMENT, "momentum %g needs a velocity", opts->momentum);
    else if (opts->nesterov && opts->momentum == 0)
        tern_call_fail(call, TERN_ERR_OPTION, "nesterov needs a momentum, it is 0");
}

static void sgd_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    (void)backward;
    forward->flops = 8 * (double)call->in[SGD_VALUE]->count;
    forward->bytes = 5 * (double)tern_tensor_bytes(call->in[SGD_VALUE]);
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK,
      "value=[9001] grad=[9001] velocity=[9001] scale=[1]{0.5..0.5}",
      "lr=0.01 momentum=0.9 weight_decay=0.1 nesterov=true" },
    { TERN_SAMPLE_CHECK, "value=[31] grad=[31] velocity=[31]{0..0}", "lr=0.1 momentum=0.5" },
    { TERN_SAMPLE_CHECK, "value=[17] grad=[17]", "lr=0.1 weight_decay=0.5" },
    { TERN_SAMPLE_CHECK, "value=[1] grad=[1] velocity=[1]", "lr=1" },
    { TERN_SAMPLE_CHECK, "value=[0] grad=[0] velocity=[0]", "momentum=0.9" },
    { TERN_SAMPLE_BENCH,
      "value=[1000000] grad=[1000000] velocity=[1000000] "
      "scale=[1]{0.5..0.5}",
      "lr=0.001 momentum=0.9 weight_decay=0.01" },
    { 0, NULL, NULL },
};

const tern_op tern_op_sgd = {
    .name = "sgd",
    .summary = "one step of gradient descent with momentum, in place",
    .doc = "g = scale * grad + weight_decay * value;  velocity = momentum * velocity + g\n"
           "value -= lr * velocity, or with nesterov lr * (g + momentum * velocity)",
    .in = { { "value", TERN_REAL, TERN_MUTATED, "[n]" },
            { "grad", TERN_REAL, 0, "[n]" },
            { "velocity", TERN_REAL, TERN_OPTIONAL | TERN_MUTATED, "[n], with momentum" },
            { "scale", TERN_REAL, TERN_OPTIONAL, "[] or [1]" } },
    .options_size = sizeof(tern_sgd_opts),
    .options = options,
    .shape = sgd_shape,
    .cost = sgd_cost,
    .samples = samples,
};

void tern_sgd(tern_ctx *ctx, const tern_param_blocks *blocks, tern_tensor *scale,
              tern_sgd_opts opts)
{
    for (int i = 0; i < blocks->group_count; i++) {
        const tern_param_group *group = &blocks->groups[i];
        tern_tensor *inputs[SGD_INPUTS] = { group->value, group->grad,
                                            opts.momentum != 0 ? group->moment1 : NULL, scale };
        tern_sgd_opts own = opts;
        own.lr *= group->lr_scale;
        own.weight_decay = tern_group_decay(group, opts.weight_decay);
        tern_apply(ctx, &tern_op_sgd, inputs, SGD_INPUTS, &own, NULL);
    }
}
