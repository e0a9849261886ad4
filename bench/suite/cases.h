/* What is timed: an op on inputs of given shapes, or a whole model.
 *
 * Cases come from the op table's samples or from the command line, there with letters
 * instead of sizes, each of which goes through a list of values:
 *
 *     --inputs 'a=[M,K] b=[K,N]'  --shape M=1:128:x2,K=512,N=512
 *
 * Without inputs of its own a sweep changes an op's first benchmark sample: its letters are
 * those with which the contract names the axes ("[N, H, W, I]"); a size that the contract
 * makes of letters and options ("4H", "heads*D", "I/groups") follows them.
 */
#ifndef TERN_BENCH_SUITE_CASES_H
#define TERN_BENCH_SUITE_CASES_H

#include "core/op.h"

struct bench_model;

typedef struct bench_case {
    const tern_op *op;               /* NULL: a whole model */
    const struct bench_model *model; /* NULL: an op         */
    char *inputs, *options; /* as in a tern_sample */
    char *axes;             /* "M=1 K=512", of a sweep; else "" */
    /* Of a whole model, of the ops of a model's step or of a recorded run: */
    bool has_pass;
    int pass;        /* a bench_pass: the only one in which it was used               */
    char *gradients; /* of backward: the inputs that wanted one, "weight,bias"; NULL: all */
    double count;    /* how often; 1 for all others                                   */
} bench_case;

typedef struct bench_cases {
    bench_case *of;
    int count;
} bench_cases;

/* One letter's values: "M=1:128:x2" (times 2 up to 128), "M=8:32:+8", "M=7", several with
 * commas: "M=1,7,31".  Without "M=" every letter of the op. */
enum { BENCH_AXIS_VALUES = 64, BENCH_AXES = 8 };
typedef struct bench_axis {
    char name[16]; /* empty: all letters, which then have the same value */
    int count;
    int64_t values[BENCH_AXIS_VALUES];
} bench_axis;

typedef struct bench_axes {
    int count;
    bench_axis axes[BENCH_AXES];
} bench_axes;

/* All axes of "M=1:128:x2,K=512,N=256,512". */
bool bench_axes_parse(bench_axes *sweep, const char *text, tern_error *error);

/* Of the op, or of the model. */
const char *bench_case_name(const bench_case *of);

/* Takes the case's texts over; false, and they are freed, if one is NULL or there is no
 * memory. */
bool bench_cases_take(bench_cases *cases, bench_case made, tern_error *error);

/* All benchmark samples of the op. */
bool bench_cases_add_samples(bench_cases *cases, const tern_op *op, tern_error *error);

/* The op on given inputs and options.  inputs NULL: those of its first benchmark sample,
 * and its options, to which the given ones are added.  Letters are swept, the last axis the
 * fastest. */
bool bench_cases_add(bench_cases *cases, const tern_op *op, const char *inputs,
                     const char *options, const bench_axes *sweep, tern_error *error);

/* --- used_cases.c: problems that were used, with how often each was --- */

/* The ops of one training step of a model (bench/workload). */
bool bench_cases_add_model(bench_cases *cases, const struct bench_model *model, tern_error *error);

/* The model itself: a BENCH_INFER of one row, or a BENCH_TRAIN of a whole batch. */
bool bench_cases_add_whole_model(bench_cases *cases, const struct bench_model *model, int pass,
                                 tern_error *error);

/* Of a file of `tern profile --save-shapes`. */
bool bench_cases_add_file(bench_cases *cases, const char *path, tern_error *error);

void bench_cases_remove(bench_cases *cases, int index);
void bench_cases_free(bench_cases *cases);

/* --- letters.c --- */

/* The inputs of a sample with letters where the contract has them.  Only those in `sweep`
 * become letters (all of them if it has an axis without a name); sizes that depend on them
 * are written as the contract writes them, with options put in: "4*H", "D*8".  NULL and an
 * error if a letter is none of the op's.  The caller frees it. */
char *bench_letters(const tern_op *op, const char *inputs, const char *options,
                    const bench_axes *sweep, tern_error *error);

/* "a=[M,2*K]" with values for the letters: "a=[16,128]".  Unknown letters are an error, as
 * are sizes that do not come out even.  The caller frees it. */
typedef struct bench_letter {
    const char *name;
    int64_t value;
} bench_letter;
char *bench_put_in(const char *inputs, const bench_letter *letters, int count,
                   tern_error *error);

#endif
