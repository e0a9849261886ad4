#include "kernels/masked_mean/masked_steps.h"

void tern_masked_steps_shape(tern_call *call)
{
    const tern_tensor *x = call->in[0], *mask = call->in[1];
    char xt[TERN_SHAPE_TEXT], mt[TERN_SHAPE_TEXT];

    if (x->rank != 3) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x %s must be [N,T,D]", tern_shape_text(x, xt));
        return;
    }
    if (mask && (mask->rank != 2 || mask->shape[0] != x->shape[0] ||
                 mask->shape[1] != x->shape[1])) {
        tern_call_fail(call, TERN_ERR_SHAPE, "mask %s must be [N,T] of x %s",
                       tern_shape_text(mask, mt), tern_shape_text(x, xt));
        return;
    }
    tern_declare_out(call, 0, x->dtype, 2, (int64_t[]){ x->shape[0], x->shape[2] });
}
