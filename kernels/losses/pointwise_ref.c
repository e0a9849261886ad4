/* mse, l1, huber and bce_with_logits on ref: the specification. */
#include "kernels/losses/pointwise.h"

#include "kernels/elementwise/activation.h"

#include <math.h>

/* log(1 + exp(x)), neither overflowing nor losing what is small. */
static double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double term(tern_pointwise kind, double x, double target, double pos_weight, double delta)
{
    double d = x - target;
    switch (kind) {
    case POINTWISE_MSE: return d * d;
    case POINTWISE_L1: return fabs(d);
    case POINTWISE_HUBER: return fabs(d) <= delta ? d * d / 2 : delta * (fabs(d) - delta / 2);
    case POINTWISE_BCE: break;
    }
    return pos_weight * target * softplus(-x) + (1 - target) * softplus(x);
}

static double slope_of_x(tern_pointwise kind, double x, double target, double pos_weight,
                         double delta)
{
    double d = x - target;
    switch (kind) {
    case POINTWISE_MSE: return 2 * d;
    case POINTWISE_L1: return (d > 0) - (d < 0);
    case POINTWISE_HUBER: return fmax(-delta, fmin(d, delta));
    case POINTWISE_BCE: break;
    }
    return (1 - target) * tern_activate_ref(TERN_ACT_SIGMOID, x) -
           pos_weight * target * tern_activate_ref(TERN_ACT_SIGMOID, -x);
}

static double slope_of_target(tern_pointwise kind, double x, double target, double pos_weight,
                              double delta)
{
    if (kind == POINTWISE_BCE)
        return pos_weight * softplus(-x) - softplus(x);
    return -slope_of_x(kind, x, target, pos_weight, delta);
}

static double pos_weight_at(const tern_call *call, int64_t i)
{
    const tern_tensor *vector = call->inputs > LOSS_POS_WEIGHT ? call->in[LOSS_POS_WEIGHT] : NULL;
    return vector ? ((const double *)vector->data)[i % vector->count] : 1;
}

static double weight_at(const tern_call *call, int64_t i)
{
    const tern_tensor *weight = call->in[LOSS_WEIGHT];
    return weight ? ((const double *)weight->data)[i] : 1;
}

static void forward(tern_call *call, tern_pointwise kind)
{
    const tern_loss_opts *opts = call->options;
    const double *x = call->in[LOSS_X]->data, *target = call->in[LOSS_TARGET]->data;
    double *loss = call->out[0]->data, sum = 0, divisor = 0;
    bool none = opts->reduction == TERN_REDUCE_NONE;

    for (int64_t i = 0; i < call->in[LOSS_X]->count; i++) {
        double value = weight_at(call, i) *
                       term(kind, x[i], target[i], pos_weight_at(call, i), opts->delta);
        if (none)
            loss[i] = value;
        sum += value;
        divisor += tern_pointwise_divides_by_weights(kind) ? weight_at(call, i) : 1;
    }
    if (opts->reduction != TERN_REDUCE_MEAN)
        divisor = 1;
    if (!none)
        *loss = divisor != 0 ? sum / divisor : 0;
    if (call->saved[0])
        *(double *)call->saved[0]->data = divisor;
}

static void backward(tern_call *call, tern_pointwise kind)
{
    const tern_loss_opts *opts = call->options;
    const double *x = call->in[LOSS_X]->data, *target = call->in[LOSS_TARGET]->data;
    const double *grad_loss = call->grad_out[0]->data;
    double divisor = *(const double *)call->saved[0]->data;
    double *grad_x = call->grad_in[LOSS_X] ? call->grad_in[LOSS_X]->data : NULL;
    double *grad_target = call->grad_in[LOSS_TARGET] ? call->grad_in[LOSS_TARGET]->data : NULL;
    bool none = opts->reduction == TERN_REDUCE_NONE;

    for (int64_t i = 0; i < call->in[LOSS_X]->count; i++) {
        double upstream = divisor != 0 ? grad_loss[none ? i : 0] / divisor : 0;
        double scale = upstream * weight_at(call, i), pos_weight = pos_weight_at(call, i);
        if (grad_x)
            grad_x[i] = (call->accumulate[LOSS_X] ? grad_x[i] : 0) +
                        scale * slope_of_x(kind, x[i], target[i], pos_weight, opts->delta);
        if (grad_target)
            grad_target[i] = (call->accumulate[LOSS_TARGET] ? grad_target[i] : 0) +
                             scale * slope_of_target(kind, x[i], target[i], pos_weight,
                                                     opts->delta);
    }
}

static void mse_forward(tern_call *call) { forward(call, POINTWISE_MSE); }
static void mse_backward(tern_call *call) { backward(call, POINTWISE_MSE); }

const tern_impl tern_mse_ref = {
    .op = "mse", .backend = "ref", .provider = "hand",
    .forward = mse_forward, .backward = mse_backward,
};

static void l1_forward(tern_call *call) { forward(call, POINTWISE_L1); }
static void l1_backward(tern_call *call) { backward(call, POINTWISE_L1); }

const tern_impl tern_l1_ref = {
    .op = "l1", .backend = "ref", .provider = "hand",
    .forward = l1_forward, .backward = l1_backward,
};

static void huber_forward(tern_call *call) { forward(call, POINTWISE_HUBER); }
static void huber_backward(tern_call *call) { backward(call, POINTWISE_HUBER); }

const tern_impl tern_huber_ref = {
    .op = "huber", .backend = "ref", .provider = "hand",
    .forward = huber_forward, .backward = huber_backward,
};

static void bce_forward(tern_call *call) { forward(call, POINTWISE_BCE); }
static void bce_backward(tern_call *call) { backward(call, POINTWISE_BCE); }

const tern_impl tern_bce_with_logits_ref = {
    .op = "bce_with_logits", .backend = "ref", .provider = "hand",
    .forward = bce_forward, .backward = bce_backward,
};
