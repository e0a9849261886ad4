/* The forward pass that the recurrent ops on cpu share: all input projections in one
 * product, then the slices of the batch through time.  An op brings its number of gates, its
 * bias and the formula that turns a step's sums into h.
 *
 * 1. projected[valid, gates*H] = x w_ih' + bias, one GEMM over all steps.
 * 2. w_hh is packed (sequence_weights.h), so that each step streams it in order from L2:
 *    for each block of hidden units its gates side by side.
 * 3. A step multiplies the rows' h by a block's panel and hands the sums to the formula:
 *
 *        sums[row][gate][lane] = h w_hh'   ->   i f g o   ->   c, h
 *
 * A batch of one is bound by L2's bandwidth, 256 KiB of w_hh a step for lstm at H = 128; so
 * a slice that is the only one shares the blocks of each step among the threads.
 * sequence_batch.h tells of the compact order of steps and of slices.
 */
#ifndef TERN_KERNELS_SEQUENCE_FORWARD_H
#define TERN_KERNELS_SEQUENCE_FORWARD_H

#include "kernels/lstm/sequence_batch.h"

/* Where one row's step reads and writes. */
typedef struct sequence_row {
    float *projected;      /* [gates*H], room for 4H                    */
    const float *h_before; /* [blocks * lanes]                          */
    float *c;              /* [H] the running cell, NULL if there is none */
    float *cell;           /* [H] c kept for backward, or NULL          */
    float *y;              /* [H]                                       */
    float *h;              /* [blocks * lanes] h for the next step      */
} sequence_row;

typedef struct sequence_forward sequence_forward;

/* From the sums [gates][lanes] of one block of hidden units to its h. */
typedef void (*sequence_gates)(const sequence_forward *pass, int64_t block, const float *sums,
                               const sequence_row *at);

struct sequence_forward {
    const tern_call *call;
    int64_t gates;
    sequence_gates formula;
    sequence_batch batch;

    float *projected;         /* [valid, projected_stride]: the op's own, or the workspace's */
    int64_t projected_stride; /* gates*H, or what the op gave                                */
    float *c, *cells;         /* [N,H] running cells, [valid,H] kept ones; NULL: none        */

    float *x_room;  /* [valid, I] */
    float *bias;    /* [gates*H], for the op to fill */
    float *packed;  /* [blocks][H][gate][lane]       */
    float *scratch; /* [threads][scratch_floats]     */
    int64_t scratch_floats;
    void *gemm_scratch;
};

/* Room for the pass.  Beforehand set call, gates and formula; projected and its stride
 * if gates are kept for backward; afterwards c, cells and bias. */
void TERN_LEVEL(tern_sequence_forward_take)(sequence_forward *pass, bool reverse,
                                       tern_workspace *workspace);
/* tern_impl.packs: both matrices. */
uint32_t TERN_LEVEL(tern_sequence_forward_packs)(const tern_call *call);
/* Lengths are read and y and h_n written.  call is that of pass. */
void TERN_LEVEL(tern_sequence_forward_run)(sequence_forward *pass, tern_call *call);

#endif
