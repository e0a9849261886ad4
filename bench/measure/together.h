/* All threads of a pool at the same time, each once, each on a core of its own. */
#ifndef TERN_BENCH_MEASURE_TOGETHER_H
#define TERN_BENCH_MEASURE_TOGETHER_H

#include <sched.h>
#include <stdatomic.h>

#include "core/threads.h"

/* So many threads wait for each other, once.  They spin: a thread that has to be woken begins
 * 50 us late. */
typedef struct bench_meeting {
    int threads;
    atomic_int arrived;
} bench_meeting;

void bench_meet(bench_meeting *meeting);

/* tile(argument, worker, worker) once on every thread of the pool, begun together.  A loop of
 * as many tiles alone does not promise that: one thread may take two. */
void bench_on_every_thread(tern_pool *pool, tern_tile_fn tile, void *argument);

/* Bind each of the pool's threads to one of the cores that the caller may use; not if there
 * are fewer of them, and not one thread alone, which the system puts where there is room.  A system with work for all its cores otherwise leaves two threads on
 * one core for tenths of a second.  The caller is bound too, until it asks for what it had. */
cpu_set_t bench_bind(tern_pool *pool);
void bench_unbind_caller(const cpu_set_t *before);

#endif
