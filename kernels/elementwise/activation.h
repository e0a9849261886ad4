/* Activations that other ops fuse into their epilogue (linear, conv2d). */
#ifndef TERN_KERNELS_ELEMENTWISE_ACTIVATION_H
#define TERN_KERNELS_ELEMENTWISE_ACTIVATION_H

#include <stdbool.h>

typedef enum tern_activation {
    TERN_ACT_NONE,
    TERN_ACT_RELU,
    TERN_ACT_GELU, /* exact: x * Phi(x), Phi by erf (PyTorch's default) */
    TERN_ACT_SIGMOID,
    TERN_ACT_TANH
} tern_activation;

/* NULL-terminated, indexed by tern_activation, for option tables. */
extern const char *const tern_activation_names[];

/* relu, sigmoid and tanh find their derivative from the output; gelu needs the
 * value before the activation to be saved. */
static inline bool tern_activation_saves_input(tern_activation activation)
{
    return activation == TERN_ACT_GELU;
}

/* float64, for ref backends: the activation, and dy/dx from x (gelu) and y. */
double tern_activate_ref(tern_activation activation, double x);
double tern_activation_slope_ref(tern_activation activation, double x, double y);

#endif
