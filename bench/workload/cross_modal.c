/* One cross-modal encoder layer, pre-LN, exact GELU: a few steps look at many.
 *
 *   target [N,8,128], source [N,100,128] -> layer (4 heads, feed-forward 512) [N,8,128]
 *                                        -> mean over the steps -> linear [N,7]
 *
 * State: layer, as layers/cross_modal.h has it, and out.
 */
#include "bench/workload/workload.h"
#include "kernels/masked_mean/masked_mean.h"
#include "layers/cross_modal.h"
#include "layers/linear.h"

enum { TARGET_STEPS = 8, SOURCE_STEPS = 100, SIZE = 128, HEADS = 4, HIDDEN = 512 };

typedef struct crossmodal {
    tern_cross_modal_layer layer;
    tern_linear_layer out;
} crossmodal;

static void declare(tern_ctx *ctx, void *own, const bench_opts *opts)
{
    (void)opts;
    crossmodal *model = own;
    model->layer = tern_cross_modal_layer_declare(
        ctx, "layer", (tern_cross_modal_opts){ .size = SIZE, .heads = HEADS, .hidden = HIDDEN });
    model->out = tern_linear_layer_declare(ctx, "out", SIZE, BENCH_CLASSES,
                                           (tern_linear_layer_opts){ 0 });
}

static tern_tensor *logits(tern_ctx *ctx, const void *own, const bench_batch *batch)
{
    const crossmodal *model = own;
    tern_cross_modal_stream target = { .x = bench_upload(ctx, batch, 0) };
    tern_cross_modal_stream source = { .x = bench_upload(ctx, batch, 1) };
    tern_tensor *x = tern_cross_modal_layer_forward(ctx, &model->layer, target, source,
                                                    (tern_attention_extras){ 0 });
    return tern_linear_layer_forward(ctx, &model->out, tern_masked_mean(ctx, x, NULL));
}

static const bench_input inputs[] = {
    { .name = "target", .dtype = TERN_F32, .rank = 3, .shape = { 0, TARGET_STEPS, SIZE } },
    { .name = "source", .dtype = TERN_F32, .rank = 3, .shape = { 0, SOURCE_STEPS, SIZE } },
    { 0 },
};

const bench_model bench_crossmodal = {
    .name = "crossmodal",
    .summary = "one cross-modal layer, d=128, 4 heads, 8 queries on 100 keys",
    .rows = 32,
    .inputs = inputs,
    .bytes = sizeof(crossmodal),
    .declare = declare,
    .logits = logits,
};
