/* A program that times problems of `tern bench` in a process of its own: another framework,
 * or tern itself (`tern bench serve`), whose whole models are timed so.
 *
 * It reads a line of JSON and answers with one, again and again; what else it has to say goes
 * to its error output.
 *
 *   {"do": "start", "protocol": 1, "threads": 2, "simd": "avx2"}
 *       simd: only for tern.  {"about": "PyTorch 2.15.0, oneDNN: AVX-512", "cold": "..."}
 *       about: what a reader wants to know of it; cold: how it empties the caches, left
 *       out if it cannot.
 *
 *   {"do": "open", "op": "conv2d", "options": "pad=1,1", "pass": "fwd", "inputs": FILE}
 *       a problem of an op: the contract (`tern ops conv2d`) says what options and inputs mean.
 *       FILE is a safetensors file with one array for each input, and, of passes "bwd" and
 *       "both", grad_output.NAME for each output's gradient; "gradients": ["x", "bias"] lists
 *       the inputs that want one.
 *   {"do": "open", "model": "cnn", "pass": "train", "batch": FILE, "weights": FILE,
 *    "dropout": 0.1}
 *       a whole model (bench/workload): "infer" of the batch's first row, or "train", a step
 *       on the whole batch with AdamW.  The weights are a state dict; the batch's metadata says
 *       lr, weight_decay and clip, and what else a model of that name needs.  Dropout is that
 *       of timed training steps.
 *       {}, or {"cannot": "why"}: that problem is left out.
 *
 *   {"do": "check", "inputs": FILE, "into": PATH}          of an op: other inputs, as above
 *   {"do": "check", "batch": FILE, "into": PATH}           of a model: another batch
 *       Compute once, from these values and the first weights, without dropout.  {} when
 *       these files are written:
 *       PATH.results.safetensors   of an op: output.NAME, changed.NAME (inputs that it
 *           changes), gradient.NAME.  Of "infer": logits [1,C].  Of "train": losses [5] of
 *           five steps from the first weights, and logits [N,C] of the batch after them.
 *       PATH.first.safetensors     of "train": optimizer.exp_avg.NAME of each parameter,
 *           AdamW's first moments after the first step, a tenth of its (clipped) gradients
 *       PATH.trained.safetensors   of "train": the state dict after five steps
 *       What is timed next begins with the first weights and the first inputs again.
 *
 *   {"do": "run", "count": 3, "warm_up_seconds": 0.002, "cold": false}
 *       Run untimed at least once and for so long, then `count` times, each by the clock.
 *       Between runs of an op a few elements of each input change places; "cold": all that the
 *       run reads or writes is flushed from the caches before each timed one.
 *       {"seconds": [0.1, 0.1, 0.1], "left_out": 0, "memory_growth": 1234, "allocations": 0}
 *       left_out: in how many runs a result was not a number.  Of models, the most bytes that
 *       the process had in memory in any run so far, less those it had before it made the
 *       model, its batch being there already (what loading and checking took is forgotten:
 *       5 to /proc/self/clear_refs); and how often memory was taken from the heap in the timed
 *       runs, if that is known.
 *
 *   {"do": "close"}    {}: the problem is not needed any more
 *   {"do": "end"}      no answer; the program ends, as it does when its input ends
 *
 * {"error": "why"}, to anything, means that it broke down; then it is ended.  So is one that
 * answers with anything else, or too late, or whose runs took longer than it was asked to
 * run.  Its rows say why, and the others go on.
 */
#ifndef TERN_BENCH_PROCESS_PEER_H
#define TERN_BENCH_PROCESS_PEER_H

#include "bench/process/child.h"

#include <jansson.h>
#include <stdint.h>

typedef struct bench_peer bench_peer;

typedef struct bench_peer_opts {
    const char *command; /* of sh */
    int threads;
    const char *simd; /* NULL: not told */
    bench_patience patience; /* for each answer; timed runs have their own time besides */
} bench_peer_opts;

/* Started, and told to; its first answer is waited for when it is first asked something.  NULL
 * and an error without a process. */
bench_peer *bench_peer_start(const bench_peer_opts *opts, tern_error *error);
void bench_peer_end(bench_peer *peer);

/* Wait for its answer to the start. */
bool bench_peer_wait(bench_peer *peer, tern_error *error);

/* It broke down, or broke the protocol: it is ended and nothing more can be asked. */
bool bench_peer_is_broken(const bench_peer *peer);
/* Once something was asked; "" before. */
const char *bench_peer_about(const bench_peer *peer);
const char *bench_peer_cold(const bench_peer *peer);

/* Open a problem: all of the object but "do".  It is released in any case.  False and
 * TERN_ERR_MISSING if the peer cannot do it; another error: it is broken. */
bool bench_peer_open(bench_peer *peer, json_t *problem, tern_error *error);
void bench_peer_close(bench_peer *peer);

/* `what` is "inputs" or "batch". */
bool bench_peer_check(bench_peer *peer, const char *what, const char *file, const char *into,
                      tern_error *error);

enum { BENCH_PEER_RUNS = 8 }; /* at most, in one turn */
typedef struct bench_peer_turn {
    int count;
    double warm_up_seconds;
    bool cold;
} bench_peer_turn;

typedef struct bench_peer_times {
    double seconds[BENCH_PEER_RUNS];
    int left_out;
    int64_t memory_growth, allocations; /* -1: not told */
} bench_peer_times;

bool bench_peer_run(bench_peer *peer, bench_peer_turn turn, bench_peer_times *times,
                    tern_error *error);

#endif
