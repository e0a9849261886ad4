/* Folding the elements that are reduced to one, for *_cpu.c files. */
#ifndef TERN_KERNELS_REDUCE_FOLD_H
#define TERN_KERNELS_REDUCE_FOLD_H

#include "core/simd.h"
#include "kernels/reduce/reduce_view.h"

typedef enum fold_kind {
    FOLD_SUM,     /* sum of x                                       */
    FOLD_MAX,     /* largest x, NaN if there is one                 */
    FOLD_SQUARES, /* sum of (x - center)^2                          */
    FOLD_EQUALS   /* number of x that equal the center              */
} fold_kind;

/* to[o] = scale * fold of the x[i] that are reduced to o.
 *   center     one for each output, of the last two kinds
 *   workspace  as many bytes as tern_reduce_fold_bytes says */
void TERN_LEVEL(tern_reduce_fold)(tern_ctx *ctx, const reduce_view *view, fold_kind kind,
                                  const float *x, const float *center, float scale, float *to,
                                  void *workspace);
size_t TERN_LEVEL(tern_reduce_fold_bytes)(const reduce_view *view);

#endif
