/* sgd on ref: the formula, element by element. */
#include "kernels/sgd/sgd.h"

static void sgd_forward(tern_call *call)
{
    const tern_sgd_opts *opts = call->options;
    double *value = call->in[SGD_VALUE]->data;
    const double *grad = call->in[SGD_GRAD]->data;
    double *velocity = opts->momentum != 0 ? call->in[SGD_VELOCITY]->data : NULL;
    double scale = call->in[SGD_SCALE] ? *(const double *)call->in[SGD_SCALE]->data : 1;

    for (int64_t i = 0; i < call->in[SGD_VALUE]->count; i++) {
        double g = scale * grad[i] + opts->weight_decay * value[i];
        double step = g;
        if (velocity) {
            velocity[i] = opts->momentum * velocity[i] + g;
            step = opts->nesterov ? g + opts->momentum * velocity[i] : velocity[i];
        }
        value[i] -= opts->lr * step;
    }
}

const tern_impl tern_sgd_ref = {
    .op = "sgd", .backend = "ref", .provider = "hand",
    .forward = sgd_forward,
};
