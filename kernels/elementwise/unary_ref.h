/* Functions of one tensor on ref: a loop over its elements in float64. */
#ifndef TERN_KERNELS_ELEMENTWISE_UNARY_REF_H
#define TERN_KERNELS_ELEMENTWISE_UNARY_REF_H

#include "core/op.h"

/* y from x; and x's gradient from y's and from x or y, whichever the contract lets
 * backward read.  An op with options has the functions that get them. */
typedef struct tern_unary_ref {
    double (*value)(double x);
    double (*gradient)(double grad_y, double known);
    double (*value_with)(double x, const void *options);
    double (*gradient_with)(double grad_y, double known, const void *options);
} tern_unary_ref;

static inline void tern_unary_ref_forward(tern_call *call, const tern_unary_ref *op)
{
    const double *x = call->in[0]->data;
    double *y = call->out[0]->data;

    for (int64_t i = 0; i < call->in[0]->count; i++)
        y[i] = op->value ? op->value(x[i]) : op->value_with(x[i], call->options);
}

static inline void tern_unary_ref_backward(tern_call *call, const tern_unary_ref *op)
{
    const double *x = call->in[0]->data, *y = call->out[0]->data; /* NULL if not needed */
    const double *grad_y = call->grad_out[0]->data;
    double *grad_x = call->grad_in[0]->data;

    for (int64_t i = 0; i < call->in[0]->count; i++) {
        double known = x ? x[i] : y ? y[i] : 0;
        double grad = op->gradient ? op->gradient(grad_y[i], known)
                                   : op->gradient_with(grad_y[i], known, call->options);
        grad_x[i] = (call->accumulate[0] ? grad_x[i] : 0) + grad;
    }
}

#endif
