/* The contracts of adaptive_max_pool2d and adaptive_avg_pool2d; see pool.h. */
#include "kernels/pool/pool.h"

#include "kernels/pool/pool_geometry.h"

enum { EXTENT_MAX = 1 << 20 };

static const tern_option options[] = {
    { .name = "size", .type = TERN_OPTION_INT,
      .offset = offsetof(tern_adaptive_pool2d_opts, size), .length = 2, .highest = EXTENT_MAX,
      .doc = "y's rows and columns; 0 is x's extent" },
    { 0 },
};

/* Sizes that go even, that make windows overlap, and that are larger than the image. */
static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[2,4,6,3]", "size=2,3" },
    { TERN_SAMPLE_CHECK, "x=[1,7,5,31]", "size=3,2" },
    { TERN_SAMPLE_CHECK, "x=[2,11,3,2]", "size=4,1" },
    { TERN_SAMPLE_CHECK, "x=[2,3,2,17]", "size=5,7" },
    { TERN_SAMPLE_CHECK, "x=[3,4,5,1]", "size=0,2" },
    { TERN_SAMPLE_CHECK, "x=[1,1,1,1]", "size=1" },
    { TERN_SAMPLE_CHECK, "x=[0,4,4,2]", "size=2" },
    { TERN_SAMPLE_BENCH, "x=[16,14,14,64]", "size=7,7" },
    { TERN_SAMPLE_BENCH, "x=[16,31,31,64]", "size=4,4" },
    { 0, NULL, NULL },
};

const tern_op tern_op_adaptive_max_pool2d = {
    .name = "adaptive_max_pool2d",
    .summary = "largest value in as many windows of an image as asked for",
    .doc = "y[n,p,q,c] = max of x[n,row,column,c] over rows floor(p*H/size0) up to, not\n"
           "including, ceil((p+1)*H/size0), and columns likewise; the first of equals gets the\n"
           "gradient",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[N, H, W, C]" } },
    .out = { { "y", TERN_REAL, 0, "[N, size0, size1, C]" } },
    .saved = { { "winner", TERN_INDEX, 0, "[N, size0, size1, C], row*W + column" } },
    .options_size = sizeof(tern_adaptive_pool2d_opts),
    .options = options,
    .shape = tern_pool_shape,
    .cost = tern_pool_cost,
    .samples = samples,
};

const tern_op tern_op_adaptive_avg_pool2d = {
    .name = "adaptive_avg_pool2d",
    .summary = "mean over as many windows of an image as asked for",
    .doc = "y[n,p,q,c] = mean of x[n,row,column,c] over rows floor(p*H/size0) up to, not\n"
           "including, ceil((p+1)*H/size0), and columns likewise",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[N, H, W, C]" } },
    .out = { { "y", TERN_REAL, 0, "[N, size0, size1, C]" } },
    .options_size = sizeof(tern_adaptive_pool2d_opts),
    .options = options,
    .shape = tern_pool_shape,
    .cost = tern_pool_cost,
    .samples = samples,
};

tern_tensor *tern_adaptive_max_pool2d(tern_ctx *ctx, tern_tensor *x,
                                      tern_adaptive_pool2d_opts opts)
{
    return tern_apply(ctx, &tern_op_adaptive_max_pool2d, &x, 1, &opts, NULL);
}

tern_tensor *tern_adaptive_avg_pool2d(tern_ctx *ctx, tern_tensor *x,
                                      tern_adaptive_pool2d_opts opts)
{
    return tern_apply(ctx, &tern_op_adaptive_avg_pool2d, &x, 1, &opts, NULL);
}
