/* The contracts of resize_nearest and resize_bilinear; see resize.h. */
#include "kernels/resize/resize.h"

enum { EXTENT_MAX = 1 << 20 };

static const tern_option nearest_options[] = {
    { .name = "size", .type = TERN_OPTION_INT,
      .offset = offsetof(tern_resize_nearest_opts, size), .length = 2, .lowest = 1,
      .highest = EXTENT_MAX, .doc = "y's rows and columns" },
    { 0 },
};

static const tern_option bilinear_options[] = {
    { .name = "size", .type = TERN_OPTION_INT,
      .offset = offsetof(tern_resize_bilinear_opts, size), .length = 2, .lowest = 1,
      .highest = EXTENT_MAX, .doc = "y's rows and columns" },
    { .name = "align_corners", .type = TERN_OPTION_BOOL,
      .offset = offsetof(tern_resize_bilinear_opts, align_corners),
      .doc = "corner pixels fall on corner pixels" },
    { 0 },
};

/* Both options structs begin with the size. */
static void resize_shape(tern_call *call)
{
    const int64_t *size = call->options;
    const tern_tensor *x = call->in[0];
    char xt[TERN_SHAPE_TEXT];

    if (x->rank != 4 || tern_extent(x, 1, 4) == 0) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x %s must be (N,H,W,C) where only N may be 0",
                       tern_shape_text(x, xt));
        return;
    }
    tern_declare_out(call, 0, x->dtype, 4,
                     (int64_t[]){ x->shape[0], size[0], size[1], x->shape[3] });
}

static void resize_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->bytes = backward->bytes =
        (double)tern_tensor_bytes(call->in[0]) + (double)tern_tensor_bytes(call->out[0]);
    backward->flops = (double)call->out[0]->count; /* additions */
}

static void bilinear_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    resize_cost(call, forward, backward);
    forward->flops = backward->flops = 8 * (double)call->out[0]->count;
}

/* Larger, smaller, both at once, by whole factors and by none, to and from one pixel. */
static const tern_sample nearest_samples[] = {
    { TERN_SAMPLE_CHECK, "x=[2,3,4,5]", "size=6,8" },
    { TERN_SAMPLE_CHECK, "x=[1,7,5,31]", "size=3,11" },
    { TERN_SAMPLE_CHECK, "x=[2,5,7,1]", "size=5,7" },
    { TERN_SAMPLE_CHECK, "x=[1,1,6,3]", "size=4,1" },
    { TERN_SAMPLE_CHECK, "x=[1,1,1,1]", "size=1" },
    { TERN_SAMPLE_CHECK, "x=[0,4,4,2]", "size=2" },
    { TERN_SAMPLE_BENCH, "x=[16,32,32,64]", "size=64" },
    { 0, NULL, NULL },
};

static const tern_sample bilinear_samples[] = {
    { TERN_SAMPLE_CHECK, "x=[2,3,4,5]", "size=6,8" },
    { TERN_SAMPLE_CHECK, "x=[1,7,5,31]", "size=3,11" },
    { TERN_SAMPLE_CHECK, "x=[1,7,5,17]", "size=13,2 align_corners=true" },
    { TERN_SAMPLE_CHECK, "x=[2,5,7,1]", "size=5,7" },
    { TERN_SAMPLE_CHECK, "x=[1,1,6,3]", "size=4,1 align_corners=true" },
    { TERN_SAMPLE_CHECK, "x=[1,1,6,3]", "size=4,1" },
    { TERN_SAMPLE_CHECK, "x=[1,1,1,1]", "size=1" },
    { TERN_SAMPLE_CHECK, "x=[0,4,4,2]", "size=2" },
    { TERN_SAMPLE_BENCH, "x=[16,32,32,64]", "size=64" },
    { 0, NULL, NULL },
};

const tern_op tern_op_resize_nearest = {
    .name = "resize_nearest",
    .summary = "images to another size, each pixel from the nearest",
    .doc = "y[n,p,q,c] = x[n,source(p),source(q),c], source(p) = min(floor(p * H/size0), H-1)",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[N, H, W, C]" } },
    .out = { { "y", TERN_REAL, 0, "[N, size0, size1, C]" } },
    .options_size = sizeof(tern_resize_nearest_opts),
    .options = nearest_options,
    .shape = resize_shape,
    .cost = resize_cost,
    .samples = nearest_samples,
};

const tern_op tern_op_resize_bilinear = {
    .name = "resize_bilinear",
    .summary = "images to another size, each pixel from the four around it",
    .doc = "y[n,p,q,c] = the pixels around (source(p), source(q)), weighted by nearness\n"
           "source(p) = max(0, (p+1/2) * H/size0 - 1/2), p * (H-1)/(size0-1) with align_corners",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[N, H, W, C]" } },
    .out = { { "y", TERN_REAL, 0, "[N, size0, size1, C]" } },
    .options_size = sizeof(tern_resize_bilinear_opts),
    .options = bilinear_options,
    .shape = resize_shape,
    .cost = bilinear_cost,
    .samples = bilinear_samples,
};

tern_tensor *tern_resize_nearest(tern_ctx *ctx, tern_tensor *x, tern_resize_nearest_opts opts)
{
    return tern_apply(ctx, &tern_op_resize_nearest, &x, 1, &opts, NULL);
}

tern_tensor *tern_resize_bilinear(tern_ctx *ctx, tern_tensor *x, tern_resize_bilinear_opts opts)
{
    return tern_apply(ctx, &tern_op_resize_bilinear, &x, 1, &opts, NULL);
}
