/* Opening contexts in tests. */
#include "tests/check.h"

#include "kernels/table.h"

tern_ctx *open_context(tern_ctx_opts opts)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open(opts, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    return ctx;
}

tern_ctx *open_recording(const char *device)
{
    tern_ctx *ctx = open_context((tern_ctx_opts){ .device = device, .poison = true });
    tern_set_recording(ctx, true);
    tern_step_begin(ctx, 0);
    return ctx;
}
