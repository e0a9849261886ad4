/* Modality dropout over streams of features: which modalities a sample has, and in
 * training some of them hidden.  It has no parameters, so it is a function; formulas and a
 * drawing are in the op's header, kernels/modality_dropout/modality_dropout.h.
 *
 *   masks  m = 0 .. M-1: u8 [N,T_m]  ->  the same, zero where hidden; present; count
 *
 * Features stay as they are: what follows looks at the masks, as it must anyway for
 * modalities that are missing in the data.  Applied between encoders and fusion, each
 * encoder still learns from all its samples (its batch norms see them, and so does a loss
 * of its own), and the fusion learns to do without any of them.
 */
#ifndef TERN_LAYERS_MODALITY_DROPOUT_H
#define TERN_LAYERS_MODALITY_DROPOUT_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_modalities {
    tern_tensor *mask[TERN_MAX_ARGS]; /* u8 [N,T_m] each                    */
    tern_tensor *present;             /* u8 [N,M]: has row n a step of m?   */
    tern_tensor *count;               /* [N,1]: how many modalities it has  */
} tern_modalities;

/* p: the chance of each to be hidden in training; 0 or less, and outside training: none.
 * TERN_ERR_OPTION if there are more than TERN_MAX_ARGS modalities, or p is above 1. */
tern_modalities tern_drop_modalities(tern_ctx *ctx, tern_tensor *const *masks, int count,
                                     double p);

#endif
