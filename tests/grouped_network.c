/* See grouped_network.h. */
#include "tests/grouped_network.h"

#include "core/rng.h"
#include "kernels/adamw/adamw.h"
#include "kernels/batch_norm/batch_norm.h"
#include "kernels/ema/ema.h"
#include "kernels/grad_norm/grad_norm.h"
#include "kernels/linear/linear.h"
#include "kernels/losses/pointwise.h"
#include "kernels/table.h"
#include "tests/check.h"

network network_declare(const char *device)
{
    static const int64_t under[] = { HIDDEN, INPUTS }, over[] = { 1, HIDDEN };
    static const tern_param_opts weight = { .init = { .kind = TERN_INIT_NORMAL, .scale = 0.5 } };
    static const tern_param_opts bias = { .init = { .kind = TERN_INIT_NORMAL, .scale = 0.5 },
                                          .no_decay = true };
    tern_error error = { 0 };
    network n = { .ctx = tern_open((tern_ctx_opts){ .device = device, .threads = 1 }, &error) };
    if (!n.ctx)
        fail_msg("%s", error.message);
    n.under_bias = tern_param(n.ctx, "under.linear.bias", 1, under, bias);
    n.under_weight = tern_param(n.ctx, "under.linear.weight", 2, under, weight);
    n.gain = tern_param(n.ctx, "under.norm.weight", 1, under, bias);
    n.shift = tern_param(n.ctx, "under.norm.bias", 1, under, bias);
    n.mean = tern_state(n.ctx, "under.norm.running_mean", 1, under, 0.25);
    n.variance = tern_state(n.ctx, "under.norm.running_var", 1, under, 2);
    n.over_weight = tern_param(n.ctx, "over.linear.weight", 2, over, weight);
    n.over_bias = tern_param(n.ctx, "over.linear.bias", 1, over, bias);
    return n;
}

network network_build(const char *device, const char *frozen)
{
    network n = network_declare(device);
    if (frozen)
        tern_group_params(n.ctx, frozen, (tern_group_opts){ .frozen = true });
    tern_params_freeze(n.ctx);
    assert_tern_ok(n.ctx);
    return n;
}

tern_tensor *network_forward(const network *n)
{
    double x[ROWS * INPUTS];
    tern_rng rng = tern_rng_make(5, TERN_STREAM_TEST, 1);
    for (int i = 0; i < ROWS * INPUTS; i++)
        x[i] = tern_rng_normal(&rng);
    tern_tensor *in = tern_input(n->ctx, "x", TERN_F64, 2, (int64_t[]){ ROWS, INPUTS }, x);
    tern_tensor *hidden =
        tern_linear(n->ctx, in, n->under_weight, n->under_bias, (tern_linear_opts){ 0 });
    hidden = tern_batch_norm(n->ctx, hidden, n->gain, n->shift, n->mean, n->variance, NULL,
                             (tern_batch_norm_opts){ .activation = TERN_ACT_RELU });
    return tern_linear(n->ctx, hidden, n->over_weight, n->over_bias, (tern_linear_opts){ 0 });
}

void network_backward(const network *n)
{
    static const double target[ROWS] = { 1, -1, 2, 0, 3, -2 };
    tern_tensor *y = network_forward(n);
    tern_tensor *wanted = tern_input(n->ctx, "target", TERN_F64, 2, (int64_t[]){ ROWS, 1 }, target);
    tern_backward(n->ctx, tern_mse(n->ctx, y, wanted, NULL, (tern_loss_opts){ 0 }));
    assert_tern_ok(n->ctx);
}

void network_train(const network *n, int steps)
{
    tern_set_training(n->ctx, true);
    for (int step = 1; step <= steps; step++) {
        tern_tensor *scale;
        tern_step_begin(n->ctx, 0);
        network_backward(n);
        const tern_param_blocks *blocks = tern_blocks(n->ctx);
        tern_grad_norm(n->ctx, blocks->grad, &scale, (tern_grad_norm_opts){ .max_norm = 0.5 });
        tern_adamw(n->ctx, blocks, scale, (tern_adamw_opts){ .lr = 0.1, .weight_decay = 0.1,
                                                             .step = step });
        if (blocks->average) {
            tern_ema(n->ctx, blocks->average, blocks->value, (tern_ema_opts){ .decay = 0.5 });
            tern_ema(n->ctx, blocks->state_average, blocks->state, (tern_ema_opts){ .decay = 0.5 });
        }
        assert_tern_ok(n->ctx);
    }
}

void network_values(const network *n, const tern_tensor *tensor, double *values)
{
    tern_read(n->ctx, tensor, TERN_F64, values);
    assert_tern_ok(n->ctx);
}
