/* where on cuda, float32: the walk over the output and, for the gradients of what was
 * repeated, sums (broadcast.cuh). */
#include "kernels/elementwise/where.h"

#include "kernels/elementwise/broadcast.cuh"

enum { CONDITION, A, B, OPERANDS };

struct choice_term {
    const uint8_t *condition;
    const float *a, *b;

    __device__ float operator()(int64_t, const int64_t *at) const
    {
        return condition[at[1 + CONDITION]] ? a[at[1 + A]] : b[at[1 + B]];
    }
};

/* What a (or b) gets of the gradient of y. */
struct gradient_term {
    const uint8_t *condition;
    const float *g;
    bool of_a;

    __device__ float operator()(int64_t, const int64_t *at) const
    {
        return (condition[at[1 + CONDITION]] != 0) == of_a ? g[at[0]] : 0;
    }
};

static void where_forward(tern_call *call)
{
    const choice_term term = { static_cast<const uint8_t *>(call->in[CONDITION]->data),
                               static_cast<const float *>(call->in[A]->data),
                               static_cast<const float *>(call->in[B]->data) };
    tern_walk(call, "where", call->in, OPERANDS, term, static_cast<float *>(call->out[0]->data),
              false);
}

static bool is_summed(const tern_call *call, int which)
{
    return call->grad_in[which] && call->in[which]->count != call->out[0]->count;
}

static size_t backward_bytes(const tern_call *call)
{
    size_t most = 0;
    for (int which = A; which <= B; which++)
        if (is_summed(call, which)) {
            size_t bytes = tern_broadcast_sum_bytes(call, call->in, OPERANDS, which);
            most = bytes > most ? bytes : most;
        }
    return most;
}

static void where_backward(tern_call *call)
{
    for (int which = A; which <= B; which++) {
        if (!call->grad_in[which])
            continue;
        const gradient_term term = { static_cast<const uint8_t *>(call->in[CONDITION]->data),
                                     static_cast<const float *>(call->grad_out[0]->data),
                                     which == A };
        float *grad = static_cast<float *>(call->grad_in[which]->data);
        const char *name = which == A ? "where_a" : "where_b";
        if (is_summed(call, which))
            tern_broadcast_sum(call, name, call->in, OPERANDS, which, term, grad,
                               call->accumulate[which]);
        else
            tern_walk(call, name, call->in, OPERANDS, term, grad, call->accumulate[which]);
    }
}

TERN_CUDA_IMPL_WITH(where, where_forward, where_backward, NULL, backward_bytes)
