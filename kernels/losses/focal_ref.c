/* focal on ref: row by row in float64, the specification. */
#include "kernels/losses/focal.h"

#include <math.h>

static double row_weight(const tern_call *call, int64_t i)
{
    return call->in[3] ? ((const double *)call->in[3]->data)[i] : 1;
}

/* The row's term with its weights; what backward needs of it if saved is there. */
static double row_term(const tern_call *call, int64_t i)
{
    const tern_focal_opts *opts = call->options;
    int64_t classes = call->in[0]->shape[1];
    const double *z = (const double *)call->in[0]->data + i * classes;
    int32_t target = ((const int32_t *)call->in[1]->data)[i];
    double weight = row_weight(call, i), largest = -INFINITY, others = 0, slope;

    if (call->in[2])
        weight *= ((const double *)call->in[2]->data)[target];
    for (int64_t c = 0; c < classes; c++)
        largest = fmax(largest, z[c]);
    /* The others by themselves: 1 - p would lose the digits of what is left of 1. */
    for (int64_t c = 0; c < classes; c++)
        others += c == target ? 0 : exp(z[c] - largest);
    double sum = others + exp(z[target] - largest);
    double log_p = z[target] == largest ? -log1p(others) : z[target] - largest - log(sum);
    double term = tern_focal_term(log_p, others / sum, opts->gamma, &slope);
    if (call->saved[0]) {
        ((double *)call->saved[0]->data)[i] = largest;
        ((double *)call->saved[1]->data)[i] = 1 / sum;
        ((double *)call->saved[2]->data)[i] = weight * slope;
    }
    return weight * term;
}

static void focal_forward(tern_call *call)
{
    const tern_focal_opts *opts = call->options;
    double *loss = call->out[0]->data, sum = 0, divisor = 0;

    if (!tern_focal_targets_fit(call))
        return;
    for (int64_t i = 0; i < call->in[0]->shape[0]; i++) {
        double term = row_weight(call, i) != 0 ? row_term(call, i) : 0;
        if (opts->reduction == TERN_REDUCE_NONE)
            loss[i] = term;
        sum += term;
        divisor += row_weight(call, i);
    }
    if (opts->reduction != TERN_REDUCE_MEAN)
        divisor = 1;
    if (opts->reduction != TERN_REDUCE_NONE)
        *loss = divisor != 0 ? sum / divisor : 0;
    if (call->saved[3])
        *(double *)call->saved[3]->data = divisor;
}

/* d log p[t] / d logits[k] = (1 at k = t) - p[k] */
static void focal_backward(tern_call *call)
{
    const tern_focal_opts *opts = call->options;
    const double *logits = call->in[0]->data, *grad_loss = call->grad_out[0]->data;
    const int32_t *target = call->in[1]->data;
    const double *row_max = call->saved[0]->data, *inverse_sum = call->saved[1]->data;
    const double *slope = call->saved[2]->data;
    double divisor = *(const double *)call->saved[3]->data, *grad = call->grad_in[0]->data;
    int64_t classes = call->in[0]->shape[1];
    bool none = opts->reduction == TERN_REDUCE_NONE;

    for (int64_t i = 0; i < call->in[0]->shape[0]; i++) {
        bool counts = divisor != 0 && row_weight(call, i) != 0;
        double scale = counts ? grad_loss[none ? i : 0] / divisor * slope[i] : 0;
        for (int64_t k = 0; k < classes; k++) {
            int64_t at = i * classes + k;
            double value = 0;
            if (counts)
                value = scale * ((k == target[i]) - exp(logits[at] - row_max[i]) * inverse_sum[i]);
            grad[at] = (call->accumulate[0] ? grad[at] : 0) + value;
        }
    }
}

const tern_impl tern_focal_ref = {
    .op = "focal", .backend = "ref", .provider = "hand",
    .forward = focal_forward, .backward = focal_backward,
};
