/* In which order simulated threads, warps and blocks take their turns.
 *
 * A right kernel gives the same bits in every order.  One that misses a barrier
 * mostly does not: what it reads too early was written already in one order and
 * not yet in another.
 */
#ifndef TERN_KERNELS_CUDA_SIM_ORDER_H
#define TERN_KERNELS_CUDA_SIM_ORDER_H

#include "core/error.h"

#include <stdint.h>

enum tern_sim_direction { TERN_SIM_FORWARD, TERN_SIM_REVERSE, TERN_SIM_RANDOM };

struct tern_sim_order {
    tern_sim_direction direction;
    uint64_t random; /* state of the generator */
};

/* "forward", "reverse", "random" or "random:SEED"; NULL means forward. */
bool tern_sim_order_parse(tern_sim_order *order, const char *text, tern_error *error);

/* Uniform in 0 .. count-1, count > 0. */
unsigned tern_sim_random_below(tern_sim_order *order, unsigned count);
/* 0 .. count-1 in the order in which to take them. */
void tern_sim_order_fill(tern_sim_order *order, int count, int *turns);

/* A walk over 0 .. count-1 that visits each once, for counts too large to list. */
struct tern_sim_walk {
    uint64_t next, stride, count;
};
tern_sim_walk tern_sim_order_walk(tern_sim_order *order, uint64_t count);
uint64_t tern_sim_walk_next(tern_sim_walk *walk);

#endif
