/* The contracts of max_pool2d, avg_pool2d and global_avg_pool; see pool.h. */
#include "kernels/pool/pool.h"

#include "kernels/pool/pool_geometry.h"

enum { EXTENT_MAX = 1 << 20 };

static const tern_option max_options[] = {
    { .name = "window", .type = TERN_OPTION_INT, .offset = offsetof(tern_max_pool2d_opts, window),
      .length = 2, .highest = EXTENT_MAX, .doc = "rows and columns; 0 is the whole extent" },
    { .name = "stride", .type = TERN_OPTION_INT, .offset = offsetof(tern_max_pool2d_opts, stride),
      .length = 2, .highest = EXTENT_MAX, .doc = "step of the window; 0 is the window" },
    { .name = "pad", .type = TERN_OPTION_INT, .offset = offsetof(tern_max_pool2d_opts, pad),
      .length = 2, .highest = EXTENT_MAX,
      .doc = "rows and columns around the image, at most half the window" },
    { 0 },
};

static const tern_option avg_options[] = {
    { .name = "window", .type = TERN_OPTION_INT, .offset = offsetof(tern_avg_pool2d_opts, window),
      .length = 2, .highest = EXTENT_MAX, .doc = "rows and columns; 0 is the whole extent" },
    { .name = "stride", .type = TERN_OPTION_INT, .offset = offsetof(tern_avg_pool2d_opts, stride),
      .length = 2, .highest = EXTENT_MAX, .doc = "step of the window; 0 is the window" },
    { .name = "pad", .type = TERN_OPTION_INT, .offset = offsetof(tern_avg_pool2d_opts, pad),
      .length = 2, .highest = EXTENT_MAX,
      .doc = "rows and columns of zeros around the image, at most half the window" },
    { .name = "exclude_pad", .type = TERN_OPTION_BOOL,
      .offset = offsetof(tern_avg_pool2d_opts, exclude_pad),
      .doc = "divide by the window's pixels within the image only" },
    { 0 },
};

/* ------------------------------------------------------------- shapes -- */

static bool check_image(tern_call *call)
{
    const tern_tensor *x = call->in[0];
    char xt[TERN_SHAPE_TEXT];
    if (x->rank != 4 || tern_extent(x, 1, 4) == 0) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x %s must be (N,H,W,C) where only N may be 0",
                       tern_shape_text(x, xt));
        return false;
    }
    if (tern_extent(x, 1, 3) > INT32_MAX) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x %s (N,H,W,C) has more than %d pixels an image",
                       tern_shape_text(x, xt), INT32_MAX);
        return false;
    }
    return true;
}

static bool check_window(tern_call *call, const pool_geometry *g)
{
    char xt[TERN_SHAPE_TEXT];
    const pool_axis *rows = &g->rows, *columns = &g->columns;
    if (2 * rows->pad > rows->window || 2 * columns->pad > columns->window) {
        tern_call_fail(call, TERN_ERR_OPTION,
                       "pad %lld,%lld is more than half the window %lld,%lld",
                       (long long)rows->pad, (long long)columns->pad, (long long)rows->window,
                       (long long)columns->window);
        return false;
    }
    if (rows->window > rows->size + 2 * rows->pad ||
        columns->window > columns->size + 2 * columns->pad) {
        tern_call_fail(call, TERN_ERR_SHAPE,
                       "window %lld,%lld is larger than x %s (N,H,W,C) padded by %lld,%lld",
                       (long long)rows->window, (long long)columns->window,
                       tern_shape_text(call->in[0], xt), (long long)rows->pad,
                       (long long)columns->pad);
        return false;
    }
    return true;
}

void tern_pool_shape(tern_call *call)
{
    if (!check_image(call))
        return;
    pool_geometry g = pool_geometry_of(call);
    if (!check_window(call, &g))
        return;
    int64_t shape[] = { g.images, g.rows.out_size, g.columns.out_size, g.channels };
    tern_declare_out(call, 0, call->in[0]->dtype, 4, shape);
    if (tern_op_saved_count(call->op) > 0)
        tern_declare_saved(call, 0, TERN_I32, 4, shape);
}

static void global_avg_pool_shape(tern_call *call)
{
    const tern_tensor *x = call->in[0];
    if (check_image(call))
        tern_declare_out(call, 0, x->dtype, 2, (int64_t[]){ x->shape[0], x->shape[3] });
}

/* --------------------------------------------------------------- cost -- */

/* Adaptive windows count as if all were as long as the longest. */
void tern_pool_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    pool_geometry g = pool_geometry_of(call);
    forward->flops = backward->flops =
        (double)call->out[0]->count * (double)g.rows.window * (double)g.columns.window;
    forward->bytes = backward->bytes =
        (double)tern_tensor_bytes(call->in[0]) + (double)tern_tensor_bytes(call->out[0]);
}

/* ------------------------------------------------------------ samples -- */

/* Windows that leave a rest, overlap, leave gaps, and reach into the padding. */
static const tern_sample max_samples[] = {
    { TERN_SAMPLE_CHECK, "x=[2,4,6,3]", "window=2,2" },
    { TERN_SAMPLE_CHECK, "x=[2,5,7,33]", "window=2,2" },
    { TERN_SAMPLE_CHECK, "x=[1,5,7,31]", "window=3,3 stride=2,2 pad=1,1" },
    { TERN_SAMPLE_CHECK, "x=[2,7,5,1]", "window=2,3 stride=3,1 pad=1,0" },
    { TERN_SAMPLE_CHECK, "x=[1,1,1,1]", "window=1,1" },
    { TERN_SAMPLE_CHECK, "x=[3,4,5,17]", "" },
    { TERN_SAMPLE_CHECK, "x=[1,6,5,2]", "window=2,0 stride=4,0" },
    { TERN_SAMPLE_CHECK, "x=[0,4,4,2]", "window=2,2" },
    { TERN_SAMPLE_BENCH, "x=[16,64,64,32]", "window=2,2" },
    { TERN_SAMPLE_BENCH, "x=[16,32,32,64]", "window=3,3 stride=2,2 pad=1,1" },
    { 0, NULL, NULL },
};

static const tern_sample avg_samples[] = {
    { TERN_SAMPLE_CHECK, "x=[2,4,6,3]", "window=2,2" },
    { TERN_SAMPLE_CHECK, "x=[1,5,7,18]", "window=2,2" },
    { TERN_SAMPLE_CHECK, "x=[1,5,7,31]", "window=3,3 stride=2,2" },
    { TERN_SAMPLE_CHECK, "x=[2,7,5,1]", "window=2,3 stride=3,1" },
    { TERN_SAMPLE_CHECK, "x=[1,1,1,1]", "window=1,1" },
    { TERN_SAMPLE_CHECK, "x=[3,4,5,17]", "window=1,0" },
    { TERN_SAMPLE_CHECK, "x=[1,5,7,19]", "window=3,3 stride=2,2 pad=1,1" },
    { TERN_SAMPLE_CHECK, "x=[2,6,5,3]", "window=3,4 stride=2,1 pad=1,2 exclude_pad=true" },
    { TERN_SAMPLE_CHECK, "x=[0,4,4,2]", "window=2,2" },
    { TERN_SAMPLE_BENCH, "x=[16,76,20,64]", "window=1,0" },
    { 0, NULL, NULL },
};

static const tern_sample global_samples[] = {
    { TERN_SAMPLE_CHECK, "x=[2,4,6,3]", "" },
    { TERN_SAMPLE_CHECK, "x=[1,1,1,1]", "" },
    { TERN_SAMPLE_CHECK, "x=[3,5,1,31]", "" },
    { TERN_SAMPLE_CHECK, "x=[1,11,13,19]", "" },
    { TERN_SAMPLE_CHECK, "x=[0,4,4,2]", "" },
    { TERN_SAMPLE_BENCH, "x=[128,8,8,128]", "" },
    { 0, NULL, NULL },
};

/* ---------------------------------------------------------- contracts -- */

const tern_op tern_op_max_pool2d = {
    .name = "max_pool2d",
    .summary = "largest value in windows of an image",
    .doc = "y[n,p,q,c] = max of x[n,row,column,c] over rows p*stride0-pad0 .. +window0-1 and\n"
           "columns likewise; padding never wins; the first of equals gets the gradient\n"
           "Ho = floor((H + 2*pad0 - window0) / stride0) + 1, Wo likewise",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[N, H, W, C]" } },
    .out = { { "y", TERN_REAL, 0, "[N, Ho, Wo, C]" } },
    .saved = { { "winner", TERN_INDEX, 0, "[N, Ho, Wo, C], row*W + column" } },
    .options_size = sizeof(tern_max_pool2d_opts),
    .options = max_options,
    .shape = tern_pool_shape,
    .cost = tern_pool_cost,
    .samples = max_samples,
};

const tern_op tern_op_avg_pool2d = {
    .name = "avg_pool2d",
    .summary = "mean over windows of an image",
    .doc = "y[n,p,q,c] = mean of x[n,row,column,c] over rows p*stride0-pad0 .. +window0-1 and\n"
           "columns likewise; padding counts as zeros unless exclude_pad\n"
           "Ho = floor((H + 2*pad0 - window0) / stride0) + 1, Wo likewise",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[N, H, W, C]" } },
    .out = { { "y", TERN_REAL, 0, "[N, Ho, Wo, C]" } },
    .options_size = sizeof(tern_avg_pool2d_opts),
    .options = avg_options,
    .shape = tern_pool_shape,
    .cost = tern_pool_cost,
    .samples = avg_samples,
};

const tern_op tern_op_global_avg_pool = {
    .name = "global_avg_pool",
    .summary = "mean over all pixels of an image",
    .doc = "y[n,c] = mean over row, column of x[n,row,column,c]",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[N, H, W, C]" } },
    .out = { { "y", TERN_REAL, 0, "[N, C]" } },
    .shape = global_avg_pool_shape,
    .cost = tern_pool_cost,
    .samples = global_samples,
};

tern_tensor *tern_max_pool2d(tern_ctx *ctx, tern_tensor *x, tern_max_pool2d_opts opts)
{
    return tern_apply(ctx, &tern_op_max_pool2d, &x, 1, &opts, NULL);
}

tern_tensor *tern_avg_pool2d(tern_ctx *ctx, tern_tensor *x, tern_avg_pool2d_opts opts)
{
    return tern_apply(ctx, &tern_op_avg_pool2d, &x, 1, &opts, NULL);
}

tern_tensor *tern_global_avg_pool(tern_ctx *ctx, tern_tensor *x)
{
    return tern_apply(ctx, &tern_op_global_avg_pool, &x, 1, NULL, NULL);
}
