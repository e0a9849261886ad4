/* What implementations on ref have in common. */
#ifndef TERN_KERNELS_REF_GRAD_H
#define TERN_KERNELS_REF_GRAD_H

#include "core/op.h"

#include <string.h>

/* The gradient of an input, to be added to: zeroed where it is to be overwritten.  NULL
 * where none is wanted. */
static inline double *tern_ref_grad(const tern_call *call, int input)
{
    tern_tensor *grad = call->grad_in[input];
    if (!grad)
        return NULL;
    if (!call->accumulate[input] && grad->count > 0)
        memset(grad->data, 0, (size_t)grad->count * sizeof(double));
    return grad->data;
}

#endif
