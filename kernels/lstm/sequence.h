/* What the recurrent ops (lstm, gru) have in common: the weights of a direction, lengths,
 * and the checks of their inputs' shapes. */
#ifndef TERN_KERNELS_SEQUENCE_H
#define TERN_KERNELS_SEQUENCE_H

#include "core/op.h"

/* Of one layer in one direction, G gates (4 for LSTM, 3 for GRU). */
typedef struct tern_recurrent_weights {
    tern_tensor *w_ih, *w_hh; /* [G*H, I], [G*H, H]       */
    tern_tensor *b_ih, *b_hh; /* [G*H] each, may be NULL  */
} tern_recurrent_weights;

/* The valid steps of row n: lengths[n] clamped to 0..steps, or all without lengths. */
static inline int64_t tern_sequence_length(const tern_tensor *lengths, int64_t steps, int64_t n)
{
    int64_t length = lengths ? ((const int32_t *)lengths->data)[n] : steps;
    return length < 0 ? 0 : length > steps ? steps : length;
}

/* False and an error unless an input that is there has the wanted shape, [rows] or
 * [rows,columns]; `why` names the extents: "4H,I". */
bool tern_sequence_check_shape(tern_call *call, int input, int rank, int64_t rows,
                               int64_t columns, const char *why);

#endif
