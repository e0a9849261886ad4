/* The contract of sinusoidal_positions; see sinusoidal_positions.h for the formula. */
#include "kernels/positions/sinusoidal_positions.h"

static const tern_option options[] = {
    { .name = "base", .type = TERN_OPTION_REAL,
      .offset = offsetof(tern_sinusoidal_positions_opts, base), .fallback = 10000, .lowest = 1,
      .highest = 1e12, .doc = "of the geometric progression of wavelengths" },
    { .name = "offset", .type = TERN_OPTION_INT,
      .offset = offsetof(tern_sinusoidal_positions_opts, offset), .lowest = -0x1p31,
      .highest = 0x1p31, .doc = "position of the first element" },
    { .name = "length", .type = TERN_OPTION_INT,
      .offset = offsetof(tern_sinusoidal_positions_opts, length), .highest = 0x1p31,
      .doc = "T, where there is no x" },
    { .name = "size", .type = TERN_OPTION_INT,
      .offset = offsetof(tern_sinusoidal_positions_opts, size), .highest = 0x1p31,
      .doc = "D, where there is no x" },
    { 0 },
};

static void positions_shape(tern_call *call)
{
    const tern_sinusoidal_positions_opts *opts = call->options;
    const tern_tensor *x = call->in[0];
    char xt[TERN_SHAPE_TEXT];

    if (!x) {
        int64_t shape[] = { opts->length, opts->size };
        tern_declare_out(call, 0, tern_real(call), 2, shape);
        return;
    }
    if (x->rank < 2) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x %s must be [...,T,D]", tern_shape_text(x, xt));
        return;
    }
    if (opts->length != 0 || opts->size != 0) {
        tern_call_fail(call, TERN_ERR_OPTION, "length and size are for no x, here it is %s",
                       tern_shape_text(x, xt));
        return;
    }
    tern_declare_out(call, 0, x->dtype, x->rank, x->shape);
}

static void positions_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = call->in[0] ? (double)call->out[0]->count : 0;
    backward->flops = 0;
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[2,5,6]", "" },
    { TERN_SAMPLE_CHECK, "x=[3,31,17]", "offset=1000" },
    { TERN_SAMPLE_CHECK, "x=[131,3]", "base=100" },
    { TERN_SAMPLE_CHECK, "x=[2,3,7,4]", "offset=-3" },
    { TERN_SAMPLE_CHECK, "x=[1,1,1]", "" },
    { TERN_SAMPLE_CHECK, "x=[0,3,4]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,3,0]", "" },
    { TERN_SAMPLE_CHECK, "", "length=7 size=10" },
    { TERN_SAMPLE_CHECK, "", "length=67 size=137 offset=2 base=500" },
    { TERN_SAMPLE_BENCH, "x=[32,50,128]", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_sinusoidal_positions = {
    .name = "sinusoidal_positions",
    .summary = "sines and cosines of the position, added to a sequence or alone",
    .doc = "y[..., t, d] = x[..., t, d] + code[t, d]; without x the code, [length, size]\n"
           "code[t, 2i] = sin((offset + t) / base^(2i/D)), code[t, 2i+1] = cos(the same)",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_OPTIONAL, "[..., T, D]" } },
    .out = { { "y", TERN_REAL, 0, "[..., T, D]" } },
    .options_size = sizeof(tern_sinusoidal_positions_opts),
    .options = options,
    .shape = positions_shape,
    .cost = positions_cost,
    .samples = samples,
};

tern_tensor *tern_sinusoidal_positions(tern_ctx *ctx, tern_tensor *x,
                                       tern_sinusoidal_positions_opts opts)
{
    return tern_apply(ctx, &tern_op_sinusoidal_positions, &x, 1, &opts, NULL);
}
