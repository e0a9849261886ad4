/* How far apart two cores are: the time in which one cache line goes from one to the other and
 * back.
 *
 * Threads that share work hand each other such lines: the number of the next tile, the count of
 * those that are done.  Cores that share an L3 need some 50 ns for it.  A virtual machine's host
 * may put two virtual CPUs on distant chiplets or sockets, and elsewhere a minute later: then it
 * takes 400 ns, small ops on two threads take twice as long as before, and nothing in the guest
 * says so but this.
 */
#ifndef TERN_BENCH_MEASURE_CORE_TO_CORE_H
#define TERN_BENCH_MEASURE_CORE_TO_CORE_H

#include "core/threads.h"

/* Seconds; of a run, in which it is measured again and again.  0: not known. */
typedef struct bench_core_to_core {
    double least, most;
} bench_core_to_core;

/* Seconds of a round trip between the first two cores that the caller may use, with a pool of
 * two threads: the median of some tens of batches, so a thread that is put off its core for a
 * while changes nothing.  Takes 1 to 10 ms.  0 if the threads were not let onto two cores.
 *
 * What could fool it: two cores that are one with two threads of its own (SMT), which are
 * nearer than any others. */
double bench_round_trip(tern_pool *pair);

/* Take one more into account; 0 is passed over. */
void bench_core_to_core_add(bench_core_to_core *seen, double seconds);

/* So far apart, at least for a while, that times of several threads tell about the machine
 * rather than about the program: beyond 200 ns, or three times the least. */
bool bench_cores_are_far(const bench_core_to_core *seen);

/* "55 ns", "55 ns (up to 402)", "not known".  Returns text. */
enum { BENCH_CORE_TO_CORE_BYTES = 64 };
char *bench_core_to_core_text(const bench_core_to_core *seen, char text[BENCH_CORE_TO_CORE_BYTES]);

#endif
