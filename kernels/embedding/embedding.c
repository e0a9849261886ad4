/* The contract of embedding; see embedding.h for the formula and shapes. */
#include "kernels/embedding/embedding.h"

static const tern_option options[] = {
    { .name = "padding_index", .type = TERN_OPTION_INT,
      .offset = offsetof(tern_embedding_opts, padding_index), .lowest = 0, .highest = INT32_MAX,
      .has_offset = offsetof(tern_embedding_opts, has_padding),
      .doc = "token whose row receives no gradient" },
    { 0 },
};

static void embedding_shape(tern_call *call)
{
    const tern_embedding_opts *opts = call->options;
    const tern_tensor *table = call->in[0], *tokens = call->in[1];
    int64_t shape[TERN_MAX_RANK];
    char vt[TERN_SHAPE_TEXT], tt[TERN_SHAPE_TEXT];

    if (table->rank != 2 || tokens->rank >= TERN_MAX_RANK) {
        tern_call_fail(call, TERN_ERR_SHAPE,
                       "table %s must be [V,D], and tokens %s have at most %d axes",
                       tern_shape_text(table, vt), tern_shape_text(tokens, tt), TERN_MAX_RANK - 1);
        return;
    }
    if (opts->has_padding && opts->padding_index >= table->shape[0]) {
        tern_call_fail(call, TERN_ERR_OPTION, "padding_index %lld is not a row of table %s",
                       (long long)opts->padding_index, tern_shape_text(table, vt));
        return;
    }
    for (int axis = 0; axis < tokens->rank; axis++)
        shape[axis] = tokens->shape[axis];
    shape[tokens->rank] = table->shape[1];
    tern_declare_out(call, 0, table->dtype, tokens->rank + 1, shape);
}

static void embedding_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    double elements = (double)call->out[0]->count;
    double real = (double)tern_dtype_size(call->out[0]->dtype);
    double ids = (double)tern_tensor_bytes(call->in[1]);

    backward->flops = elements;
    /* Of the table only the chosen rows are read; its gradient is written whole. */
    forward->bytes = 2 * elements * real + ids;
    backward->bytes = elements * real + (double)tern_tensor_bytes(call->in[0]) + ids;
}

bool tern_embedding_check_tokens(tern_call *call)
{
    const int32_t *tokens = call->in[1]->data;
    int64_t rows = call->in[0]->shape[0];
    char tt[TERN_SHAPE_TEXT];

    for (int64_t i = 0; i < call->in[1]->count; i++)
        if (tokens[i] < 0 || tokens[i] >= rows) {
            tern_call_fail(call, TERN_ERR_DATA,
                           "tokens %s hold %d at position %lld, the table has rows 0 to %lld",
                           tern_shape_text(call->in[1], tt), tokens[i], (long long)i,
                           (long long)rows - 1);
            return false;
        }
    return true;
}

/* Samples with padding do not use it: a numeric derivative would see the row whose
 * gradient is held at zero. */
static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "table=[7,5] tokens=[3,4]{0..6}", "" },
    { TERN_SAMPLE_CHECK, "table=[31,17] tokens=[2,3,5]{1..30}", "padding_index=0" },
    { TERN_SAMPLE_CHECK, "table=[3,2] tokens=[41]{0..1}", "padding_index=2" },
    { TERN_SAMPLE_CHECK | TERN_SAMPLE_NO_DERIVATIVE, "table=[5,3] tokens=[31]{0..4}",
      "padding_index=2" },
    { TERN_SAMPLE_CHECK, "table=[191,3] tokens=[7,19]{0..190}", "" },
    { TERN_SAMPLE_CHECK, "table=[1,1] tokens=[1]{0..0}", "" },
    { TERN_SAMPLE_CHECK, "table=[4,3] tokens=[0,2]", "" },
    { TERN_SAMPLE_CHECK, "table=[4,0] tokens=[3]{0..3}", "" },
    { TERN_SAMPLE_BENCH, "table=[10000,128] tokens=[32,50]{0..9999}", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_embedding = {
    .name = "embedding",
    .summary = "rows of a table, chosen by token ids",
    .doc = "y[..., d] = table[tokens[...], d]",
    .in = { { "table", TERN_REAL, TERN_DIFF, "[V, D]" },
            { "tokens", TERN_INDEX, TERN_BACKWARD_READS, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "[..., D]" } },
    .options_size = sizeof(tern_embedding_opts),
    .options = options,
    .shape = embedding_shape,
    .cost = embedding_cost,
    .samples = samples,
};

tern_tensor *tern_embedding(tern_ctx *ctx, tern_tensor *table, tern_tensor *tokens,
                            tern_embedding_opts opts)
{
    tern_tensor *inputs[] = { table, tokens };
    return tern_apply(ctx, &tern_op_embedding, inputs, 2, &opts, NULL);
}
