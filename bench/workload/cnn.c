/* Six 3x3 convolutions on an image, 309 MFLOP a row forward.
 *
 *   image [N,64,64,3]
 *     conv 32, conv 32, max pool 2    [N,32,32,32]
 *     conv 64, conv 64, max pool 2    [N,16,16,64]
 *     conv 128, conv 128, max pool 2  [N,8,8,128]
 *     mean over the image, linear     [N,7]
 *
 * Each convolution has a bias and ends in ReLU; state: conv0 ... conv5, out.
 */
#include "bench/workload/workload.h"
#include "core/params.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/pool/pool.h"
#include "layers/linear.h"

enum { CONVOLUTIONS = 6, FIRST_WIDTH = 32 };

typedef struct cnn {
    tern_tensor *weight[CONVOLUTIONS], *bias[CONVOLUTIONS];
    tern_linear_layer out;
} cnn;

static void declare(tern_ctx *ctx, void *own, const bench_opts *opts)
{
    (void)opts;
    cnn *model = own;
    int64_t inputs = 3;
    for (int i = 0; i < CONVOLUTIONS; i++) {
        int64_t outputs = FIRST_WIDTH << i / 2;
        tern_init init = tern_init_fan_in(9 * inputs);
        tern_scope_push(ctx, "conv%d", i);
        model->weight[i] =
            tern_param(ctx, "weight", 4, (int64_t[]){ outputs, 3, 3, inputs },
                       (tern_param_opts){ .init = init, .layout = TERN_LAYOUT_OHWI_FROM_OIHW });
        model->bias[i] = tern_param(ctx, "bias", 1, &outputs,
                                    (tern_param_opts){ .init = init, .no_decay = true });
        tern_scope_pop(ctx);
        inputs = outputs;
    }
    model->out = tern_linear_layer_declare(ctx, "out", inputs, BENCH_CLASSES,
                                           (tern_linear_layer_opts){ 0 });
}

static tern_tensor *logits(tern_ctx *ctx, const void *own, const bench_batch *batch)
{
    const cnn *model = own;
    tern_tensor *x = bench_upload(ctx, batch, 0);
    for (int i = 0; i < CONVOLUTIONS; i++) {
        x = tern_conv2d(ctx, x, model->weight[i], model->bias[i],
                        (tern_conv2d_opts){ .pad = { 1, 1 }, .activation = TERN_ACT_RELU });
        if (i % 2 == 1)
            x = tern_max_pool2d(ctx, x, (tern_max_pool2d_opts){ .window = { 2, 2 } });
    }
    return tern_linear_layer_forward(ctx, &model->out, tern_global_avg_pool(ctx, x));
}

static const bench_input inputs[] = {
    { .name = "image", .dtype = TERN_F32, .rank = 4, .shape = { 0, 64, 64, 3 },
      .deviation = 0.5 },
    { 0 },
};

const bench_model bench_cnn = {
    .name = "cnn",
    .summary = "6 convolutions 3x3 on 64x64x3, to 128 channels",
    .rows = 32,
    .inputs = inputs,
    .bytes = sizeof(cnn),
    .declare = declare,
    .logits = logits,
};
