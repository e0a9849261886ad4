#include "layers/conv_block.h"

#include "kernels/pool/pool.h"

static int64_t or_one(int64_t value)
{
    return value ? value : 1;
}

/* With the defaults in place of zeros. */
static tern_conv_block_opts resolve(tern_conv_block_opts opts)
{
    opts.kernel = opts.kernel ? opts.kernel : 3;
    opts.stride = or_one(opts.stride);
    for (int axis = 0; axis < 2; axis++)
        opts.pool[axis] = or_one(opts.pool[axis]);
    if (opts.no_activation)
        opts.activation = TERN_ACT_NONE;
    else if (opts.activation == TERN_ACT_NONE)
        opts.activation = TERN_ACT_RELU;
    return opts;
}

tern_conv_block tern_conv_block_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                                        int64_t outputs, tern_conv_block_opts opts)
{
    opts = resolve(opts);
    tern_conv_block block = { .name = name, .opts = opts };
    bool plain = opts.norm == TERN_NORM_NONE; /* the convolution's epilogue does it all */
    int64_t pad = opts.kernel / 2;
    tern_conv2d_layer_opts conv = { .kernel = { opts.kernel, opts.kernel },
                                    .stride = { opts.stride, opts.stride },
                                    .pad = { pad, pad },
                                    .groups = opts.groups,
                                    .activation = plain ? opts.activation : TERN_ACT_NONE,
                                    .no_bias = !plain,
                                    .init = opts.init };
    tern_channel_norm_opts norm = { .kind = opts.norm, .groups = opts.norm_groups,
                                    .activation = plain ? TERN_ACT_NONE : opts.activation };
    tern_scope_push(ctx, "%s", name);
    block.conv = tern_conv2d_layer_declare(ctx, "0", inputs, outputs, conv);
    block.norm = tern_channel_norm_declare(ctx, "1", outputs, norm);
    tern_scope_pop(ctx);
    return block;
}

static tern_tensor *pool(tern_ctx *ctx, const tern_conv_block_opts *opts, tern_tensor *x)
{
    if (opts->pool[0] == 1 && opts->pool[1] == 1)
        return x;
    if (opts->average_pool)
        return tern_avg_pool2d(ctx, x, (tern_avg_pool2d_opts){
                                           .window = { opts->pool[0], opts->pool[1] } });
    return tern_max_pool2d(ctx, x, (tern_max_pool2d_opts){
                                       .window = { opts->pool[0], opts->pool[1] } });
}

tern_tensor *tern_conv_block_forward(tern_ctx *ctx, const tern_conv_block *block, tern_tensor *x,
                                     tern_tensor *mask)
{
    tern_scope_push(ctx, "%s", block->name);
    x = tern_conv2d_layer_forward(ctx, &block->conv, x);
    x = tern_channel_norm_forward(ctx, &block->norm, x, mask);
    x = pool(ctx, &block->opts, x);
    tern_scope_pop(ctx);
    return x;
}

int64_t tern_conv_block_conv_size(const tern_conv_block_opts *opts, int64_t size)
{
    const tern_conv_block_opts found = resolve(*opts);
    return size > 0 ? (size + 2 * (found.kernel / 2) - found.kernel) / found.stride + 1 : 0;
}

int64_t tern_conv_block_pool_size(const tern_conv_block_opts *opts, int axis, int64_t size)
{
    return size / or_one(opts->pool[axis]);
}
