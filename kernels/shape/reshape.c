/* The contract of reshape; see reshape.h for the meaning of the shape. */
#include "kernels/shape/reshape.h"

static const tern_option options[] = {
    { .name = "shape", .type = TERN_OPTION_INT, .offset = offsetof(tern_reshape_opts, shape),
      .length = TERN_MAX_RANK, .lowest = -1, .highest = 0x1p53, .list = true,
      .doc = "y's axes; -1 takes what is left, 0 keeps x's extent" },
    { 0 },
};

/* Products past the largest integer fit no tensor anyway. */
static int64_t capped_product(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

/* Fill in y's axes; false if the numbers of elements cannot be made equal. */
static bool resolve(const tern_reshape_opts *opts, const tern_tensor *x, tern_tensor *y)
{
    int64_t known = 1; /* elements, open axis aside */
    int open = -1;

    for (int axis = 0; axis < TERN_MAX_RANK; axis++)
        if (opts->shape[axis] != 0)
            y->rank = axis + 1;
    for (int axis = 0; axis < y->rank; axis++) {
        bool keep = opts->shape[axis] == 0 && axis < x->rank;
        y->shape[axis] = keep ? x->shape[axis] : opts->shape[axis];
    }
    for (int axis = 0; axis < y->rank; axis++) {
        if (y->shape[axis] >= 0)
            known = capped_product(known, y->shape[axis]);
        else if (open < 0)
            open = axis;
        else
            return false;
    }
    if (open < 0)
        return known == x->count;
    if (known == 0 || x->count % known != 0)
        return false;
    y->shape[open] = x->count / known;
    return true;
}

static void reshape_shape(tern_call *call)
{
    const tern_tensor *x = call->in[0];
    tern_tensor y = { 0 };
    char xt[TERN_SHAPE_TEXT], yt[TERN_SHAPE_TEXT];

    if (!resolve(call->options, x, &y)) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x %s with %lld elements does not fit shape %s",
                       tern_shape_text(x, xt), (long long)x->count, tern_shape_text(&y, yt));
        return;
    }
    tern_declare_out(call, 0, x->dtype, y.rank, y.shape);
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[4,6]", "shape=2,12" },
    { TERN_SAMPLE_CHECK, "x=[2,3,31]", "shape=-1,31" },
    { TERN_SAMPLE_CHECK, "x=[5,12]", "shape=0,3,-1" },
    { TERN_SAMPLE_CHECK, "x=[3,13]", "shape=-1" },
    { TERN_SAMPLE_CHECK, "x=[1]", "shape=1,1,1" },
    { TERN_SAMPLE_CHECK, "x=[0,6]", "shape=-1,3,2" },
    { TERN_SAMPLE_BENCH, "x=[32,50,128]", "shape=-1,128" },
    { 0, NULL, NULL },
};

const tern_op tern_op_reshape = {
    .name = "reshape",
    .summary = "the same elements under another shape",
    .doc = "shape: -1 takes what the other axes leave, 0 keeps x's extent at that position;\n"
           "it ends behind its last entry that is not 0",
    .in = { { "x", TERN_ANY, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_ANY, 0, "shape" } },
    .options_size = sizeof(tern_reshape_opts),
    .options = options,
    .shape = reshape_shape,
    .samples = samples,
    .aliases = true,
};

tern_tensor *tern_reshape(tern_ctx *ctx, tern_tensor *x, tern_reshape_opts opts)
{
    return tern_apply(ctx, &tern_op_reshape, &x, 1, &opts, NULL);
}
