/* Telling the context's observer; see observer.h. */
#include "core/observer.h"

#include "core/context_private.h"

void tern_observe(tern_ctx *ctx, const tern_observer *observer)
{
    ctx->observer = observer;
}

const tern_observer *tern_observer_of(const tern_ctx *ctx)
{
    return ctx->observer;
}

void tern_observe_kernel(tern_kernel kernel, tern_call *call, const tern_observed_op *op)
{
    const tern_observer *observer = call->ctx->observer;
    if (observer->op_begin)
        observer->op_begin(op, observer->user);
    kernel(call);
    if (tern_ok(call->ctx))
        tern_device_synchronise(call->ctx);
    if (observer->op_end)
        observer->op_end(op, observer->user);
}

void tern_observe_step_end(tern_ctx *ctx)
{
    if (ctx->observer && ctx->observer->step_end && ctx->step)
        ctx->observer->step_end(ctx, ctx->observer->user);
}

void tern_observe_context_end(tern_ctx *ctx)
{
    tern_observe_step_end(ctx);
    if (ctx->observer && ctx->observer->context_end)
        ctx->observer->context_end(ctx, ctx->observer->user);
}

void tern_observe_step_begin(tern_ctx *ctx)
{
    if (ctx->observer && ctx->observer->step_begin)
        ctx->observer->step_begin(ctx, ctx->signature, ctx->dry, ctx->observer->user);
}
