/* What layer_norm and add_layer_norm share on cpu. */
#ifndef TERN_KERNELS_LAYER_NORM_CPU_H
#define TERN_KERNELS_LAYER_NORM_CPU_H

#include "core/simd.h"
#include "core/threads.h"
#include "core/tiles.h"
#include "kernels/layer_norm/layer_norm.h"

typedef struct layer_norm_task {
    const float *x, *residual, *gain, *bias; /* all but x may be NULL             */
    float *sum;                              /* x + residual where there is one   */
    float *y, *mean, *rstd;                  /* mean and rstd are NULL in inference */
    const float *grad_y, *grad_sum; /* backward, in which x is the sum; no sum: NULL */
    float *grad_x, *grad_residual, *grad_gain, *grad_bias, *partial; /* NULL when not wanted */
    bool accumulate_x, accumulate_residual, accumulate_gain, accumulate_bias;
    double eps;
    int64_t width;   /* both found by the functions below */
    tern_tiles rows;
} layer_norm_task;

void TERN_LEVEL(tern_layer_norm_forward)(const tern_call *call, layer_norm_task *task);
/* The call's workspace is what tern_layer_norm_workspace says if gradients of gain or
 * bias are wanted. */
void TERN_LEVEL(tern_layer_norm_backward)(const tern_call *call, layer_norm_task *task);
size_t TERN_LEVEL(tern_layer_norm_workspace)(const tern_tensor *x);

#endif
