/* An LSTM over a sequence.
 *
 *   x [N,100,64] -> LSTM, hidden 128 [N,100,128] -> mean over time -> linear [N,7]
 *
 * One layer, forwards only; state: lstm, out.
 */
#include "bench/workload/workload.h"
#include "kernels/masked_mean/masked_mean.h"
#include "layers/linear.h"
#include "layers/recurrent.h"

enum { STEPS = 100, FEATURES = 64, HIDDEN = 128 };

typedef struct lstm {
    tern_recurrent_layer lstm;
    tern_linear_layer out;
} lstm;

static void declare(tern_ctx *ctx, void *own, const bench_opts *opts)
{
    (void)opts;
    lstm *model = own;
    model->lstm = tern_recurrent_layer_declare(ctx, "lstm", FEATURES, HIDDEN,
                                               (tern_recurrent_opts){ .unidirectional = true });
    model->out = tern_linear_layer_declare(ctx, "out", HIDDEN, BENCH_CLASSES,
                                           (tern_linear_layer_opts){ 0 });
}

static tern_tensor *logits(tern_ctx *ctx, const void *own, const bench_batch *batch)
{
    const lstm *model = own;
    tern_tensor *x = bench_upload(ctx, batch, 0);
    x = tern_recurrent_layer_forward(ctx, &model->lstm, x, NULL);
    return tern_linear_layer_forward(ctx, &model->out, tern_masked_mean(ctx, x, NULL));
}

static const bench_input inputs[] = {
    { .name = "x", .dtype = TERN_F32, .rank = 3, .shape = { 0, STEPS, FEATURES } },
    { 0 },
};

const bench_model bench_lstm = {
    .name = "lstm",
    .summary = "LSTM, hidden 128, 100 steps of 64",
    .rows = 32,
    .inputs = inputs,
    .bytes = sizeof(lstm),
    .declare = declare,
    .logits = logits,
};
