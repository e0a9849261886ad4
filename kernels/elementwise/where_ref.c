/* where on ref: one loop over the output in float64, the specification. */
#include "kernels/elementwise/broadcast.h"
#include "kernels/elementwise/where.h"

enum { CONDITION, A, B }; /* inputs */

static bool chooses_a(const tern_call *call, int64_t at)
{
    const uint8_t *condition = call->in[CONDITION]->data;
    return condition[tern_broadcast_index(call->out[0], call->in[CONDITION], at)] != 0;
}

static void where_forward(tern_call *call)
{
    double *y = call->out[0]->data;

    for (int64_t i = 0; i < call->out[0]->count; i++) {
        const tern_tensor *chosen = call->in[chooses_a(call, i) ? A : B];
        y[i] = ((const double *)chosen->data)[tern_broadcast_index(call->out[0], chosen, i)];
    }
}

/* The gradient of an input is the sum over all places where it was chosen. */
static void gradient_of(tern_call *call, int which)
{
    const tern_tensor *own = call->in[which];
    const double *grad_y = call->grad_out[0]->data;
    double *grad = call->grad_in[which]->data;

    for (int64_t i = 0; i < own->count && !call->accumulate[which]; i++)
        grad[i] = 0;
    for (int64_t i = 0; i < call->out[0]->count; i++)
        if (chooses_a(call, i) == (which == A))
            grad[tern_broadcast_index(call->out[0], own, i)] += grad_y[i];
}

static void where_backward(tern_call *call)
{
    for (int which = A; which <= B; which++)
        if (call->grad_in[which])
            gradient_of(call, which);
}

const tern_impl tern_where_ref = {
    .op = "where", .backend = "ref", .provider = "hand",
    .forward = where_forward, .backward = where_backward,
};
