#include "layers/conv_block.h"

#include "core/params.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/pool/pool.h"

tern_conv_block tern_conv_block_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                                        int64_t outputs, tern_conv_block_opts opts)
{
    opts.kernel = opts.kernel ? opts.kernel : 3;
    opts.stride = opts.stride ? opts.stride : 1;
    for (int axis = 0; axis < 2; axis++)
        opts.pool[axis] = opts.pool[axis] ? opts.pool[axis] : 1;
    tern_conv_block block = { .name = name, .opts = opts };
    tern_scope_push(ctx, "%s", name);
    tern_scope_push(ctx, "0");
    block.weight = tern_param(ctx, "weight", 4,
                              (int64_t[]){ outputs, opts.kernel, opts.kernel, inputs },
                              (tern_param_opts){
                                  .init = tern_init_fan_in(inputs * opts.kernel * opts.kernel),
                                  .layout = TERN_LAYOUT_OHWI_FROM_OIHW });
    tern_scope_pop(ctx);
    block.norm = tern_batch_norm_layer_declare(ctx, "1", outputs, (tern_batch_norm_opts){
                                                   .activation = TERN_ACT_RELU });
    tern_scope_pop(ctx);
    return block;
}

tern_tensor *tern_conv_block_forward(tern_ctx *ctx, const tern_conv_block *block, tern_tensor *x,
                                     tern_tensor *mask)
{
    const tern_conv_block_opts *opts = &block->opts;
    tern_scope_push(ctx, "%s", block->name);
    x = tern_conv2d(ctx, x, block->weight, NULL,
                    (tern_conv2d_opts){ .stride = { opts->stride, opts->stride },
                                        .pad = { opts->kernel / 2, opts->kernel / 2 } });
    x = tern_batch_norm_layer_forward(ctx, &block->norm, x, mask);
    if (opts->pool[0] > 1 || opts->pool[1] > 1)
        x = tern_max_pool2d(ctx, x, (tern_max_pool2d_opts){
                                .window = { opts->pool[0], opts->pool[1] } });
    tern_scope_pop(ctx);
    return x;
}

int64_t tern_conv_block_conv_size(const tern_conv_block_opts *opts, int64_t size)
{
    return size > 0 ? (size + 2 * (opts->kernel / 2) - opts->kernel) / opts->stride + 1 : 0;
}

int64_t tern_conv_block_pool_size(const tern_conv_block_opts *opts, int axis, int64_t size)
{
    return size / opts->pool[axis];
}
