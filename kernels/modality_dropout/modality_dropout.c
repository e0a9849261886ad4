/* The contract of modality_dropout; see modality_dropout.h for the shapes. */
#include "kernels/modality_dropout/modality_dropout.h"

static const tern_option options[] = {
    { .name = "p", .type = TERN_OPTION_REAL, .offset = offsetof(tern_modality_dropout_opts, p),
      .lowest = 0, .highest = 1, .doc = "chance of a modality to be hidden" },
    { 0 },
};

static void modality_dropout_shape(tern_call *call)
{
    const tern_tensor *first = call->in[0];
    int64_t steps = 0, rows = first->rank ? first->shape[0] : 0;
    char ft[TERN_SHAPE_TEXT], mt[TERN_SHAPE_TEXT];

    for (int m = 0; m < call->inputs; m++) {
        const tern_tensor *mask = call->in[m];
        if (mask->rank != 2 || mask->shape[0] != rows) {
            tern_call_fail(call, TERN_ERR_SHAPE,
                           "mask number %d %s must be [N,T], of as many rows as the first, %s", m,
                           tern_shape_text(mask, mt), tern_shape_text(first, ft));
            return;
        }
        steps += mask->shape[1];
    }
    tern_declare_out(call, TERN_MODALITY_DROPOUT_Y, TERN_U8, 2, (int64_t[]){ rows, steps });
    tern_declare_out(call, TERN_MODALITY_DROPOUT_PRESENT, TERN_U8, 2,
                     (int64_t[]){ rows, call->inputs });
    tern_declare_out(call, TERN_MODALITY_DROPOUT_COUNT, tern_real(call), 2,
                     (int64_t[]){ rows, 1 });
}

static void modality_dropout_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    (void)backward;
    for (int m = 0; m < call->inputs; m++)
        forward->bytes += 2 * (double)tern_tensor_bytes(call->in[m]);
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "mask=[3,5] mask=[3,4] mask=[3,2]", "p=0.5" },
    { TERN_SAMPLE_CHECK, "mask=[31,1] mask=[31,3]{0..1} mask=[31,2]{0..1}", "p=0.9" },
    { TERN_SAMPLE_CHECK, "mask=[13,2]{0..1} mask=[13,1]{0..1}", "p=1" },
    { TERN_SAMPLE_CHECK, "mask=[5,31] mask=[5,67]", "" },
    { TERN_SAMPLE_CHECK, "mask=[2,3]{0..0} mask=[2,2]{0..0}", "p=0.5" },
    { TERN_SAMPLE_CHECK, "mask=[4,3]", "p=1" },
    { TERN_SAMPLE_CHECK, "mask=[4,0] mask=[4,3]", "p=0.5" },
    { TERN_SAMPLE_CHECK, "mask=[0,3] mask=[0,2]", "p=0.5" },
    { TERN_SAMPLE_BENCH, "mask=[32,8] mask=[32,38] mask=[32,32]", "p=0.3" },
    { 0, NULL, NULL },
};

const tern_op tern_op_modality_dropout = {
    .name = "modality_dropout",
    .summary = "hides whole modalities of a sample in training; tells which there are",
    .doc = "y = the masks side by side, zero where a modality is hidden: in training each that\n"
           "is there with chance p, but never all of a row.  present: which are left; count: how\n"
           "many.",
    .in = { { "mask", TERN_MASK, TERN_VARIADIC, "[N, T_m], 1 to 16 of them" } },
    .out = { { "y", TERN_MASK, TERN_NO_GRAD, "[N, T_0 + T_1 + ...]" },
             { "present", TERN_MASK, TERN_NO_GRAD, "[N, M]" },
             { "count", TERN_REAL, TERN_NO_GRAD, "[N, 1]" } },
    .options_size = sizeof(tern_modality_dropout_opts),
    .options = options,
    .shape = modality_dropout_shape,
    .cost = modality_dropout_cost,
    .samples = samples,
};

tern_tensor *tern_modality_dropout(tern_ctx *ctx, tern_tensor *const *masks, int modalities,
                                   tern_tensor **present, tern_tensor **count,
                                   tern_modality_dropout_opts opts)
{
    tern_tensor *outputs[TERN_MODALITY_DROPOUT_OUTPUTS];
    tern_apply(ctx, &tern_op_modality_dropout, masks, modalities, &opts, outputs);
    if (present)
        *present = outputs[TERN_MODALITY_DROPOUT_PRESENT];
    if (count)
        *count = outputs[TERN_MODALITY_DROPOUT_COUNT];
    return outputs[TERN_MODALITY_DROPOUT_Y];
}
