/* Is what a row computes right?  Its outputs and gradients against the float64 loops of ref.
 *
 * For each tensor, in the Euclidean norm over its elements,
 *
 *     |found - ref| <= 8 sqrt(K) (eps |ref| + |moved - ref|)
 *
 * eps = 2^-24; K is how many products are added up for an element, by the contract; moved is
 * ref once more, each real number that goes into forward, and that goes from it to backward,
 * moved by eps times a normal deviate: what rounding alone does to this function.  Of gradients
 * the worst element in a hundred thousand is left out: a float32 near a kink (relu's zero) may
 * lie on its other side.
 *
 * Where that is more than a twentieth of the norm (a recurrence that runs away), a comparison
 * would say nothing, and the problem is not checked, which is an error.
 *
 * Where ref would need too long, an op that sums products is checked on a part of the first
 * axis of its first input; others are not checked, which is an error.
 */
#ifndef TERN_BENCH_SUITE_CHECK_H
#define TERN_BENCH_SUITE_CHECK_H

#include "bench/suite/suite.h"

typedef struct bench_value {
    int64_t count; /* of ref's elements; 0: there is none */
    double *values;
    double allowed; /* norm of what may differ */
    bool is_gradient;
} bench_value;

typedef struct bench_reference {
    bench_value output[TERN_MAX_SAVED], changed[TERN_MAX_ARGS], gradient[TERN_MAX_ARGS];
    int64_t rows, first, part; /* checked: [first, first + part) of so many along axis 0 */
} bench_reference;

/* The part of axis 0, of so many rows, that is compared where a run counts so many FLOPs: less
 * than 1 where ref would need too long for all of it; 0 and an error if it would for any. */
double bench_checked_part(const tern_op *op, int64_t rows, double flops, tern_error *error);

/* What ref makes of the problem and of the outputs' gradients that the rows of that pass draw;
 * any row of them, open.  ref's context is prepared as the settings say, since a plugin may bring
 * the op.  `flops` of the row tell how long ref would take. */
bool bench_reference_make(bench_reference *reference, const bench_settings *settings,
                          const tern_problem *problem, const bench_row *row, tern_error *error);
void bench_reference_free(bench_reference *reference);

/* --- compare.c: errors as parts of what is allowed; more than 1 is wrong, NaN too --- */

/* Runs the row once on the reference's problem, which it was just given, and compares. */
double bench_reference_compare(const bench_reference *reference, bench_row *row);

/* What a peer is given (bench/process/peer.h): the problem's inputs, and what flows back
 * through the outputs that the row has; of a part (reference not NULL), only through that.  */
bool bench_peer_files_write(const char *path, const tern_problem *problem, const bench_row *row,
                            const bench_reference *reference, tern_error *error);

/* What it handed back, beside what the row's outputs and gradients should be.  An error if the
 * file is none, or something is missing. */
double bench_reference_compare_file(const bench_reference *reference, const bench_row *row,
                                    const char *path, tern_error *error);

/* --- of check.c, for compare.c --- */

/* As doubles, whatever the tensor holds; NULL and an error in ctx without memory. */
double *bench_read_values(tern_ctx *ctx, const tern_tensor *tensor);

/* Norm of a - b; of a gradient without its few largest differences. */
double bench_distance_of(const double *a, const double *b, int64_t count, bool is_gradient);

#endif
