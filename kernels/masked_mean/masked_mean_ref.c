/* masked_mean on ref: plain loops in float64, the specification. */
#include "kernels/masked_mean/masked_mean.h"

#include "kernels/masked_mean/masked_steps.h"

/* 1 / number of valid steps, 0 if there are none. */
static double weight_of_step(const tern_call *call, int64_t n)
{
    int64_t valid = 0;
    for (int64_t t = 0; t < call->in[0]->shape[1]; t++)
        valid += tern_step_is_valid(call, n, t);
    return valid > 0 ? 1.0 / (double)valid : 0;
}

static void masked_mean_forward(tern_call *call)
{
    const double *x = call->in[0]->data;
    double *y = call->out[0]->data;
    int64_t clips = call->in[0]->shape[0], steps = call->in[0]->shape[1];
    int64_t dim = call->in[0]->shape[2];

    for (int64_t n = 0; n < clips; n++)
        for (int64_t d = 0; d < dim; d++) {
            double sum = 0;
            for (int64_t t = 0; t < steps; t++)
                if (tern_step_is_valid(call, n, t))
                    sum += x[(n * steps + t) * dim + d];
            y[n * dim + d] = sum * weight_of_step(call, n);
        }
}

static void masked_mean_backward(tern_call *call)
{
    const double *grad_y = call->grad_out[0]->data;
    double *grad_x = call->grad_in[0]->data;
    int64_t clips = call->in[0]->shape[0], steps = call->in[0]->shape[1];
    int64_t dim = call->in[0]->shape[2];

    for (int64_t n = 0; n < clips; n++) {
        double weight = weight_of_step(call, n);
        for (int64_t t = 0; t < steps; t++)
            for (int64_t d = 0; d < dim; d++) {
                double grad = tern_step_is_valid(call, n, t) ? weight * grad_y[n * dim + d] : 0;
                double before = call->accumulate[0] ? grad_x[(n * steps + t) * dim + d] : 0;
                grad_x[(n * steps + t) * dim + d] = before + grad;
            }
    }
}

const tern_impl tern_masked_mean_ref = {
    .op = "masked_mean", .backend = "ref", .provider = "hand",
    .forward = masked_mean_forward, .backward = masked_mean_backward,
};
