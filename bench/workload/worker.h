/* One process that times one model, when and as often as it is told.
 *
 * So that rounds of several programs can alternate, each is a process that reads a command
 * a line and answers with a line of JSON:
 *
 *   infer N      N timed inferences of one row after one that warms up
 *   train N      N timed training steps, likewise
 *                both: {"seconds": [N times], "memory_growth": bytes so far}
 *   logits FILE  {"logits": [...]} of the whole batch with the weights in FILE, a state dict
 *   end          what else is known, then the process ends: {"simd": ...}
 *
 * Until it is told to train, the model only infers (tern_set_inference_only); then it is made
 * anew, from the same seed.  Memory has grown by the most that was ever resident, less what
 * was before the model was first made, the batch being there already.  Anything that fails is answered by
 * {"error": "message"}, and ends the process.
 */
#ifndef TERN_BENCH_WORKER_H
#define TERN_BENCH_WORKER_H

#include "bench/workload/workload.h"

#include <stdio.h>

/* Serve until `end` or the end of `in`; false after an error. */
bool bench_worker_serve(const bench_model *model, const bench_opts *opts, FILE *in, FILE *out);

#endif
