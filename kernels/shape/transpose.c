/* The contract of transpose; see transpose.h for shapes. */
#include "kernels/shape/transpose.h"

#include <stdio.h>

static const tern_option options[] = {
    { .name = "axes", .type = TERN_OPTION_INT, .offset = offsetof(tern_transpose_opts, axes),
      .length = TERN_MAX_RANK, .lowest = -TERN_MAX_RANK, .highest = TERN_MAX_RANK - 1,
      .list = true,
      .doc = "x's axes in y's order, \"0,2,1\"; without it the order is reversed" },
    { 0 },
};

bool tern_transpose_axes(const tern_call *call, int *axes)
{
    const tern_transpose_opts *opts = call->options;
    int rank = call->in[0]->rank;
    bool given = false, seen[TERN_MAX_RANK] = { false };

    for (int i = 0; i < TERN_MAX_RANK; i++) {
        given = given || opts->axes[i] != 0;
        if (i >= rank && opts->axes[i] != 0)
            return false;
    }
    for (int i = 0; i < rank; i++) {
        int64_t axis = opts->axes[i] < 0 ? opts->axes[i] + rank : opts->axes[i];
        if (!given)
            axis = rank - 1 - i;
        if (axis < 0 || axis >= rank || seen[axis])
            return false;
        seen[axis] = true;
        axes[i] = (int)axis;
    }
    return true;
}

static void transpose_shape(tern_call *call)
{
    const tern_transpose_opts *opts = call->options;
    const tern_tensor *x = call->in[0];
    int axes[TERN_MAX_RANK], used = 0;
    int64_t shape[TERN_MAX_RANK];
    char xt[TERN_SHAPE_TEXT], text[TERN_MAX_RANK * 4 + 1] = "";

    if (!tern_transpose_axes(call, axes)) {
        for (int i = 0; i < TERN_MAX_RANK && (i < x->rank || opts->axes[i]); i++)
            used += snprintf(text + used, sizeof text - (size_t)used, "%s%d", i ? "," : "",
                             (int)opts->axes[i]);
        tern_call_fail(call, TERN_ERR_OPTION, "axes %s are not a permutation of those of x %s",
                       text, tern_shape_text(x, xt));
        return;
    }
    for (int i = 0; i < x->rank; i++)
        shape[i] = x->shape[axes[i]];
    tern_declare_out(call, 0, x->dtype, x->rank, shape);
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7]", "" },
    { TERN_SAMPLE_CHECK, "x=[31,17]", "axes=1,0" },
    { TERN_SAMPLE_CHECK, "x=[67,83]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,3,5,4]", "axes=0,2,1,3" },
    { TERN_SAMPLE_CHECK, "x=[3,5,7,2]", "axes=0,3,1,2" },
    { TERN_SAMPLE_CHECK, "x=[2,3,1,5,2,3]", "axes=4,-1,0,2,1,3" },
    { TERN_SAMPLE_CHECK, "x=[2,3,5]", "" },
    { TERN_SAMPLE_CHECK, "x=[3,1,4]", "axes=1,0,2" },
    { TERN_SAMPLE_CHECK, "x=[31,1]", "" },
    { TERN_SAMPLE_CHECK, "x=[13]", "" },
    { TERN_SAMPLE_CHECK, "x=[]", "" },
    { TERN_SAMPLE_CHECK, "x=[0,6,2]", "axes=2,0,1" },
    { TERN_SAMPLE_BENCH, "x=[512,512]", "" },
    { TERN_SAMPLE_BENCH, "x=[32,64,64,3]", "axes=0,3,1,2" },
    { TERN_SAMPLE_BENCH, "x=[32,50,4,32]", "axes=0,2,1,3" },
    { 0, NULL, NULL },
};

const tern_op tern_op_transpose = {
    .name = "transpose",
    .summary = "the axes in another order",
    .doc = "y's axis i is x's axis axes[i]; without axes the order is reversed.",
    .in = { { "x", TERN_ANY, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_ANY, 0, "[...]" } },
    .options_size = sizeof(tern_transpose_opts),
    .options = options,
    .shape = transpose_shape,
    .samples = samples,
};

tern_tensor *tern_transpose(tern_ctx *ctx, tern_tensor *x, tern_transpose_opts opts)
{
    return tern_apply(ctx, &tern_op_transpose, &x, 1, &opts, NULL);
}
