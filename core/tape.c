/* Backward: the tape is walked from its end to its beginning.
 *
 * Records stand in the order of execution, so when a record is reached every
 * consumer of its outputs has already added its share to their gradients.  The
 * first share overwrites and later ones accumulate, in the kernels' epilogues:
 * there are no zero-filling passes and no separate additions.
 */
#include "core/context_private.h"

#include <string.h>

static bool has_grad(const tern_ctx *ctx, const tern_tensor *tensor)
{
    return tensor->grad && tensor->grad_step == ctx->step;
}

/* A gradient's header and storage; what it holds is not defined yet. */
static tern_tensor *new_grad(tern_ctx *ctx, const tern_tensor *tensor)
{
    tern_tensor *grad = tern_new_header(ctx, tensor->name, tensor->dtype, tensor->rank,
                                       tensor->shape);
    if (!tern_ok(ctx) || !tern_allocate(ctx, grad))
        return NULL;
    tern_trace_hold(&ctx->trace, grad->buffer);
    return grad;
}

/* Outputs nobody used get a zero gradient, so that kernels need no case for it. */
static bool gather_output_grads(tern_ctx *ctx, tern_call *call)
{
    bool any = false;
    for (int i = 0; i < call->outputs; i++)
        any = any || (call->out[i] && has_grad(ctx, call->out[i]));
    if (!any)
        return false;
    for (int i = 0; i < call->outputs; i++) {
        tern_tensor *out = call->out[i];
        if (!out || !out->requires_grad)
            continue;
        if (!has_grad(ctx, out)) {
            out->grad = new_grad(ctx, out);
            if (!out->grad)
                return false;
            tern_fill_bytes(ctx, out->grad, 0);
            out->grad_step = ctx->step;
        }
        tern_touch(ctx, out->grad);
        tern_trace_consume(&ctx->trace, out->grad->buffer);
        call->grad_out[i] = out->grad;
    }
    return tern_ok(ctx);
}

static unsigned input_flags(const tern_op *op, int i)
{
    int last = tern_op_input_count(op) - 1;
    return op->in[i < last ? i : last].flags;
}

/* Where the gradient of input i goes.  A tensor that is given twice (add(x, x))
 * gets its second share by way of a buffer of its own: kernels may write their
 * outputs in any order. */
static bool prepare_input_grad(tern_ctx *ctx, tern_call *call, int i, bool *separate)
{
    tern_tensor *in = call->in[i];
    for (int j = 0; j < i; j++)
        *separate = *separate || (call->grad_in[j] && call->in[j] == in);
    if (*separate) {
        call->grad_in[i] = new_grad(ctx, in);
        call->accumulate[i] = false;
        return call->grad_in[i] != NULL;
    }
    call->accumulate[i] = has_grad(ctx, in);
    if (!call->accumulate[i] && !in->is_param) {
        in->grad = new_grad(ctx, in);
        if (!in->grad)
            return false;
    }
    tern_touch(ctx, in->grad);
    call->grad_in[i] = in->grad;
    return tern_ok(ctx);
}

/* Add the separate shares; rare and small, so the host's plain loop will do on
 * host memory and an upload elsewhere is not worth a kernel of its own. */
static void add_separate(tern_ctx *ctx, tern_tensor *to, const tern_tensor *share)
{
    tern_touch(ctx, to);
    tern_touch(ctx, share);
    if (tern_is_idle(ctx))
        return;
    if (!ctx->backend->host_memory) {
        tern_fail(ctx, TERN_ERR_MISSING,
                  "one tensor given twice to an op has no gradient on device %s yet",
                  ctx->backend->name);
    } else if (to->dtype == TERN_F64) {
        for (int64_t i = 0; i < to->count; i++)
            ((double *)to->data)[i] += ((const double *)share->data)[i];
    } else {
        for (int64_t i = 0; i < to->count; i++)
            ((float *)to->data)[i] += ((const float *)share->data)[i];
    }
}

/* The values of a tensor that backward reads.  Those that can be made once more from what
 * is kept anyway were given up after forward: they come back in a buffer of their own. */
static void bring_back(tern_ctx *ctx, tern_tensor *tensor)
{
    if (!tensor->maker) {
        tern_touch(ctx, tensor);
        return;
    }
    const tern_record *record = &ctx->tape[tensor->maker - 1];
    tern_call call = record->call;
    tensor->maker = 0;
    for (int i = 0; i < call.inputs; i++)
        call.in[i] = NULL;
    for (int i = 0; i < call.saveds; i++)
        if (call.saved[i])
            tern_touch(ctx, call.saved[i]);
    if (tern_allocate(ctx, tensor) && !tern_is_idle(ctx))
        tern_run_kernel(record->impl->restore, &call,
                        (tern_observed_op){ &call, record->impl, TERN_PASS_RESTORE, record->scope,
                                            0 });
}

/* Kernels see only what their contract says backward reads: the memory of the
 * rest may already serve somebody else. */
static void hide_unread(tern_ctx *ctx, tern_call *call, tern_tensor *headers)
{
    int used = 0;
    for (int i = 0; i < call->inputs + call->outputs; i++) {
        bool is_input = i < call->inputs;
        int at = is_input ? i : i - call->inputs;
        tern_tensor **slot = is_input ? &call->in[at] : &call->out[at];
        unsigned flags = is_input ? input_flags(call->op, at) : call->op->out[at].flags;
        if (!*slot)
            continue;
        if ((flags & TERN_BACKWARD_READS) && (is_input || !call->out_is_unread[at])) {
            bring_back(ctx, *slot);
        } else {
            headers[used] = **slot;
            headers[used].data = NULL;
            *slot = &headers[used++];
        }
    }
    for (int i = 0; i < call->saveds; i++)
        if (call->saved[i])
            tern_touch(ctx, call->saved[i]);
}

/* The gradient of a reshape is the same memory under another shape. */
static bool pass_alias(tern_ctx *ctx, tern_call *call)
{
    tern_tensor *in = call->in[0];
    if (!call->op->aliases || in->is_param || has_grad(ctx, in))
        return false;
    tern_tensor *grad = tern_new_header(ctx, in->name, in->dtype, in->rank, in->shape);
    if (!tern_ok(ctx))
        return true;
    grad->data = call->grad_out[0]->data;
    grad->buffer = call->grad_out[0]->buffer;
    tern_trace_hold(&ctx->trace, grad->buffer);
    in->grad = grad;
    in->grad_step = ctx->step;
    return true;
}

static void run_backward(tern_ctx *ctx, const tern_record *record)
{
    tern_call call = record->call;
    tern_tensor headers[TERN_MAX_ARGS + TERN_MAX_SAVED];
    tern_tensor *original[TERN_MAX_ARGS];
    bool separate[TERN_MAX_ARGS] = { false };
    const tern_impl *impl = record->impl;

    if (!gather_output_grads(ctx, &call) || pass_alias(ctx, &call))
        return;
    memcpy(original, call.in, sizeof original);
    for (int i = 0; i < call.inputs; i++)
        if (call.in[i] && call.in[i]->requires_grad && (input_flags(call.op, i) & TERN_DIFF) &&
            !prepare_input_grad(ctx, &call, i, &separate[i]))
            return;
    tern_add_cost(&call, true);
    hide_unread(ctx, &call, headers);
    if (impl && !impl->backward) {
        tern_call_fail(&call, TERN_ERR_MISSING, "there is no backward for device %s",
                       ctx->backend->name);
        return;
    }
    size_t workspace = impl ? tern_call_workspace(&call, impl->backward_workspace) : 0;
    call.workspace = workspace ? tern_allocate_workspace(ctx, workspace) : NULL;
    if (tern_ok(ctx) && !tern_is_idle(ctx))
        tern_run_kernel(impl->backward, &call,
                        (tern_observed_op){ &call, impl, TERN_PASS_BACKWARD, record->scope,
                                            workspace });
    for (int i = 0; i < call.inputs; i++) {
        if (!call.grad_in[i])
            continue;
        if (separate[i])
            add_separate(ctx, original[i]->grad, call.grad_in[i]);
        original[i]->grad_step = ctx->step;
    }
    ctx->trace.tick++;
}

/* Parameters that took no part in this step have gradient zero, not the one of
 * an earlier step. */
static void zero_untouched_params(tern_ctx *ctx)
{
    for (int i = 0; i < ctx->store.param_count; i++) {
        tern_tensor *param = ctx->store.params[i].tensor;
        if (param->grad && param->grad_step != ctx->step) {
            tern_fill_bytes(ctx, param->grad, 0);
            param->grad_step = ctx->step;
        }
    }
}

static bool seed_loss(tern_ctx *ctx, tern_tensor *loss)
{
    char text[TERN_SHAPE_TEXT];
    const double one = 1;
    if (!tern_touch(ctx, loss))
        return false;
    if (loss->count != 1) {
        tern_fail(ctx, TERN_ERR_SHAPE,
                  "backward starts from one element, %s is %s: seed its gradient with "
                  "tern_seed_grad and pass NULL",
                  loss->name ? loss->name : "the tensor", tern_shape_text(loss, text));
        return false;
    }
    if (!loss->requires_grad) {
        tern_fail(ctx, TERN_ERR_STATE,
                  "backward of %s, which no gradient reaches: was the context in training or "
                  "recording mode, and are there parameters that are not frozen?",
                  loss->name ? loss->name : "a tensor");
        return false;
    }
    tern_seed_grad(ctx, loss, TERN_F64, &one);
    return tern_ok(ctx);
}

void tern_backward(tern_ctx *ctx, tern_tensor *loss)
{
    if (!tern_ok(ctx))
        return;
    if (ctx->backward_done) {
        tern_fail(ctx, TERN_ERR_STATE,
                  "backward was already called in this step: begin a new step, or add the losses "
                  "and call it once");
        return;
    }
    if (ctx->store.averaged) {
        tern_fail(ctx, TERN_ERR_STATE, "backward while parameters hold their averages: call "
                                       "tern_average_use(ctx, false) first");
        return;
    }
    if (loss && !seed_loss(ctx, loss))
        return;
    if (!ctx->seeded) {
        tern_fail(ctx, TERN_ERR_STATE, "backward(NULL) starts from gradients that tern_seed_grad "
                                       "was given, and there are none");
        return;
    }
    ctx->backward_done = true;
    tern_span_begin(ctx->observer, "backward");
    for (int i = ctx->tape_count - 1; i >= 0 && tern_ok(ctx); i--) {
        ctx->op = ctx->tape[i].call.op->name;
        ctx->op_scope = ctx->tape[i].scope;
        run_backward(ctx, &ctx->tape[i]);
    }
    ctx->op = ctx->op_scope = NULL;
    zero_untouched_params(ctx);
    tern_span_end(ctx->observer);
}

void tern_seed_grad(tern_ctx *ctx, tern_tensor *tensor, tern_dtype host_dtype, const void *host)
{
    if (!tern_touch_given(ctx, "tern_seed_grad", tensor))
        return;
    if (!tensor->requires_grad) {
        tern_fail(ctx, TERN_ERR_STATE, "%s needs no gradient: nothing differentiable leads to it",
                  tensor->name ? tensor->name : "the tensor");
        return;
    }
    tensor->grad = new_grad(ctx, tensor);
    if (tensor->grad && tern_upload(ctx, tensor->grad, host_dtype, host))
        tensor->grad_step = ctx->step;
    ctx->seeded = true;
    ctx->trace.tick++;
}

tern_tensor *tern_require_grad(tern_ctx *ctx, tern_tensor *tensor)
{
    if (!tern_touch_given(ctx, "tern_require_grad", tensor))
        return &ctx->nil;
    if (tern_dtype_is_real(tensor->dtype))
        tensor->requires_grad = true;
    else
        tern_fail(ctx, TERN_ERR_DTYPE, "%s holds %s: only reals have gradients",
                  tensor->name ? tensor->name : "the tensor", tern_dtype_name(tensor->dtype));
    return tensor;
}
