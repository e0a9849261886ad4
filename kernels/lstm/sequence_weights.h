/* The recurrent matrix in the order in which the recurrent ops (lstm, gru) read it: for
 * each block of hidden units the columns of its gates side by side, so that a step streams
 * through memory:
 *
 *     w_hh [gates*H, H]  ->  packed[block][k][gate][lane]      lanes beyond H are zero
 */
#ifndef TERN_KERNELS_SEQUENCE_WEIGHTS_H
#define TERN_KERNELS_SEQUENCE_WEIGHTS_H

#include "core/packing.h"
#include "core/transpose.h"
#include "kernels/lstm/sequence_batch.h"

typedef struct sequence_weights {
    const float *w_hh;
    int64_t gates, hidden;
    float *packed;
} sequence_weights;

static inline int64_t sequence_packed_floats(const sequence_batch *batch, int64_t gates)
{
    return batch->blocks * batch->hidden * gates * TERN_LANES;
}

static inline void sequence_pack_block(void *argument, int64_t block, int worker)
{
    const sequence_weights *weights = argument;
    int64_t hidden = weights->hidden, pitch = weights->gates * TERN_LANES;
    int64_t left = hidden - block * TERN_LANES, width = left < TERN_LANES ? left : TERN_LANES;
    (void)worker;

    for (int64_t gate = 0; gate < weights->gates; gate++) {
        const float *rows = weights->w_hh + (gate * hidden + block * TERN_LANES) * hidden;
        float *column = weights->packed + block * hidden * pitch + gate * TERN_LANES;
        int64_t k = 0;
        for (; width == TERN_LANES && k + TERN_LANES <= hidden; k += TERN_LANES)
            tern_transpose_square(rows + k, hidden, column + k * pitch, pitch);
        for (; k < hidden; k++)
            for (int64_t lane = 0; lane < TERN_LANES; lane++)
                column[k * pitch + lane] = lane < width ? rows[lane * hidden + k] : 0;
    }
}

/* The packed matrix of an input: made in `room`, or kept by inference, which needs no room;
 * NULL after an error. */
static inline float *sequence_packed_weight(tern_call *call, int input,
                                            const sequence_batch *batch, int64_t gates,
                                            float *room)
{
    bool stale = true;
    sequence_weights weights = { call->in[input]->data, gates, batch->hidden, room };
    if (tern_packing_is_kept(call, input))
        weights.packed = tern_packing(
            call, input, "recurrent blocks",
            (size_t)sequence_packed_floats(batch, gates) * sizeof(float), &stale);
    if (weights.packed && stale)
        tern_parallel(tern_ctx_pool(call->ctx), batch->blocks, sequence_pack_block, &weights);
    return weights.packed;
}

#endif
