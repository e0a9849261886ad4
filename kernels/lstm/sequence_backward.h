/* The backward pass that the recurrent ops on cpu share: the slices of the batch back
 * through time, then the products over all steps.  An op brings its number of gates and the
 * formula that turns the gradient of h[t] into those of the step's sums.
 *
 * 1. Each slice of the batch runs back through time.  A step turns the gradient of h (and
 *    of c, if there are cells) into those of the sums before the gates, and multiplies them
 *    by w_hh to give the step before its gradient of h:
 *
 *        dh, dc   ->   d_hidden[row][gates*H]   ->   dh of the step before = d_hidden w_hh
 *
 *    The sums' gradients and h[t-1] are kept for all steps, in compact order
 *    (sequence_batch.h).
 * 2. All that sums over steps is GEMM afterwards:
 *        grad w_ih = d_input' x   grad w_hh = d_hidden' h[t-1]   grad x = d_input w_ih
 *
 * d_hidden is the gradient of h w_hh' + b_hh, d_input that of x w_ih' + b_ih: the same, where
 * the two are added before anything else is done with them, as in lstm.
 */
#ifndef TERN_KERNELS_SEQUENCE_BACKWARD_H
#define TERN_KERNELS_SEQUENCE_BACKWARD_H

#include "kernels/lstm/sequence_batch.h"

/* Where one row's step reads and writes; [H] each unless said. */
typedef struct sequence_row_back {
    const float *gates;           /* [4H] as forward kept them                 */
    const float *cell, *c_before; /* c[t], c[t-1]; without cells NULL            */
    const float *h_before;        /* h[t-1], kept for the products over steps    */
    const float *grad_y;
    float *dh, *dc;  /* [blocks * lanes] running gradients                       */
    float *d_hidden; /* [gates*H] for this step's product                        */
    float *d_input;  /* [gates*H] for the products over steps                    */
} sequence_row_back;

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

    int64_t panels;             /* of w_hh's columns, to hold H                        */
    float *packed;              /* [panels][gates*H][columns of a panel]               */
    float *d_hidden, *d_input;  /* [valid, gates*H]                                    */
    float *h_before;            /* [valid, H]                                          */
    float *x_room;              /* [valid, I]                                          */
    float *grad_x;              /* [valid, I], if there are lengths                    */
    float *scratch;             /* [threads][scratch_floats], for a slice              */
    int64_t scratch_floats;
    void *gemm_scratch;
};

/* Room for the pass.  Beforehand set call, gates, formula, and what else comes before batch. */
void TERN_LEVEL(tern_sequence_backward_take)(sequence_backward *pass, bool reverse,
                                             tern_workspace *workspace);
/* Lengths are read and all gradients written that are wanted. */
void TERN_LEVEL(tern_sequence_backward_run)(sequence_backward *pass);

#endif
