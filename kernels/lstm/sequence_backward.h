/* The backward pass that the recurrent ops on cpu share.  An op brings its number of gates
 * and the formula that turns the gradient of h[t] into those of the step's sums.
 *
 * It goes back through time in chunks of some steps of all rows:
 * 1. The slices of the batch (sequence_batch.h) run through the chunk's steps.  A step turns
 *    the gradient of h (and of c, if there are cells) into those of the sums before the gates,
 *    and multiplies them by w_hh to give the step before its gradient of h:
 *
 *        dh, dc   ->   d_hidden[row][gates*H]   ->   dh of the step before = d_hidden w_hh
 *
 *    The sums' gradients, h[t-1] and x of the chunk's steps are kept, without padding.
 * 2. All that sums over steps is GEMM, while they are still in the cache:
 *        grad w_ih += d_input' x   grad w_hh += d_hidden' h[t-1]   grad x = d_input w_ih
 *
 * d_hidden is the gradient of h w_hh' + b_hh, d_input that of x w_ih' + b_ih: the same, where
 * the two are added before anything else is done with them, as in lstm.
 */
#ifndef TERN_KERNELS_SEQUENCE_BACKWARD_H
#define TERN_KERNELS_SEQUENCE_BACKWARD_H

#include "kernels/lstm/sequence_batch.h"

/* w_hh is packed in panels of a register tile's columns. */
enum { SEQUENCE_PANEL = 4 * TERN_LANES };

/* Where one row's step reads and writes; [H] each unless said. */
typedef struct sequence_row_back {
    const float *gates;           /* [4H] as forward kept them                   */
    const float *cell, *c_before; /* c[t], c[t-1]; without cells NULL            */
    const float *h_before;        /* h[t-1], kept for the products over steps    */
    const float *grad_y;
    float *dh, *dc;  /* [blocks * lanes] running gradients                       */
    float *d_hidden; /* [gates*H] for this step's product                        */
    float *d_input;  /* [gates*H] for the products over steps                    */
} sequence_row_back;

/* Steps [step, end) of all rows; their valid ones are numbered row by row. */
typedef struct sequence_chunk {
    int64_t step, end, valid;
    bool is_first;  /* back through time; the others' products add to its own     */
    int64_t *first; /* [N] number that the row's position 0 has, or would have    */
} sequence_chunk;

typedef struct sequence_backward sequence_backward;

/* For one block of hidden units: dh, dc and grad_y to d_hidden, and to d_input if that is
 * apart.  It leaves in dc the gradient of c[t-1], and in dh what of that of h[t-1] does not
 * come through w_hh. */
typedef void (*sequence_gates_back)(const sequence_backward *pass, int64_t block,
                                    const sequence_row_back *at);

struct sequence_backward {
    const tern_call *call;
    int64_t gates;
    sequence_gates_back formula;
    bool passes_h_on;         /* dh has a part that does not come through w_hh         */
    bool input_apart;         /* d_input is not d_hidden, and written by the formula   */
    const tern_tensor *cells; /* [valid,H] as forward kept them; NULL: none            */
    int c0, c_n;              /* with cells, positions of that input and output        */
    sequence_batch batch;

    int64_t panels; /* of w_hh's columns, to hold H          */
    float *packed;  /* [panels][gates*H][SEQUENCE_PANEL]     */

    sequence_chunk chunk;         /* the one in work, with what its products are of: */
    float *d_hidden, *d_input;    /* [valid, gates*H]                                */
    float *h_before, *x, *grad_x; /* [valid, H], [valid, I], [valid, I]              */
    void *gemm_scratch;

    float *dh, *dc; /* [N][panels * SEQUENCE_PANEL], [N][blocks * lanes], in batch.order */
    float *bias_hidden, *bias_input; /* [slices][gates*H] sums of d_hidden and d_input   */
    float *scratch;                  /* [threads][scratch_floats], a step's d_hidden     */
    int64_t scratch_floats;
};

/* Room for the pass.  Beforehand set call, gates, formula, and what else comes before batch. */
void TERN_LEVEL(tern_sequence_backward_take)(sequence_backward *pass, bool reverse,
                                             tern_workspace *workspace);
/* Lengths are read and all gradients written that are wanted. */
void TERN_LEVEL(tern_sequence_backward_run)(sequence_backward *pass);

/* The chunk's steps of a slice: a task of the pass. */
void TERN_LEVEL(tern_sequence_backward_slice)(void *argument, int64_t number, int worker);

/* A row's positions in the chunk, which are side by side. */
static inline int64_t sequence_chunk_positions(const sequence_backward *pass, int64_t length,
                                               int64_t *begin)
{
    const sequence_chunk *chunk = &pass->chunk;
    int64_t end = length < chunk->end ? length : chunk->end, count = end - chunk->step;
    *begin = pass->batch.reverse ? length - end : chunk->step;
    return count > 0 ? count : 0;
}

static inline void sequence_add(float *total, const float *from, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        total[i] += from[i];
}

#endif
