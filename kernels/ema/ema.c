/* The contract of ema; see ema.h for the formula. */
#include "kernels/ema/ema.h"

static const tern_option options[] = {
    { .name = "decay", .type = TERN_OPTION_REAL, .offset = offsetof(tern_ema_opts, decay),
      .fallback = 0.999, .lowest = 0, .highest = 1, .doc = "how much of the average stays" },
    { 0 },
};

static void ema_shape(tern_call *call)
{
    char at[TERN_SHAPE_TEXT], vt[TERN_SHAPE_TEXT];
    if (!tern_same_shape(call->in[0], call->in[1]))
        tern_call_fail(call, TERN_ERR_SHAPE, "average %s must have the shape of value %s",
                       tern_shape_text(call->in[0], at), tern_shape_text(call->in[1], vt));
}

static void ema_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    (void)backward;
    forward->flops = 3 * (double)call->in[0]->count;
    forward->bytes = 3 * (double)tern_tensor_bytes(call->in[0]);
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "average=[16411] value=[16411]", "" },
    { TERN_SAMPLE_CHECK, "average=[3,31] value=[3,31]", "decay=0.5" },
    { TERN_SAMPLE_CHECK, "average=[1] value=[1]", "decay=1" },
    { TERN_SAMPLE_CHECK, "average=[0] value=[0]", "" },
    { TERN_SAMPLE_BENCH, "average=[1000000] value=[1000000]", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_ema = {
    .name = "ema",
    .summary = "exponential moving average of weights, in place",
    .doc = "average += (1 - decay) * (value - average)",
    .in = { { "average", TERN_REAL, TERN_MUTATED, "[...]" },
            { "value", TERN_REAL, 0, "[...]" } },
    .options_size = sizeof(tern_ema_opts),
    .options = options,
    .shape = ema_shape,
    .cost = ema_cost,
    .samples = samples,
};

void tern_ema(tern_ctx *ctx, tern_tensor *average, tern_tensor *value, tern_ema_opts opts)
{
    tern_tensor *inputs[] = { average, value };
    tern_apply(ctx, &tern_op_ema, inputs, 2, &opts, NULL);
}
