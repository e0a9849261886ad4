/* The contract of rotary; see rotary.h for the formula. */
#include "kernels/positions/rotary.h"

static const char *const pairings[] = { "interleaved", "halves", NULL };

static const tern_option options[] = {
    { .name = "heads", .type = TERN_OPTION_INT, .offset = offsetof(tern_rotary_opts, heads),
      .fallback = 1, .lowest = 1, .highest = 0x1p31, .doc = "H; each is turned the same way" },
    { .name = "pairing", .type = TERN_OPTION_CHOICE, .offset = offsetof(tern_rotary_opts, pairing),
      .choices = pairings, .doc = "which two elements are a pair: 2i and 2i+1, or i and i+D/2" },
    { .name = "base", .type = TERN_OPTION_REAL, .offset = offsetof(tern_rotary_opts, base),
      .fallback = 10000, .lowest = 1, .highest = 1e12,
      .doc = "of the geometric progression of wavelengths" },
    { .name = "offset", .type = TERN_OPTION_INT, .offset = offsetof(tern_rotary_opts, offset),
      .lowest = -0x1p31, .highest = 0x1p31, .doc = "position of the first element" },
    { 0 },
};

static void rotary_shape(tern_call *call)
{
    const tern_rotary_opts *opts = call->options;
    const tern_tensor *x = call->in[0];
    char xt[TERN_SHAPE_TEXT];

    if (x->rank < 2 || tern_dim(x, -1) % (2 * opts->heads) != 0) {
        tern_call_fail(call, TERN_ERR_SHAPE,
                       "x %s must be [...,T,H*D] with H = %lld heads of an even D",
                       tern_shape_text(x, xt), (long long)opts->heads);
        return;
    }
    tern_declare_out(call, 0, x->dtype, x->rank, x->shape);
}

static void rotary_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = backward->flops = 3 * (double)call->out[0]->count;
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[2,5,6]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,5,6]", "pairing=halves" },
    { TERN_SAMPLE_CHECK, "x=[3,31,34]", "offset=1000 pairing=halves" },
    { TERN_SAMPLE_CHECK, "x=[2,7,24]", "heads=4 base=100 offset=-3" },
    { TERN_SAMPLE_CHECK, "x=[2,7,42]", "heads=3 pairing=halves" },
    { TERN_SAMPLE_CHECK, "x=[131,2]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,1,3,62]", "heads=31" },
    { TERN_SAMPLE_CHECK, "x=[0,3,4]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,3,0]", "heads=5" },
    { TERN_SAMPLE_BENCH, "x=[32,50,128]", "heads=4" },
    { TERN_SAMPLE_BENCH, "x=[32,50,128]", "heads=4 pairing=halves" },
    { 0, NULL, NULL },
};

const tern_op tern_op_rotary = {
    .name = "rotary",
    .summary = "rotary position embedding of queries or keys",
    .doc = "y_a = x_a cos(angle) - x_b sin(angle), y_b = x_a sin(angle) + x_b cos(angle)\n"
           "for pair i of each head at position t; angle = (offset + t) * base^(-2i/D)",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[..., T, H*D]" } },
    .out = { { "y", TERN_REAL, 0, "[..., T, H*D]" } },
    .options_size = sizeof(tern_rotary_opts),
    .options = options,
    .shape = rotary_shape,
    .cost = rotary_cost,
    .samples = samples,
};

tern_tensor *tern_rotary(tern_ctx *ctx, tern_tensor *x, tern_rotary_opts opts)
{
    return tern_apply(ctx, &tern_op_rotary, &x, 1, &opts, NULL);
}
