/* Activations as ops of their own; linear and conv2d can apply some of them to their
 * result for less memory traffic.
 *
 *               y                               slope dy/dx
 *   relu        max(x, 0)                       1 if x > 0, else 0
 *   leaky_relu  x if x > 0, else slope * x      1 if x > 0, else slope
 *   gelu        x * Phi(x)                      Phi(x) + x * phi(x)
 *    tanh form  x/2 (1 + tanh(u)),
 *               u = sqrt(2/pi) (x + 0.044715 x^3)
 *   silu        x * s(x), s = sigmoid           s + x * s * (1 - s)
 *   sigmoid     1 / (1 + exp(-x))               y * (1 - y)
 *   tanh        (exp(2x) - 1) / (exp(2x) + 1)   1 - y^2
 *   softplus    log(1 + exp(b x)) / b, and      sigmoid(b x), and
 *               x where b x > threshold         1 where b x > threshold
 *
 *   x      any shape
 *   -> y   the same
 *
 * Phi and phi are the normal distribution and its density, by erf (Hendrycks and Gimpel
 * 2016, arXiv:1606.08415, as is the tanh form).  NaN stays NaN.  Backward reads y for
 * relu, sigmoid and tanh, and x for the others.  Error bounds of the float32 functions
 * stand in core/smath.h.
 */
#ifndef TERN_KERNELS_ELEMENTWISE_ACTIVATION_OPS_H
#define TERN_KERNELS_ELEMENTWISE_ACTIVATION_OPS_H

#include "core/context.h"
#include "core/op.h"
#include "kernels/elementwise/activation.h"

extern const tern_op tern_op_relu, tern_op_leaky_relu, tern_op_gelu, tern_op_silu,
    tern_op_sigmoid, tern_op_tanh, tern_op_softplus;

tern_tensor *tern_relu(tern_ctx *ctx, tern_tensor *x);
tern_tensor *tern_silu(tern_ctx *ctx, tern_tensor *x);
tern_tensor *tern_sigmoid(tern_ctx *ctx, tern_tensor *x);
tern_tensor *tern_tanh(tern_ctx *ctx, tern_tensor *x);

typedef struct tern_leaky_relu_opts {
    double slope; /* of negative x; default 0.01 (for a slope of 0 there is relu) */
} tern_leaky_relu_opts;

tern_tensor *tern_leaky_relu(tern_ctx *ctx, tern_tensor *x, tern_leaky_relu_opts opts);

typedef enum tern_gelu_form { TERN_GELU_EXACT, TERN_GELU_TANH } tern_gelu_form;

typedef struct tern_gelu_opts {
    int approximate; /* a tern_gelu_form; default exact */
} tern_gelu_opts;

tern_tensor *tern_gelu(tern_ctx *ctx, tern_tensor *x, tern_gelu_opts opts);

typedef struct tern_softplus_opts {
    double beta;      /* sharpness; default 1                                       */
    double threshold; /* of beta * x, from which on y = x; default 20 (0 stands for
                         the default)                                               */
} tern_softplus_opts;

tern_tensor *tern_softplus(tern_ctx *ctx, tern_tensor *x, tern_softplus_opts opts);

/* The one that linear and conv2d would fuse, for what cannot; x itself for TERN_ACT_NONE. */
tern_tensor *tern_activate(tern_ctx *ctx, tern_tensor *x, tern_activation activation);

#endif
