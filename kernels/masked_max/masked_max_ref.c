/* masked_max on ref: plain loops in float64, the specification. */
#include "kernels/masked_max/masked_max.h"

#include "kernels/masked_mean/masked_steps.h"

#include <math.h>

static double value_at(const tern_call *call, int64_t n, int64_t t, int64_t d)
{
    const tern_tensor *x = call->in[0];
    return ((const double *)x->data)[(n * x->shape[1] + t) * x->shape[2] + d];
}

/* 0 if no step is valid. */
static double largest(const tern_call *call, int64_t n, int64_t d)
{
    double best = 0;
    bool any = false;
    for (int64_t t = 0; t < call->in[0]->shape[1]; t++) {
        if (!tern_step_is_valid(call, n, t))
            continue;
        double value = value_at(call, n, t, d);
        if (!any || value > best || isnan(value))
            best = value;
        any = true;
    }
    return best;
}

static void masked_max_forward(tern_call *call)
{
    double *y = call->out[0]->data;
    int64_t clips = call->in[0]->shape[0], dim = call->in[0]->shape[2];

    for (int64_t n = 0; n < clips; n++)
        for (int64_t d = 0; d < dim; d++)
            y[n * dim + d] = largest(call, n, d);
}

/* dx = dy / number of valid x equal to y, where x is one of them. */
static void masked_max_backward(tern_call *call)
{
    const double *grad_y = call->grad_out[0]->data;
    double *grad_x = call->grad_in[0]->data;
    int64_t clips = call->in[0]->shape[0], steps = call->in[0]->shape[1];
    int64_t dim = call->in[0]->shape[2];

    for (int64_t n = 0; n < clips; n++)
        for (int64_t d = 0; d < dim; d++) {
            double best = largest(call, n, d), equals = 0;
            for (int64_t t = 0; t < steps; t++)
                equals += tern_step_is_valid(call, n, t) && value_at(call, n, t, d) == best;
            for (int64_t t = 0; t < steps; t++) {
                int64_t at = (n * steps + t) * dim + d;
                double grad = 0, before = call->accumulate[0] ? grad_x[at] : 0;
                if (tern_step_is_valid(call, n, t))
                    grad = (value_at(call, n, t, d) == best ? grad_y[n * dim + d] : 0) / equals;
                grad_x[at] = before + grad;
            }
        }
}

const tern_impl tern_masked_max_ref = {
    .op = "masked_max", .backend = "ref", .provider = "hand",
    .forward = masked_max_forward, .backward = masked_max_backward,
};
