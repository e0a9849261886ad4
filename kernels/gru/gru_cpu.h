/* What the forward and backward of gru on cpu share; kernels/lstm/sequence_batch.h
 * tells of the compact order of steps and of slices.  The saved gates [valid,4H] are
 * compact. */
#ifndef TERN_KERNELS_GRU_CPU_H
#define TERN_KERNELS_GRU_CPU_H

#include "kernels/gru/gru.h"
#include "kernels/lstm/sequence_batch.h"

static inline sequence_batch gru_batch_take(const tern_call *call, tern_workspace *workspace)
{
    const tern_gru_opts *opts = call->options;
    return sequence_batch_take(call->in[TERN_GRU_X], call->in[TERN_GRU_W_HH]->shape[1],
                               opts->reverse, workspace);
}

void TERN_LEVEL(tern_gru_backward)(tern_call *call);
size_t TERN_LEVEL(tern_gru_backward_workspace)(const tern_call *call);

#endif
