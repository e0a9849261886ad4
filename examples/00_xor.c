/* Lesson 0: a network with one hidden layer learns exclusive or.
 *
 * A context owns everything: device, parameters, memory, errors.  Layers declare
 * parameters; each step begins afresh: inputs, forward, backward, update.
 * Build: make examples; run: build/examples/00_xor
 */
#include "kernels/adamw/adamw.h"
#include "kernels/losses/pointwise.h"
#include "kernels/table.h"
#include "layers/mlp.h"

#include <stdio.h>

int main(void)
{
    const float x[] = { 0, 0,  0, 1,  1, 0,  1, 1 }, exclusive_or[] = { 0, 1, 1, 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .seed = 1 }, NULL);
    if (!ctx)
        return 1;
    tern_mlp mlp = tern_mlp_declare(
        ctx, "mlp", 2, 1, (tern_mlp_opts){ .hidden = { 8 }, .activation = TERN_ACT_TANH });
    tern_params_freeze(ctx);
    tern_set_training(ctx, true);
    for (int step = 1; step <= 200; step++) {
        tern_step_begin(ctx, 0);
        tern_tensor *in = tern_input(ctx, "x", TERN_F32, 2, (int64_t[]){ 4, 2 }, x);
        tern_tensor *y = tern_mlp_forward(ctx, &mlp, in);
        tern_tensor *wanted =
            tern_input(ctx, "wanted", TERN_F32, 2, (int64_t[]){ 4, 1 }, exclusive_or);
        tern_tensor *loss = tern_mse(ctx, y, wanted, NULL, (tern_loss_opts){ 0 });
        tern_backward(ctx, loss);
        tern_adamw(ctx, tern_blocks(ctx), NULL, (tern_adamw_opts){ .lr = 0.05, .step = step });
        if (step % 50 == 0)
            printf("step %3d: loss %.6f\n", step, tern_read_scalar(ctx, loss));
    }
    bool ok = tern_ok(ctx);
    printf("%s\n", ok ? "learned" : tern_ctx_error(ctx)->message);
    tern_ctx_free(ctx);
    return !ok;
}
