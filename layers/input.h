/* What a layer is given: the rank of its input, and the mask of what counts in it.
 *
 * A mask is u8, 1 = valid, over the first axes of x, any number but the last: of images
 * or spectrograms x [N,H,W,C], a mask [N] marks whole samples, [N,H] rows or time steps.
 */
#ifndef TERN_LAYERS_INPUT_H
#define TERN_LAYERS_INPUT_H

#include "core/context.h"

/* False, and an error that shows `what` ("x [N,T,D]"), unless x is there and has `least`
 * to `most` axes.  For layers that read x's shape themselves; ops check their inputs. */
bool tern_input_has_axes(tern_ctx *ctx, const tern_tensor *x, int least, int most,
                         const char *what);

/* x where the mask is 1 and zero elsewhere, be it NaN there; x itself without a mask. */
tern_tensor *tern_zero_masked(tern_ctx *ctx, tern_tensor *x, tern_tensor *mask);

/* The mask of x [N,...,C] as one row of positions for each sample, [N,P], P the product
 * of the axes between; NULL without a mask. */
tern_tensor *tern_mask_positions(tern_ctx *ctx, const tern_tensor *x, tern_tensor *mask);

#endif
