/* Modality dropout (ModDrop: Neverova et al. 2015, arXiv:1501.00102): in training whole
 * modalities of a sample are hidden at random, so that a model learns to do without any
 * of them.  And, always, which modalities each sample has.
 *
 *   mask_m     [N, T_m]  u8, m = 0 .. M-1, 1 to 16 of them: the valid steps of modality m
 *   -> y       [N, T_0 + T_1 + ...]  u8, the masks side by side, zero where hidden
 *   -> present [N, M]    u8, has row n a valid step of modality m, after hiding?
 *   -> count   [N, 1]    how many modalities row n is left with
 *
 *               mask_0        mask_1      u         p = 0.5                    present count
 *   row 0     1 1 1 1 0     1 1 0       .8 .3   -> 1 1 1 1 0  0 0 0              1 0     1
 *   row 1     1 1 0 0 0     1 1 1       .1 .4   -> 0 0 0 0 0  1 1 1              0 1     1
 *   row 2     0 0 0 0 0     1 0 0       .9 .2   -> 0 0 0 0 0  1 0 0              0 1     1
 *
 * In training a modality that is there is hidden if u[n,m] < p; but if none would be left,
 * the one with the largest u stays (rows 1 and 2), the first of equals.  u[n,m], uniform in
 * [0,1), is element n*M + m of the call's Philox stream (core/rng.h), the same on every
 * backend.  Nothing is scaled: what is hidden is missing, as it may be in the data.
 *
 * No gradient flows through it.
 * Cost: no FLOPs; the masks are copied.
 * Errors: TERN_ERR_SHAPE if a mask has not two axes or the N differ; TERN_ERR_OPTION
 * unless 0 <= p <= 1.
 */
#ifndef TERN_KERNELS_MODALITY_DROPOUT_H
#define TERN_KERNELS_MODALITY_DROPOUT_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_modality_dropout_opts {
    double p; /* chance of a modality to be hidden; default 0 */
} tern_modality_dropout_opts;

/* Positions of the op's outputs. */
enum {
    TERN_MODALITY_DROPOUT_Y, TERN_MODALITY_DROPOUT_PRESENT, TERN_MODALITY_DROPOUT_COUNT,
    TERN_MODALITY_DROPOUT_OUTPUTS
};

extern const tern_op tern_op_modality_dropout;

/* Returns y; present and count may be NULL. */
tern_tensor *tern_modality_dropout(tern_ctx *ctx, tern_tensor *const *masks, int modalities,
                                   tern_tensor **present, tern_tensor **count,
                                   tern_modality_dropout_opts opts);

#endif
