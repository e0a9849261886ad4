/* Activations that other ops fuse into their epilogue (linear, conv2d). */
#ifndef TERN_KERNELS_ELEMENTWISE_ACTIVATION_H
#define TERN_KERNELS_ELEMENTWISE_ACTIVATION_H

#include "core/op.h"

typedef enum tern_activation {
    TERN_ACT_NONE,
    TERN_ACT_RELU,
    TERN_ACT_GELU, /* exact: x * Phi(x), Phi by erf (PyTorch's default) */
    TERN_ACT_SIGMOID,
    TERN_ACT_TANH
} tern_activation;

/* NULL-terminated, indexed by tern_activation, for option tables. */
extern const char *const tern_activation_names[];

/* What backward finds the derivative from, `kept`: the output, but of gelu the value before
 * the activation, which is saved, and of none nothing.
 *
 * For shape rules: declares output 0 of that shape, what is saved, and what need not be kept. */
void tern_declare_activated(tern_call *call, tern_activation activation, int rank,
                            const int64_t *shape);
/* For backward: NULL for none. */
static inline const void *tern_activation_kept(const tern_call *call)
{
    return call->saved[0] ? call->saved[0]->data : call->out[0]->data;
}

/* Output 0 once more from what was saved, on ref; on cpu see activation_cpu.h. */
void tern_activation_restore_ref(tern_call *call);

/* float64, for ref backends: the activation, and its derivative. */
double tern_activate_ref(tern_activation activation, double x);
double tern_activation_slope_ref(tern_activation activation, double kept);

#endif
