#include "kernels/conv2d/conv1d.h"

#include "kernels/conv2d/conv2d.h"
#include "kernels/shape/reshape.h"

/* [A,B,C] seen as [A,B,1,C]. */
static tern_tensor *one_pixel_wide(tern_ctx *ctx, tern_tensor *tensor, const char *name)
{
    char text[TERN_SHAPE_TEXT];
    if (!tensor || tensor->rank == 3)
        return tensor ? tern_reshape(ctx, tensor, (tern_reshape_opts){
                                         .shape = { tensor->shape[0], tensor->shape[1], 1,
                                                    tensor->shape[2] } })
                      : NULL;
    tern_fail(ctx, TERN_ERR_SHAPE, "conv1d: %s must have three axes, not %s", name,
              tern_shape_text(tensor, text));
    return tern_nil(ctx);
}

tern_tensor *tern_conv1d(tern_ctx *ctx, tern_tensor *x, tern_tensor *weight, tern_tensor *bias,
                         tern_conv1d_opts opts)
{
    if (!tern_ok(ctx))
        return tern_nil(ctx);
    tern_tensor *image = one_pixel_wide(ctx, x, "x [N,T,I]");
    tern_tensor *kernel = one_pixel_wide(ctx, weight, "weight [O,k,I/groups]");
    tern_tensor *y = tern_conv2d(ctx, image, kernel, bias,
                                 (tern_conv2d_opts){ .stride = { opts.stride, 1 },
                                                     .pad = { opts.pad, 0 },
                                                     .dilation = { opts.dilation, 1 },
                                                     .groups = opts.groups,
                                                     .activation = opts.activation });
    if (!tern_ok(ctx))
        return tern_nil(ctx);
    return tern_reshape(ctx, y, (tern_reshape_opts){
                            .shape = { y->shape[0], y->shape[1], y->shape[3] } });
}
