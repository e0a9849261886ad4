/* What the forward and backward of lstm on cpu share; sequence_batch.h tells of the
 * compact order of steps and of slices.  The saved gates [valid,4H] and cells [valid,H]
 * are compact. */
#ifndef TERN_KERNELS_LSTM_CPU_H
#define TERN_KERNELS_LSTM_CPU_H

#include "kernels/lstm/lstm.h"
#include "kernels/lstm/sequence_batch.h"

static inline sequence_batch lstm_batch_take(const tern_call *call, tern_workspace *workspace)
{
    const tern_lstm_opts *opts = call->options;
    return sequence_batch_take(call->in[TERN_LSTM_X], call->in[TERN_LSTM_W_HH]->shape[1],
                               opts->reverse, workspace);
}

void TERN_LEVEL(tern_lstm_backward)(tern_call *call);
size_t TERN_LEVEL(tern_lstm_backward_workspace)(const tern_call *call);

#endif
