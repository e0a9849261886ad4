/* tern's own side of bench/process/peer.h: a process that times whole models (bench/workload)
 * when and as often as it is told, `tern bench serve`.
 *
 * An inference is one in a context that only infers (tern_set_inference_only).
 */
#ifndef TERN_BENCH_SERVE_H
#define TERN_BENCH_SERVE_H

#include <stdbool.h>
#include <stdio.h>

/* Until it is told to end, or `in` ends; false after an error, which was answered. */
bool bench_serve(FILE *in, FILE *out);

#endif
