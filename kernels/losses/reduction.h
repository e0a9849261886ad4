/* What a loss makes of its terms: one number, or each term by itself.
 *
 *   mean   sum of the terms over what their weights come to; each loss says what
 *          that is, as PyTorch's differ.  Weights that come to 0 give 0, never NaN
 *   sum    sum of the terms
 *   none   the terms, one for each element or row
 */
#ifndef TERN_KERNELS_LOSSES_REDUCTION_H
#define TERN_KERNELS_LOSSES_REDUCTION_H

typedef enum tern_reduction {
    TERN_REDUCE_MEAN,
    TERN_REDUCE_SUM,
    TERN_REDUCE_NONE
} tern_reduction;

/* The choices of an option of this type; NULL at the end. */
static const char *const tern_reduction_names[] = { "mean", "sum", "none", 0 };

#endif
