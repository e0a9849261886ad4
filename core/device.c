/* The memory functions of a context's backend; what they report becomes the context's error,
 * like any other: with the scope path, and told to the callback. */
#include "core/context_private.h"

static bool passed(tern_ctx *ctx, bool ok, const tern_error *error)
{
    return ok || tern_fail_with(ctx, error);
}

/* ------------------------------------------------------------ regions -- */

bool tern_region_reserve(tern_ctx *ctx, tern_region *region, size_t bytes)
{
    tern_error error = { 0 };
    if (!ctx->backend->computes)
        return true;
    region->base = ctx->backend->reserve(ctx->backend_state, bytes, &error);
    region->reserved = region->base ? bytes : 0;
    region->committed = 0;
    return passed(ctx, region->base != NULL, &error);
}

bool tern_region_commit(tern_ctx *ctx, tern_region *region, size_t bytes)
{
    tern_error error = { 0 };
    if (!ctx->backend->computes || bytes == region->committed)
        return true;
    if (!passed(ctx, ctx->backend->commit(ctx->backend_state, region->base, region->committed,
                                          bytes, &error), &error))
        return false;
    region->committed = bytes;
    return true;
}

void tern_region_release(tern_ctx *ctx, tern_region *region)
{
    if (region->base)
        ctx->backend->release(ctx->backend_state, region->base, region->reserved);
    *region = (tern_region){ 0 };
}

/* ------------------------------------------------------------- values -- */

bool tern_device_fill(tern_ctx *ctx, void *device, int byte, size_t bytes)
{
    tern_error error = { 0 };
    return passed(ctx, ctx->backend->fill(ctx->backend_state, device, byte, bytes, &error), &error);
}

bool tern_device_copy(tern_ctx *ctx, void *to, const void *from, size_t bytes)
{
    tern_error error = { 0 };
    return passed(ctx, ctx->backend->copy(ctx->backend_state, to, from, bytes, &error), &error);
}

bool tern_device_copy_in(tern_ctx *ctx, void *device, const void *host, size_t bytes)
{
    tern_error error = { 0 };
    return passed(ctx, ctx->backend->copy_in(ctx->backend_state, device, host, bytes, &error),
                  &error);
}

bool tern_device_copy_out(tern_ctx *ctx, void *host, const void *device, size_t bytes)
{
    tern_error error = { 0 };
    return passed(ctx, ctx->backend->copy_out(ctx->backend_state, host, device, bytes, &error),
                  &error);
}

bool tern_device_synchronise(tern_ctx *ctx)
{
    tern_error error = { 0 };
    return !ctx->backend->synchronise ||
           passed(ctx, ctx->backend->synchronise(ctx->backend_state, &error), &error);
}
