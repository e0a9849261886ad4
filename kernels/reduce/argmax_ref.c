/* argmax on ref: plain loops in float64, the specification. */
#include "kernels/reduce/argmax.h"

#include <math.h>

static void argmax_forward(tern_call *call)
{
    const argmax_view view = tern_argmax_view(call);
    const double *x = call->in[0]->data;
    int32_t *y = call->out[0]->data;

    for (int64_t outer = 0; outer < view.outer; outer++)
        for (int64_t inner = 0; inner < view.inner; inner++) {
            const double *first = x + outer * view.extent * view.inner + inner;
            int64_t best = 0;
            for (int64_t i = 1; i < view.extent; i++) {
                double value = first[i * view.inner], so_far = first[best * view.inner];
                if (value > so_far || (isnan(value) && !isnan(so_far)))
                    best = i;
            }
            y[outer * view.inner + inner] = (int32_t)best;
        }
}

const tern_impl tern_argmax_ref = {
    .op = "argmax", .backend = "ref", .provider = "hand",
    .forward = argmax_forward,
};
