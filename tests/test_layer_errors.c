/* What does not fit a layer is an error that begins with the layer's path, says what was
 * wanted and shows what came; options that make no sense are refused when it is declared. */
#include "tests/check.h"

#include <string.h>

#include "kernels/table.h"
#include "layers/attention_pool.h"
#include "layers/conv1d.h"
#include "layers/conv_block.h"
#include "layers/cross_modal.h"
#include "layers/embedding.h"
#include "layers/mlp.h"
#include "layers/positional_encoding.h"
#include "layers/recurrent.h"
#include "layers/residual_block.h"
#include "layers/transformer.h"

/* A context on which "model.layer" is declared and run once. */
static tern_ctx *open_meta(void)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "meta" }, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    tern_scope_push(ctx, "model");
    return ctx;
}

static tern_tensor *reals(tern_ctx *ctx, int rank, const int64_t *shape)
{
    return tern_full(ctx, rank, shape, 1);
}

#define TENSOR(...)                                                                               \
    reals(ctx, (int)(sizeof(int64_t[]){ __VA_ARGS__ } / sizeof(int64_t)),                         \
          (int64_t[]){ __VA_ARGS__ })

static tern_tensor *mask(tern_ctx *ctx, int64_t rows, int64_t steps)
{
    return tern_input(ctx, "mask", TERN_U8, 2, (int64_t[]){ rows, steps }, NULL);
}

/* ------------------------------------------------------------ the layers -- */

typedef void scene(tern_ctx *ctx);

static void begin(tern_ctx *ctx)
{
    tern_params_freeze(ctx);
    tern_step_begin(ctx, 0);
}

static void linear(tern_ctx *ctx)
{
    tern_linear_layer layer = tern_linear_layer_declare(ctx, "layer", 4, 3,
                                                        (tern_linear_layer_opts){ 0 });
    begin(ctx);
    tern_linear_layer_forward(ctx, &layer, TENSOR(2, 5));
}

static void linear_of_nothing(tern_ctx *ctx)
{
    tern_linear_layer layer = tern_linear_layer_declare(ctx, "layer", 4, 3,
                                                        (tern_linear_layer_opts){ 0 });
    begin(ctx);
    tern_linear_layer_forward(ctx, &layer, NULL);
}

static void mlp(tern_ctx *ctx)
{
    tern_mlp layer = tern_mlp_declare(ctx, "layer", 4, 3, (tern_mlp_opts){ .hidden = { 5 } });
    begin(ctx);
    tern_mlp_forward(ctx, &layer, TENSOR(2, 5));
}

static void norm(tern_ctx *ctx)
{
    tern_layer_norm_layer layer =
        tern_layer_norm_layer_declare(ctx, "layer", 4, (tern_layer_norm_opts){ 0 });
    begin(ctx);
    tern_layer_norm_layer_forward(ctx, &layer, TENSOR(2, 5));
}

static void embedding(tern_ctx *ctx)
{
    tern_embedding_layer_declare(
        ctx, "layer", 9, 4, (tern_embedding_layer_opts){ .has_padding = true, .padding_index = 9 });
}

static void positions_of(tern_ctx *ctx, int64_t learned, tern_tensor *(*x)(tern_ctx *))
{
    tern_positional_encoding layer = tern_positional_encoding_declare(
        ctx, "layer", 4, (tern_positional_encoding_opts){ .learned = learned });
    begin(ctx);
    tern_positional_encoding_forward(ctx, &layer, x(ctx));
}

static tern_tensor *too_wide(tern_ctx *ctx)
{
    return TENSOR(2, 3, 6);
}

static tern_tensor *too_long(tern_ctx *ctx)
{
    return TENSOR(2, 9, 4);
}

static tern_tensor *too_flat(tern_ctx *ctx)
{
    return TENSOR(9, 4);
}

static void positions_too_wide(tern_ctx *ctx)
{
    positions_of(ctx, 0, too_wide);
}

static void positions_too_long(tern_ctx *ctx)
{
    positions_of(ctx, 8, too_long);
}

static void positions_too_flat(tern_ctx *ctx)
{
    positions_of(ctx, 8, too_flat);
}

static void attention_heads(tern_ctx *ctx)
{
    tern_multi_head_attention_declare(
        ctx, "layer", (tern_multi_head_attention_opts){ .size = 6, .heads = 4 });
}

static void attention_bias(tern_ctx *ctx)
{
    tern_multi_head_attention layer = tern_multi_head_attention_declare(
        ctx, "layer", (tern_multi_head_attention_opts){ .size = 6, .heads = 2 });
    begin(ctx);
    tern_tensor *x = TENSOR(2, 5, 6);
    tern_multi_head_attention_forward(ctx, &layer, x, x, x, NULL, NULL,
                                      (tern_attention_extras){ .bias = TENSOR(3, 5, 5) });
}

static void attention_pool(tern_ctx *ctx)
{
    tern_attention_pool layer = tern_attention_pool_declare(ctx, "layer", 6, 2);
    begin(ctx);
    tern_attention_pool_forward(ctx, &layer, TENSOR(5, 6), NULL);
}

static void transformer(tern_ctx *ctx)
{
    tern_transformer_encoder encoder = tern_transformer_encoder_declare(
        ctx, "layer", 2, (tern_transformer_opts){ .size = 6, .heads = 2 });
    begin(ctx);
    tern_transformer_encoder_forward(ctx, &encoder, TENSOR(2, 5, 6), mask(ctx, 2, 4), NULL);
}

static void too_many_transformers(tern_ctx *ctx)
{
    tern_transformer_encoder_declare(ctx, "layer", 99,
                                     (tern_transformer_opts){ .size = 6, .heads = 2 });
}

static void cross_modal(tern_ctx *ctx)
{
    tern_cross_modal_layer layer = tern_cross_modal_layer_declare(
        ctx, "layer", (tern_cross_modal_opts){ .size = 6, .heads = 2 });
    begin(ctx);
    tern_cross_modal_stream target = { .x = TENSOR(2, 5, 6) }, source = { .x = TENSOR(3, 7, 6) };
    tern_cross_modal_layer_forward(ctx, &layer, target, source, (tern_attention_extras){ 0 });
}

static void recurrent(tern_ctx *ctx)
{
    tern_recurrent_layer layer =
        tern_recurrent_layer_declare(ctx, "layer", 4, 3, (tern_recurrent_opts){ 0 });
    begin(ctx);
    tern_recurrent_layer_forward(ctx, &layer, TENSOR(2, 7, 5), NULL);
}

static void conv1d(tern_ctx *ctx)
{
    tern_conv1d_layer layer = tern_conv1d_layer_declare(ctx, "layer", 4, 3,
                                                        (tern_conv1d_layer_opts){ 0 });
    begin(ctx);
    tern_conv1d_layer_forward(ctx, &layer, TENSOR(2, 7));
}

static void conv_block(tern_ctx *ctx)
{
    tern_conv_block block = tern_conv_block_declare(ctx, "layer", 4, 3,
                                                    (tern_conv_block_opts){ 0 });
    begin(ctx);
    tern_conv_block_forward(ctx, &block, TENSOR(2, 7, 7, 5), NULL);
}

static void conv_block_mask(tern_ctx *ctx)
{
    tern_conv_block block = tern_conv_block_declare(
        ctx, "layer", 4, 3, (tern_conv_block_opts){ .norm = TERN_NORM_LAYER });
    begin(ctx);
    tern_conv_block_forward(ctx, &block, TENSOR(2, 7, 7, 4), mask(ctx, 2, 6));
}

static void group_norm_of_positions(tern_ctx *ctx)
{
    tern_conv_block block = tern_conv_block_declare(
        ctx, "layer", 4, 3, (tern_conv_block_opts){ .norm = TERN_NORM_GROUP });
    begin(ctx);
    tern_conv_block_forward(ctx, &block, TENSOR(2, 7, 7, 4), mask(ctx, 2, 7));
}

static void residual_block(tern_ctx *ctx)
{
    tern_residual_block block = tern_residual_block_declare(ctx, "layer", 4, 4,
                                                            (tern_residual_block_opts){ 0 });
    begin(ctx);
    tern_residual_block_forward(ctx, &block, TENSOR(2, 7, 7, 5), NULL);
}

static void residual_kernel(tern_ctx *ctx)
{
    tern_residual_block_declare(ctx, "layer", 4, 4, (tern_residual_block_opts){ .kernel = 2 });
}

static void channel_attention(tern_ctx *ctx)
{
    tern_channel_attention layer =
        tern_channel_attention_declare(ctx, "layer", 4, (tern_channel_attention_opts){ 0 });
    begin(ctx);
    tern_channel_attention_forward(ctx, &layer, TENSOR(2, 4), NULL);
}

static void cbam_mask(tern_ctx *ctx)
{
    tern_cbam layer = tern_cbam_declare(ctx, "layer", 4, (tern_cbam_opts){ 0 });
    begin(ctx);
    tern_cbam_forward(ctx, &layer, TENSOR(2, 5, 6, 4), mask(ctx, 2, 6));
}

static void spatial_attention(tern_ctx *ctx)
{
    tern_spatial_attention layer =
        tern_spatial_attention_declare(ctx, "layer", (tern_spatial_attention_opts){ 0 });
    begin(ctx);
    tern_spatial_attention_forward(ctx, &layer, NULL, NULL);
}

/* --------------------------------------------------------------- messages -- */

static void what_does_not_fit_names_the_layer(void **state)
{
    static const struct {
        scene *play;
        tern_status status;
        const char *message;
    } all[] = {
        { linear, TERN_ERR_SHAPE, "model.layer: linear: x [2,5] ([...,I]) and weight [3,4]" },
        { linear_of_nothing, TERN_ERR_ARGUMENT, "model.layer: linear: input x is NULL" },
        { mlp, TERN_ERR_SHAPE, "model.layer.0: linear: x [2,5] ([...,I]) and weight [5,4]" },
        { norm, TERN_ERR_SHAPE, "model.layer: layer_norm: " },
        { embedding, TERN_ERR_OPTION, "model.layer: parameter model.layer.weight [9,4]: the row" },
        { positions_too_wide, TERN_ERR_SHAPE, "model.layer: x must be [N,T,4], not [2,3,6]" },
        { positions_too_long, TERN_ERR_SHAPE,
          "model.layer: x [2,9,4] has 9 steps, there are positions for 8" },
        { positions_too_flat, TERN_ERR_SHAPE,
          "model.layer: x [N,T,D] must have 3 axes, not [9,4]" },
        { attention_heads, TERN_ERR_OPTION,
          "model.layer: size is 6, it must be a multiple of 4 heads" },
        { attention_bias, TERN_ERR_SHAPE,
          "model.layer: attention: bias must be [2,2,5,5] (N,heads,Lq,Lk), where N or heads may "
          "be 1 or left out, not [3,5,5]" },
        { attention_pool, TERN_ERR_SHAPE, "model.layer: x [N,T,D] must have 3 axes, not [5,6]" },
        { transformer, TERN_ERR_SHAPE,
          "model.layer.layers.0.self_attn: attention: query_mask must be [2,5], not [2,4]" },
        { too_many_transformers, TERN_ERR_OPTION,
          "model.layer: there are 99 layers, 1 to 24 are possible" },
        { cross_modal, TERN_ERR_SHAPE,
          "model.layer.self_attn: attention: q [2,5,6] and k [3,7,6] must agree in N" },
        { recurrent, TERN_ERR_SHAPE, "model.layer: lstm: " },
        { conv1d, TERN_ERR_SHAPE,
          "model.layer: conv1d: x [2,7] must be (N,T,C) and weight [3,3,4] (O,k,I)" },
        { conv_block, TERN_ERR_SHAPE, "model.layer.0: conv2d: weight [3,3,3,4]" },
        { conv_block_mask, TERN_ERR_SHAPE,
          "model.layer: mask [2,6] must have the first axes of x [2,7,7,3]" },
        { group_norm_of_positions, TERN_ERR_SHAPE,
          "model.layer: group norm cannot leave out positions: a mask must be [N], not [2,7]" },
        { residual_block, TERN_ERR_SHAPE, "model.layer.conv1: conv2d: weight [4,3,3,4]" },
        { residual_kernel, TERN_ERR_OPTION, "model.layer: kernel is 2, it must be odd" },
        { channel_attention, TERN_ERR_SHAPE,
          "model.layer: x [N,...,C] must have 3 to 6 axes, not [2,4]" },
        { cbam_mask, TERN_ERR_SHAPE,
          "model.layer.channel: mask [2,6] must have the first axes of x [2,5,6,4]" },
        { spatial_attention, TERN_ERR_ARGUMENT, "model.layer: x [N,H,W,C] is NULL" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        tern_ctx *ctx = open_meta();
        all[i].play(ctx);
        assert_tern_fails(ctx, all[i].status, all[i].message);
        assert_true(strncmp(tern_ctx_error(ctx)->message, "model.layer", 11) == 0);
        assert_string_equal(tern_scope_path(ctx), "model");
        tern_ctx_free(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_names_the_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
