/* Activations that ops fuse: what backward needs, and plain float64 for the ref backends. */
#include "kernels/elementwise/activation.h"

#include <math.h>

const char *const tern_activation_names[] = { "none", "relu", "gelu", "sigmoid", "tanh", NULL };

void tern_declare_activated(tern_call *call, tern_activation activation, int rank,
                            const int64_t *shape)
{
    tern_declare_out(call, 0, call->in[0]->dtype, rank, shape);
    if (activation == TERN_ACT_GELU)
        tern_declare_saved(call, 0, call->in[0]->dtype, rank, shape);
    call->is_restorable = activation == TERN_ACT_GELU;
    call->out_is_unread[0] = activation == TERN_ACT_GELU || activation == TERN_ACT_NONE;
}

double tern_activate_ref(tern_activation activation, double x)
{
    switch (activation) {
    case TERN_ACT_RELU: return x < 0 ? 0 : x; /* keeps NaN */
    case TERN_ACT_GELU: return 0.5 * x * erfc(-x * 0.70710678118654752440);
    case TERN_ACT_SIGMOID: return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
    case TERN_ACT_TANH: return tanh(x);
    case TERN_ACT_NONE: break;
    }
    return x;
}

void tern_activation_restore_ref(tern_call *call)
{
    const double *before = call->saved[0]->data;
    double *y = call->out[0]->data;
    for (int64_t i = 0; i < call->out[0]->count; i++)
        y[i] = tern_activate_ref(TERN_ACT_GELU, before[i]);
}

double tern_activation_slope_ref(tern_activation activation, double kept)
{
    switch (activation) {
    case TERN_ACT_RELU: return kept > 0 ? 1 : 0;
    case TERN_ACT_GELU:
        return 0.5 * erfc(-kept * 0.70710678118654752440) +
               kept * 0.39894228040143267794 * exp(-0.5 * kept * kept);
    case TERN_ACT_SIGMOID: return kept * (1 - kept);
    case TERN_ACT_TANH: return 1 - kept * kept;
    case TERN_ACT_NONE: break;
    }
    return 1;
}
