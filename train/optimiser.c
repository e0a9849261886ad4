#include "train/optimiser.h"

#include "core/params.h"
#include "kernels/adamw/adam.h"
#include "kernels/adamw/adamw.h"
#include "kernels/ema/ema.h"
#include "kernels/grad_norm/grad_norm.h"
#include "kernels/sgd/sgd.h"

#include <math.h>
#include <stddef.h>

const char *const tern_optimiser_names[] = { "adamw", "adam", "sgd", NULL };

static void update(tern_ctx *ctx, const tern_optimiser *o, tern_tensor *scale, double lr,
                   int64_t step)
{
    const tern_param_blocks *blocks = tern_blocks(ctx);
    const tern_adamw_opts adam = { .lr = lr, .beta1 = o->beta1, .beta2 = o->beta2, .eps = o->eps,
                                   .weight_decay = o->weight_decay, .step = step };
    switch (o->kind) {
    case TERN_OPTIMISER_ADAMW: tern_adamw(ctx, blocks, scale, adam); break;
    case TERN_OPTIMISER_ADAM: tern_adam(ctx, blocks, scale, adam); break;
    case TERN_OPTIMISER_SGD:
        tern_sgd(ctx, blocks, scale,
                 (tern_sgd_opts){ .lr = lr, .momentum = o->momentum, .nesterov = o->nesterov,
                                  .weight_decay = o->weight_decay });
        break;
    }
}

void tern_optimiser_step(tern_ctx *ctx, const tern_optimiser *o, double lr, int64_t step)
{
    const tern_param_blocks *blocks = tern_blocks(ctx);
    tern_tensor *scale = NULL;
    if (o->clip > 0)
        tern_grad_norm(ctx, blocks->grad, &scale, (tern_grad_norm_opts){ .max_norm = o->clip });
    update(ctx, o, scale, lr, step);
    if (o->ema > 0) {
        tern_ema_opts ema = { fmin(o->ema, (1 + (double)step) / (10 + (double)step)) };
        tern_ema(ctx, blocks->average, blocks->value, ema);
        tern_ema(ctx, blocks->state_average, blocks->state, ema);
    }
}

const char *tern_optimiser_memory(const tern_optimiser *o, int which)
{
    if (o->kind == TERN_OPTIMISER_SGD)
        return which == 1 && o->momentum != 0 ? "momentum_buffer" : NULL;
    return which == 1 ? "exp_avg" : "exp_avg_sq";
}
