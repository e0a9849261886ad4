/* One op on one problem by one provider, run again and again through the public API.
 *
 * A run is a step of its own with one application of the op.  Before its clock starts the
 * step's memory is filled with NaN, a few elements of each input change places, so that no
 * run repeats the one before, and the caches are warmed by nothing else but the run before
 * (hot) or emptied (cold).
 *
 * Errors end in row->ctx; nothing here prints or exits.
 */
#ifndef TERN_BENCH_SUITE_ROW_H
#define TERN_BENCH_SUITE_ROW_H

#include "core/rng.h"
#include "kernels/problem.h"

typedef enum bench_pass {
    BENCH_FORWARD,  /* in training, but nothing recorded for backward      */
    BENCH_BACKWARD, /* all gradients, after a forward that is not timed    */
    BENCH_BOTH,     /* a recorded forward and its backward, timed together */
    /* Of whole models: */
    BENCH_INFER,    /* the logits of one row */
    BENCH_TRAIN     /* a training step       */
} bench_pass;

typedef struct bench_row {
    const tern_problem *problem;
    bench_pass pass;
    tern_ctx *ctx;                          /* the caller's                         */
    tern_tensor *inputs[TERN_MAX_ARGS];     /* kept, so that a run uploads none     */
    float *grad_output[TERN_MAX_SAVED];     /* NULL: none flows through that output */
    tern_tensor *outputs[TERN_MAX_SAVED];   /* of the last run                      */
    double flops, bytes;                    /* of what is timed, by the contract    */
    double executed;                        /* FLOPs of this implementation         */
    tern_rng rng;                           /* of the places that change            */
    uint32_t runs;
} bench_row;

/* Upload the inputs, draw the outputs' gradients.  gradients: the inputs that want one,
 * "weight,bias"; NULL: all that can. */
void bench_row_open(bench_row *row, tern_ctx *ctx, const tern_problem *problem, bench_pass pass,
                    const char *gradients);
void bench_row_close(bench_row *row);

/* Other values for all inputs: those of a problem of the same shapes. */
void bench_row_give(bench_row *row, const tern_problem *problem);

/* One run; `before` is called right before the clock starts (to empty the caches), with
 * `user`; may be NULL.  Returns seconds. */
double bench_row_run(bench_row *row, void (*before)(void *user), void *user);

/* Did the last run leave part of a real output or gradient unwritten? */
bool bench_row_left_out(bench_row *row);

#endif
