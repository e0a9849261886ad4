/* x of batch_norm as a matrix of rows and channels, and which rows count. */
#ifndef TERN_KERNELS_BATCH_NORM_ROWS_H
#define TERN_KERNELS_BATCH_NORM_ROWS_H

#include "kernels/batch_norm/batch_norm.h"

/* Indices of the inputs. */
enum { BN_X, BN_GAIN, BN_BIAS, BN_RUNNING_MEAN, BN_RUNNING_VAR, BN_MASK };

typedef struct batch_norm_rows {
    int64_t rows, channels;
    const uint8_t *mask; /* one value for each `group` rows; NULL: all rows count */
    int64_t group;
} batch_norm_rows;

static inline batch_norm_rows batch_norm_rows_of(const tern_call *call)
{
    const tern_tensor *x = call->in[BN_X], *mask = call->in[BN_MASK];
    batch_norm_rows result = { .rows = tern_extent(x, 0, x->rank - 1),
                               .channels = x->shape[x->rank - 1], .group = 1 };
    if (mask) {
        result.mask = mask->data;
        result.group = tern_extent(x, mask->rank, x->rank - 1);
    }
    return result;
}

static inline bool batch_norm_row_counts(const batch_norm_rows *rows, int64_t row)
{
    return !rows->mask || rows->mask[row / rows->group];
}

static inline int64_t batch_norm_valid_rows(const batch_norm_rows *rows)
{
    int64_t valid = 0;
    if (!rows->mask || rows->group == 0)
        return rows->rows;
    for (int64_t i = 0; i < rows->rows / rows->group; i++)
        valid += rows->mask[i] != 0;
    return valid * rows->group;
}

#endif
