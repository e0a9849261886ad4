/* The different problems that a run's ops worked on: shapes, options, which pass, how often.
 *
 * Two calls are of one problem if op, pass and provider, the shapes of all inputs, the
 * options and the gradients that were asked for are the same.  An op that changes its inputs
 * (an optimiser) is called with other numbers in each step, so of such the options do not
 * count: those of the first call are kept.
 */
#ifndef TERN_BENCH_PROFILE_PROBLEMS_H
#define TERN_BENCH_PROFILE_PROBLEMS_H

#include "core/observer.h"

/* From 64-bit hashes to numbers from 0 on.  Keys are taken to be different where hashes are:
 * of a million, two are equal once in 40 million runs. */
typedef struct profile_index {
    uint64_t *keys;
    int *numbers; /* -1: empty */
    int count, capacity;
} profile_index;

/* The number of a key, or -1. */
int profile_index_find(const profile_index *index, uint64_t key);
bool profile_index_add(profile_index *index, uint64_t key, int number);
void profile_index_free(profile_index *index);

/* FNV-1a, a word at a time. */
uint64_t profile_hash(uint64_t hash, const void *bytes, size_t size);
#define PROFILE_HASH_START 0xCBF29CE484222325u

typedef struct profile_problem {
    const tern_op *op;
    tern_pass pass;
    char provider[32];
    char *inputs;    /* "x=[16,32,32,64] weight=[128,3,3,64] bias=[128]", as a tern_sample's */
    char *options;   /* "stride=2,2 activation=relu"                                  */
    char *gradients; /* backward: the inputs whose gradients were asked for, "weight,bias" */
    bool at_most;    /* the cost counts gradients that were not asked for             */
    tern_cost cost;  /* of one call; bytes of the tensors where the contract names none */
    int64_t calls;
} profile_problem;

typedef struct profile_problems {
    profile_problem *seen;
    int count, capacity;
    profile_index index;
} profile_problems;

/* The number of the call's problem, a new one if it was not seen before; -1 without memory. */
uint64_t profile_problem_key(const tern_observed_op *op);
int profile_problems_note(profile_problems *problems, const tern_observed_op *op, uint64_t key);
void profile_problems_free(profile_problems *problems);

/* "fwd", "bwd", "restore" */
const char *profile_pass_name(tern_pass pass);

/* Write the problems of forward and backward passes as JSON that a benchmark can replay:
 *
 *   {"format": "tern shapes 1", "model": ..., "steps": N,
 *    "problems": [{"op": "conv2d", "inputs": "x=[16,32,32,64] weight=[128,3,3,64]",
 *                  "options": "stride=2,2", "pass": "fwd", "count": 120}, ...]}
 *
 * inputs and options are written as those of an op's samples (core/op.h); indices carry the
 * range of their values, {0..511}.  pass is fwd or bwd, count the calls in the whole run,
 * most often called first.  A bwd problem has "gradients" too: the inputs, with commas
 * between them, of which the gradient was computed. */
bool profile_problems_save(const profile_problems *problems, const char *path, const char *model,
                         int64_t steps, tern_error *error);

#endif
