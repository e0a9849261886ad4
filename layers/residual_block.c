#include "layers/residual_block.h"

#include "kernels/elementwise/activation_ops.h"
#include "kernels/elementwise/binary.h"

static tern_residual_part declare_part(tern_ctx *ctx, const char *conv, const char *norm,
                                       int64_t inputs, int64_t outputs,
                                       tern_residual_block_opts opts)
{
    int64_t pad = opts.kernel / 2;
    return (tern_residual_part){
        .conv = tern_conv2d_layer_declare(
            ctx, conv, inputs, outputs,
            (tern_conv2d_layer_opts){ .kernel = { opts.kernel, opts.kernel },
                                      .stride = { opts.stride, opts.stride },
                                      .pad = { pad, pad },
                                      .no_bias = opts.norm != TERN_NORM_NONE,
                                      .init = opts.init }),
        .norm = tern_channel_norm_declare(
            ctx, norm, outputs,
            (tern_channel_norm_opts){ .kind = opts.norm, .groups = opts.norm_groups,
                                      .activation = opts.activation }),
    };
}

static void declare_attention(tern_ctx *ctx, tern_residual_block *block, int64_t channels)
{
    const tern_residual_block_opts *opts = &block->opts;
    if (opts->attention == TERN_RESIDUAL_SQUEEZE_EXCITATION)
        block->squeeze_excitation = tern_channel_attention_declare(
            ctx, "attention", channels,
            (tern_channel_attention_opts){ .reduction = opts->reduction, .mean_only = true });
    if (opts->attention == TERN_RESIDUAL_CBAM)
        block->cbam = tern_cbam_declare(ctx, "attention", channels,
                                        (tern_cbam_opts){ .reduction = opts->reduction });
}

tern_residual_block tern_residual_block_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                                                int64_t outputs, tern_residual_block_opts opts)
{
    opts.kernel = opts.kernel ? opts.kernel : 3;
    opts.stride = opts.stride ? opts.stride : 1;
    opts.activation = opts.activation ? opts.activation : TERN_ACT_RELU;
    tern_residual_block block = { .name = name, .opts = opts };
    block.has_shortcut = opts.stride != 1 || inputs != outputs;
    tern_residual_block_opts second = opts, shortcut = opts;
    second.stride = shortcut.kernel = 1;
    second.activation = shortcut.activation = TERN_ACT_NONE; /* it follows the sum */

    tern_scope_push(ctx, "%s", name);
    if (opts.kernel < 1 || opts.kernel % 2 == 0)
        tern_fail(ctx, TERN_ERR_OPTION, "kernel is %lld, it must be odd", (long long)opts.kernel);
    block.first = declare_part(ctx, "conv1", "bn1", inputs, outputs, opts);
    block.second = declare_part(ctx, "conv2", "bn2", outputs, outputs, second);
    declare_attention(ctx, &block, outputs);
    if (block.has_shortcut) {
        tern_scope_push(ctx, "downsample");
        block.shortcut = declare_part(ctx, "0", "1", inputs, outputs, shortcut);
        tern_scope_pop(ctx);
    }
    tern_scope_pop(ctx);
    return block;
}

static tern_tensor *run_part(tern_ctx *ctx, const tern_residual_part *part, tern_tensor *x,
                             tern_tensor *mask)
{
    x = tern_conv2d_layer_forward(ctx, &part->conv, x);
    return tern_channel_norm_forward(ctx, &part->norm, x, mask);
}

static tern_tensor *run_branch(tern_ctx *ctx, const tern_residual_block *block, tern_tensor *x,
                               tern_tensor *mask)
{
    x = run_part(ctx, &block->first, x, mask);
    x = run_part(ctx, &block->second, x, mask);
    switch (block->opts.attention) {
    case TERN_RESIDUAL_PLAIN: break;
    case TERN_RESIDUAL_SQUEEZE_EXCITATION:
        return tern_channel_attention_forward(ctx, &block->squeeze_excitation, x, mask);
    case TERN_RESIDUAL_CBAM: return tern_cbam_forward(ctx, &block->cbam, x, mask);
    }
    return x;
}

static tern_tensor *run_shortcut(tern_ctx *ctx, const tern_residual_block *block, tern_tensor *x,
                                 tern_tensor *mask)
{
    if (!block->has_shortcut)
        return x;
    tern_scope_push(ctx, "downsample");
    x = run_part(ctx, &block->shortcut, x, mask);
    tern_scope_pop(ctx);
    return x;
}

tern_tensor *tern_residual_block_forward(tern_ctx *ctx, const tern_residual_block *block,
                                         tern_tensor *x, tern_tensor *mask)
{
    tern_scope_push(ctx, "%s", block->name);
    tern_tensor *branch = run_branch(ctx, block, x, mask);
    tern_tensor *sum = tern_add(ctx, branch, run_shortcut(ctx, block, x, mask));
    tern_tensor *y = tern_activate(ctx, sum, block->opts.activation);
    tern_scope_pop(ctx);
    return y;
}
