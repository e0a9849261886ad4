/* Forward, reverse and random turns. */
#include "kernels/cuda/sim/order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool tern_sim_order_parse(tern_sim_order *order, const char *text, tern_error *error)
{
    const char *seed = text ? strchr(text, ':') : NULL;
    char *end = NULL;

    *order = { TERN_SIM_FORWARD, 0 };
    if (!text || strcmp(text, "forward") == 0)
        return true;
    if (strcmp(text, "reverse") == 0) {
        order->direction = TERN_SIM_REVERSE;
        return true;
    }
    if (seed ? strncmp(text, "random:", 7) == 0 : strcmp(text, "random") == 0) {
        order->direction = TERN_SIM_RANDOM;
        errno = 0;
        order->random = seed ? strtoull(seed + 1, &end, 10) : 0;
        if (!seed || (end != seed + 1 && *end == '\0' && errno == 0))
            return true;
    }
    return tern_error_set(error, TERN_ERR_OPTION,
                          "thread order \"%s\": forward, reverse, random or random:SEED is wanted",
                          text);
}

/* splitmix64 (Steele et al. 2014). */
static uint64_t draw(tern_sim_order *order)
{
    uint64_t mixed = order->random += 0x9E3779B97F4A7C15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return mixed ^ (mixed >> 31);
}

unsigned tern_sim_random_below(tern_sim_order *order, unsigned count)
{
    return static_cast<unsigned>(((draw(order) >> 32) * count) >> 32);
}

void tern_sim_order_fill(tern_sim_order *order, int count, int *turns)
{
    for (int i = 0; i < count; i++)
        turns[i] = order->direction == TERN_SIM_REVERSE ? count - 1 - i : i;
    for (int i = count - 1; i > 0 && order->direction == TERN_SIM_RANDOM; i--) {
        unsigned other = tern_sim_random_below(order, static_cast<unsigned>(i) + 1);
        int turn = turns[i];
        turns[i] = turns[other];
        turns[other] = turn;
    }
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Steps of a stride that has no divisor in common with the count reach every number
 * before they come back to the first. */
tern_sim_walk tern_sim_order_walk(tern_sim_order *order, uint64_t count)
{
    if (order->direction == TERN_SIM_FORWARD)
        return { 0, 1, count };
    if (order->direction == TERN_SIM_REVERSE)
        return { count - 1, count - 1, count };
    uint64_t first = draw(order) % count, stride = draw(order) % count;
    while (common_divisor(stride, count) != 1)
        stride = stride + 1;
    return { first, stride, count };
}

uint64_t tern_sim_walk_next(tern_sim_walk *walk)
{
    uint64_t now = walk->next;
    walk->next = (walk->next + walk->stride) % walk->count;
    return now;
}
