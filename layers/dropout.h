/* Dropout as layers have it: only in training, and only if there is something to drop.
 * It has no parameters, so it is a function; the op is kernels/elementwise/dropout.h.
 */
#ifndef TERN_LAYERS_DROPOUT_H
#define TERN_LAYERS_DROPOUT_H

#include "core/context.h"

/* In training x with a share p of its elements dropped and the others scaled up; x itself
 * otherwise, and if p is 0 or less.  TERN_ERR_OPTION if p is above 1. */
tern_tensor *tern_drop(tern_ctx *ctx, tern_tensor *x, double p);

#endif
