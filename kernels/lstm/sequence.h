/* What the recurrent ops (lstm, gru) have in common: the weights of a direction, lengths,
 * the shape rule and the cost. */
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

/* The inputs, outputs and saved tensors that both begin with. */
enum {
    TERN_SEQUENCE_X, TERN_SEQUENCE_W_IH, TERN_SEQUENCE_W_HH, TERN_SEQUENCE_B_IH,
    TERN_SEQUENCE_B_HH, TERN_SEQUENCE_LENGTHS, TERN_SEQUENCE_H0
};
enum { TERN_SEQUENCE_Y, TERN_SEQUENCE_H_N };
enum { TERN_SEQUENCE_GATES };

/* Check these inputs and declare these outputs of a cell of `gates` gates; false after an
 * error. */
bool tern_sequence_shape(tern_call *call, int64_t gates);
/* The same for one more state [N,H], if it is there. */
bool tern_sequence_check_state(tern_call *call, int input);
/* Products with w_ih and w_hh. */
void tern_sequence_cost(const tern_call *call, tern_cost *forward, tern_cost *backward);

#endif
