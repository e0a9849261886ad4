/* A transformer encoder, pre-LN, exact GELU.
 *
 *   x [N,50,128] -> 4 layers (4 heads, feed-forward 512) -> layer norm
 *                -> mean over the steps -> linear [N,7]
 *
 * State as nn.TransformerEncoder's, and out: layers.0 ... layers.3, norm, out.
 */
#include "bench/workload/workload.h"
#include "kernels/masked_mean/masked_mean.h"
#include "layers/linear.h"
#include "layers/transformer.h"

enum { LAYERS = 4, STEPS = 50, SIZE = 128, HEADS = 4, HIDDEN = 512 };

typedef struct transformer {
    tern_transformer_layer layers[LAYERS];
    tern_layer_norm_layer norm;
    tern_linear_layer out;
} transformer;

static void declare(tern_ctx *ctx, void *own, const bench_opts *opts)
{
    (void)opts;
    static const char *const names[LAYERS] = { "0", "1", "2", "3" };
    transformer *model = own;
    tern_scope_push(ctx, "layers");
    for (int i = 0; i < LAYERS; i++)
        model->layers[i] = tern_transformer_layer_declare(
            ctx, names[i],
            (tern_transformer_opts){ .size = SIZE, .heads = HEADS, .hidden = HIDDEN });
    tern_scope_pop(ctx);
    model->norm = tern_layer_norm_layer_declare(ctx, "norm", SIZE, (tern_layer_norm_opts){ 0 });
    model->out = tern_linear_layer_declare(ctx, "out", SIZE, BENCH_CLASSES,
                                           (tern_linear_layer_opts){ 0 });
}

static tern_tensor *logits(tern_ctx *ctx, const void *own, const bench_batch *batch)
{
    const transformer *model = own;
    tern_tensor *x = bench_upload(ctx, batch, 0);
    for (int i = 0; i < LAYERS; i++)
        x = tern_transformer_layer_forward(ctx, &model->layers[i], x, NULL,
                                           (tern_attention_extras){ 0 });
    x = tern_layer_norm_layer_forward(ctx, &model->norm, x);
    return tern_linear_layer_forward(ctx, &model->out, tern_masked_mean(ctx, x, NULL));
}

static const bench_input inputs[] = {
    { .name = "x", .dtype = TERN_F32, .rank = 3, .shape = { 0, STEPS, SIZE } },
    { 0 },
};

const bench_model bench_transformer = {
    .name = "transformer",
    .summary = "4 layers, d=128, 4 heads, 50 steps",
    .rows = 32,
    .inputs = inputs,
    .bytes = sizeof(transformer),
    .declare = declare,
    .logits = logits,
};
