/* Lesson 0: two linear layers learn exclusive or.
 *
 * A context owns everything: device, parameters, memory, errors.  Each step begins
 * afresh: inputs, forward, backward, update.  Build: make examples; run:
 * build/examples/00_xor
 */
#include "core/params.h"
#include "kernels/adamw/adamw.h"
#include "kernels/cross_entropy/cross_entropy.h"
#include "kernels/table.h"
#include "layers/linear.h"

#include <stdio.h>

int main(void)
{
    const float x[] = { 0, 0,  0, 1,  1, 0,  1, 1 };
    const int32_t exclusive_or[] = { 0, 1, 1, 0 };
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "cpu", .seed = 1 }, &error);
    if (!ctx) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    tern_linear_layer hidden = tern_linear_layer_declare(
        ctx, "hidden", 2, 8, (tern_linear_layer_opts){ .activation = TERN_ACT_TANH });
    tern_linear_layer out =
        tern_linear_layer_declare(ctx, "out", 8, 2, (tern_linear_layer_opts){ 0 });
    tern_params_freeze(ctx);
    tern_set_training(ctx, true);

    for (int step = 1; step <= 200; step++) {
        tern_step_begin(ctx, 0);
        tern_tensor *in = tern_input(ctx, "x", TERN_F32, 2, (int64_t[]){ 4, 2 }, x);
        tern_tensor *target =
            tern_input(ctx, "target", TERN_I32, 1, (int64_t[]){ 4 }, exclusive_or);
        tern_tensor *y = tern_linear_layer_forward(ctx, &hidden, in);
        y = tern_linear_layer_forward(ctx, &out, y);
        tern_tensor *loss =
            tern_cross_entropy(ctx, y, target, NULL, NULL, (tern_cross_entropy_opts){ 0 });
        tern_backward(ctx, loss);
        tern_adamw(ctx, tern_blocks(ctx), NULL, (tern_adamw_opts){ .lr = 0.05, .step = step });
        if (step % 50 == 0)
            printf("step %3d: loss %.4f\n", step, tern_read_scalar(ctx, loss));
    }

    bool ok = tern_ok(ctx);
    if (!ok)
        fprintf(stderr, "%s\n", tern_ctx_error(ctx)->message);
    tern_ctx_free(ctx);
    return !ok;
}
