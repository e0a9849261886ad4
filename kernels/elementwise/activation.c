/* Activations in plain float64, for the ref backends of ops that fuse them. */
#include "kernels/elementwise/activation.h"

#include <math.h>
#include <stddef.h>

const char *const tern_activation_names[] = { "none", "relu", "gelu", "sigmoid", "tanh", NULL };

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

double tern_activation_slope_ref(tern_activation activation, double x, double y)
{
    switch (activation) {
    case TERN_ACT_RELU: return y > 0 ? 1 : 0;
    case TERN_ACT_GELU:
        return 0.5 * erfc(-x * 0.70710678118654752440) +
               x * 0.39894228040143267794 * exp(-0.5 * x * x);
    case TERN_ACT_SIGMOID: return y * (1 - y);
    case TERN_ACT_TANH: return 1 - y * y;
    case TERN_ACT_NONE: break;
    }
    return 1;
}
