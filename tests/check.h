/* What all test programs include: cmocka and a few shorthands. */
#ifndef TERN_TESTS_CHECK_H
#define TERN_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/context.h"

/* The context has no error; prints its message when it has one. */
#define assert_tern_ok(ctx)                                                                       \
    do {                                                                                          \
        if (!tern_ok(ctx))                                                                        \
            fail_msg("%s", tern_ctx_error(ctx)->message);                                         \
    } while (0)

/* The context failed with this status and its message holds this text. */
#define assert_tern_fails(ctx, status, text)                                                      \
    do {                                                                                          \
        if (tern_ctx_error(ctx)->code != (status) ||                                              \
            !strstr(tern_ctx_error(ctx)->message, (text)))                                        \
            fail_msg("wanted %s error with \"%s\", got %s: %s", tern_status_name(status), (text), \
                     tern_status_name(tern_ctx_error(ctx)->code), tern_ctx_error(ctx)->message);  \
    } while (0)

/* A context as the options say; the running test fails where there is none. */
tern_ctx *open_context(tern_ctx_opts opts);
/* A device ready for inputs: poisoned memory, recording on, a first step begun. */
tern_ctx *open_recording(const char *device);

#endif
