/* Opening the simulated GPU with a chosen order of threads. */
#ifndef TERN_TESTS_SIM_H
#define TERN_TESTS_SIM_H

#include "tests/check.h"

#include <stdlib.h>

#include "kernels/table.h"

/* Orders in which simulated threads take turns. */
static const char *const orders[] = { "forward", "reverse", "random:1", "random:2" };
enum { ORDERS = sizeof orders / sizeof orders[0] };

static inline tern_ctx *open_sim(const char *order)
{
    tern_error error = { 0 };
    setenv("TERN_SIM_ORDER", order, 1);
    /* The seed of tests/against_ref.c, from which dropout draws. */
    const tern_ctx_opts opts = { .device = "cuda-sim", .poison = true, .seed = 7 };
    tern_ctx *ctx = tern_open(opts, &error);
    unsetenv("TERN_SIM_ORDER");
    if (!ctx)
        fail_msg("%s", error.message);
    return ctx;
}

#endif
