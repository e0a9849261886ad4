/* add and mul on ref: one loop over the output in float64, the specification. */
#include "kernels/elementwise/binary.h"

#include "kernels/elementwise/broadcast.h"

static void add_forward(tern_call *call)
{
    const double *a = call->in[0]->data, *b = call->in[1]->data;
    double *y = call->out[0]->data;

    for (int64_t i = 0; i < call->out[0]->count; i++)
        y[i] = a[tern_broadcast_index(call->out[0], call->in[0], i)] +
               b[tern_broadcast_index(call->out[0], call->in[1], i)];
}

static void mul_forward(tern_call *call)
{
    const double *a = call->in[0]->data, *b = call->in[1]->data;
    double *y = call->out[0]->data;

    for (int64_t i = 0; i < call->out[0]->count; i++)
        y[i] = a[tern_broadcast_index(call->out[0], call->in[0], i)] *
               b[tern_broadcast_index(call->out[0], call->in[1], i)];
}

/* The gradient of input `which` is the sum over all places it was repeated to. */
static void binary_backward(tern_call *call, int which, bool multiply)
{
    const tern_tensor *out = call->out[0], *own = call->in[which], *other = call->in[1 - which];
    const double *grad_y = call->grad_out[0]->data, *factor = other->data;
    double *grad = call->grad_in[which]->data;

    for (int64_t i = 0; i < own->count && !call->accumulate[which]; i++)
        grad[i] = 0;
    for (int64_t i = 0; i < out->count; i++) {
        double slope = multiply ? factor[tern_broadcast_index(out, other, i)] : 1;
        grad[tern_broadcast_index(out, own, i)] += grad_y[i] * slope;
    }
}

static void add_backward(tern_call *call)
{
    for (int which = 0; which < 2; which++)
        if (call->grad_in[which])
            binary_backward(call, which, false);
}

static void mul_backward(tern_call *call)
{
    for (int which = 0; which < 2; which++)
        if (call->grad_in[which])
            binary_backward(call, which, true);
}

const tern_impl tern_add_ref = {
    .op = "add", .backend = "ref", .provider = "hand",
    .forward = add_forward, .backward = add_backward,
};

const tern_impl tern_mul_ref = {
    .op = "mul", .backend = "ref", .provider = "hand",
    .forward = mul_forward, .backward = mul_backward,
};
