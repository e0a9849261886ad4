/* Applying an op: check, plan, run, record. */
#include "core/context_private.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------ options -- */

static double number_at(const tern_option *option, const char *field, int i)
{
    switch (option->type) {
    case TERN_OPTION_INT: return (double)((const int64_t *)(const void *)field)[i];
    case TERN_OPTION_REAL: return ((const double *)(const void *)field)[i];
    case TERN_OPTION_CHOICE: return ((const int *)(const void *)field)[i];
    case TERN_OPTION_BOOL: return ((const bool *)(const void *)field)[i];
    case TERN_OPTION_END: break;
    }
    return 0;
}

static int choice_count(const tern_option *option)
{
    int count = 0;
    while (option->choices[count])
        count++;
    return count;
}

/* A copy of the caller's options with fallbacks in place of zeros, checked. */
static void *resolve_options(tern_call *call, const void *given)
{
    const tern_op *op = call->op;
    char *copy = tern_bump_alloc(&call->ctx->step_memory, op->options_size + 1);
    if (!copy) {
        tern_call_fail(call, TERN_ERR_MEMORY, "no memory for options");
        return NULL;
    }
    if (given)
        memcpy(copy, given, op->options_size);
    for (const tern_option *option = op->options; option && option->type; option++) {
        char *field = copy + option->offset;
        int length = option->length > 1 ? option->length : 1;
        bool given_zero = option->has_offset && *(bool *)(void *)(copy + option->has_offset);
        for (int i = 0; i < length; i++) {
            if (number_at(option, field, i) == 0 && option->fallback != 0 && !given_zero) {
                if (option->type == TERN_OPTION_INT)
                    ((int64_t *)(void *)field)[i] = (int64_t)option->fallback;
                else if (option->type == TERN_OPTION_REAL)
                    ((double *)(void *)field)[i] = option->fallback;
            }
            double value = number_at(option, field, i), low = option->lowest,
                   high = option->highest;
            if (option->type == TERN_OPTION_CHOICE)
                high = choice_count(option) - 1;
            bool bounded = option->type == TERN_OPTION_CHOICE ||
                           (option->type != TERN_OPTION_BOOL && low < high);
            if (value != value || (bounded && (value < low || value > high))) {
                tern_call_fail(call, TERN_ERR_OPTION, "option %s is %.10g, it must be %.10g to %.10g",
                               option->name, value, low, high);
                return NULL;
            }
        }
    }
    return copy;
}

/* ------------------------------------------------------------- inputs -- */

static const tern_arg *input_arg(const tern_op *op, int i)
{
    int last = tern_op_input_count(op) - 1;
    return &op->in[i < last ? i : last];
}

static bool kind_fits(const tern_ctx *ctx, tern_kind kind, tern_dtype dtype)
{
    switch (kind) {
    case TERN_REAL: return dtype == ctx->backend->real;
    case TERN_INDEX: return dtype == TERN_I32;
    case TERN_MASK: return dtype == TERN_U8;
    case TERN_ANY: return true;
    case TERN_KIND_END: break;
    }
    return false;
}

static bool check_inputs(tern_call *call, tern_tensor *const *inputs, int count)
{
    const tern_op *op = call->op;
    int named = tern_op_input_count(op);
    if (!inputs && count > 0) {
        tern_call_fail(call, TERN_ERR_ARGUMENT, "the list of inputs is NULL");
        return false;
    }
    bool variadic = named > 0 && (op->in[named - 1].flags & TERN_VARIADIC);
    if (count > TERN_MAX_ARGS || (variadic ? count < named : count != named)) {
        tern_call_fail(call, TERN_ERR_ARGUMENT, "%d inputs given, %s%d wanted", count,
                       variadic ? "at least " : "", named);
        return false;
    }
    for (int i = 0; i < count; i++) {
        const tern_arg *arg = input_arg(op, i);
        if (!inputs[i]) {
            if (arg->flags & TERN_OPTIONAL)
                continue;
            tern_call_fail(call, TERN_ERR_ARGUMENT, "input %s is NULL", arg->name);
            return false;
        }
        if (!tern_touch(call->ctx, inputs[i]))
            return false;
        if (!kind_fits(call->ctx, arg->kind, inputs[i]->dtype)) {
            tern_call_fail(call, TERN_ERR_DTYPE, "input %s is %s, %s wanted on %s", arg->name,
                           tern_dtype_name(inputs[i]->dtype),
                           arg->kind == TERN_REAL    ? tern_dtype_name(call->ctx->backend->real)
                           : arg->kind == TERN_INDEX ? "i32"
                                                     : "u8",
                           call->ctx->backend->name);
            return false;
        }
        call->in[i] = inputs[i];
        tern_trace_consume(&call->ctx->trace, inputs[i]->buffer);
    }
    call->inputs = count;
    return true;
}

/* ------------------------------------------------------------ dispatch -- */

static const char *provider_of(const tern_ctx *ctx, const char *op)
{
    for (int i = ctx->provider_count - 1; i >= 0; i--)
        if (strcmp(ctx->providers[i].op, op) == 0)
            return ctx->providers[i].provider;
    return "hand";
}

const tern_impl *tern_find_impl(const tern_ctx *ctx, const tern_op *op)
{
    return tern_registry_impl(&ctx->registry, op->name, ctx->backend->name,
                              provider_of(ctx, op->name));
}

static const tern_impl *cached_impl(tern_ctx *ctx, const tern_op *op)
{
    size_t slot = ((uintptr_t)op >> 5) * 0x9E3779B1u % TERN_IMPL_CACHE;
    for (size_t i = 0; i < TERN_IMPL_CACHE; i++) {
        tern_impl_slot *entry = &ctx->impl_cache[(slot + i) % TERN_IMPL_CACHE];
        if (entry->op == op)
            return entry->impl;
        if (!entry->op) {
            *entry = (tern_impl_slot){ op, tern_find_impl(ctx, op) };
            return entry->impl;
        }
    }
    return tern_find_impl(ctx, op);
}

/* ------------------------------------------------------------- outputs -- */

tern_dtype tern_real(const tern_call *call)
{
    return call->ctx->backend->real;
}

static void declare(tern_call *call, tern_tensor **slot, const char *name, tern_dtype dtype,
                    int rank, const int64_t *shape)
{
    tern_tensor *tensor = tern_new_header(call->ctx, name, dtype, rank, shape);
    if (tern_ok(call->ctx))
        *slot = tensor;
}

void tern_declare_out(tern_call *call, int index, tern_dtype dtype, int rank, const int64_t *shape)
{
    declare(call, &call->out[index], call->op->out[index].name, dtype, rank, shape);
}

void tern_declare_saved(tern_call *call, int index, tern_dtype dtype, int rank,
                        const int64_t *shape)
{
    declare(call, &call->saved[index], call->op->saved[index].name, dtype, rank, shape);
}

static bool needs_gradient(const tern_call *call)
{
    if (!call->ctx->recording)
        return false;
    for (int i = 0; i < call->inputs; i++)
        if (call->in[i] && call->in[i]->requires_grad &&
            (input_arg(call->op, i)->flags & TERN_DIFF))
            return true;
    return false;
}

static bool allocate_outputs(tern_call *call, bool for_backward)
{
    tern_ctx *ctx = call->ctx;
    for (int i = 0; i < call->outputs; i++) {
        tern_tensor *out = call->out[i];
        if (!out) {
            if (call->op->out[i].flags & TERN_OPTIONAL)
                continue;
            tern_call_fail(call, TERN_ERR_STATE, "its shape rule declared no output %s",
                           call->op->out[i].name);
            return false;
        }
        if (i == 0 && call->op->aliases) {
            out->data = call->in[0]->data;
            out->buffer = call->in[0]->buffer;
            out->step = call->in[0]->step ? ctx->step : 0;
        } else if (!tern_allocate(ctx, out)) {
            return false;
        }
        tern_trace_hold(&ctx->trace, out->buffer);
        out->requires_grad = for_backward && tern_dtype_is_real(out->dtype) &&
                             !(call->op->out[i].flags & TERN_NO_GRAD);
    }
    for (int i = 0; i < call->saveds; i++) {
        if (!for_backward)
            call->saved[i] = NULL;
        if (call->saved[i] && !tern_allocate(ctx, call->saved[i]))
            return false;
    }
    return true;
}

size_t tern_call_workspace(const tern_call *call, size_t (*bytes)(const tern_call *call))
{
    return bytes ? bytes(call) : 0;
}

/* State of a frozen group stands still: its op works as in inference. */
static bool has_frozen_state(const tern_call *call)
{
    for (int i = 0; i < call->inputs; i++)
        if (call->in[i] && call->in[i]->is_frozen && (input_arg(call->op, i)->flags & TERN_MUTATED))
            return true;
    return false;
}

static bool record(tern_call *call, const tern_impl *impl)
{
    tern_ctx *ctx = call->ctx;
    if (ctx->tape_count == ctx->tape_capacity) {
        int capacity = ctx->tape_capacity ? 2 * ctx->tape_capacity : 256;
        tern_record *grown = realloc(ctx->tape, (size_t)capacity * sizeof *grown);
        if (!grown) {
            tern_call_fail(call, TERN_ERR_MEMORY, "no memory for the tape");
            return false;
        }
        ctx->tape = grown;
        ctx->tape_capacity = capacity;
        ctx->allocations++;
    }
    ctx->tape[ctx->tape_count++] = (tern_record){ *call, impl, tern_step_scope(ctx) };
    if (call->is_restorable && impl && impl->restore)
        call->out[0]->maker = ctx->tape_count;
    return true;
}

static double bytes_of(const tern_tensor *tensor)
{
    return tensor ? (double)tern_tensor_bytes(tensor) : 0;
}

/* Every tensor that is read, once, and every one that is written; gradients of inputs only
 * where they are wanted. */
static double least_traffic(const tern_call *call, bool in_backward)
{
    double bytes = 0;
    for (int i = 0; i < call->inputs; i++) {
        if (!in_backward || input_arg(call->op, i)->flags & TERN_BACKWARD_READS)
            bytes += bytes_of(call->in[i]);
        if (in_backward)
            bytes += bytes_of(call->grad_in[i]);
    }
    for (int i = 0; i < call->outputs; i++) {
        bool is_read = in_backward && call->op->out[i].flags & TERN_BACKWARD_READS &&
                       !call->out_is_unread[i];
        bytes += bytes_of(call->out[i]) * (is_read ? 2 : 1); /* or its gradient, and with it */
    }
    for (int i = 0; i < call->saveds; i++)
        bytes += bytes_of(call->saved[i]);
    return bytes;
}

tern_cost tern_call_cost(const tern_call *call, bool in_backward)
{
    tern_cost forward = { 0 }, backward = { 0 };
    if (call->op->cost)
        call->op->cost(call, &forward, &backward);
    tern_cost cost = in_backward ? backward : forward;
    if (!(cost.bytes > 0) && !call->op->aliases)
        cost.bytes = least_traffic(call, in_backward);
    const tern_impl *impl = cached_impl(call->ctx, call->op);
    cost.executed =
        impl && impl->executed_flops ? impl->executed_flops(call, in_backward) : cost.flops;
    return cost;
}

void tern_add_cost(tern_call *call, bool in_backward)
{
    tern_cost cost = tern_call_cost(call, in_backward);
    tern_cost *sum = in_backward ? &call->ctx->backward_cost : &call->ctx->step_cost;
    sum->flops += cost.flops;
    sum->bytes += cost.bytes;
    sum->executed += cost.executed;
}

/* Discarded parameters are inputs only of what keeps them packed. */
static bool inputs_have_values(const tern_call *call, uint32_t packed)
{
    for (int i = 0; i < call->inputs; i++)
        if (call->in[i] && !(packed >> i & 1) && !tern_has_values(call->ctx, call->in[i]))
            return false;
    return true;
}

static bool run_forward(tern_call *call, const tern_impl *impl)
{
    if (!impl)
        return true; /* meta */
    uint32_t packed = tern_packed_inputs(call, impl);
    if (!inputs_have_values(call, packed))
        return false;
    size_t workspace = tern_call_workspace(call, impl->forward_workspace);
    call->workspace = workspace ? tern_allocate_workspace(call->ctx, workspace) : NULL;
    if (tern_ok(call->ctx) && !tern_is_idle(call->ctx))
        tern_run_kernel(impl->forward, call,
                        (tern_observed_op){ call, impl, TERN_PASS_FORWARD, call->ctx->scope,
                                            workspace });
    for (int i = 0; i < call->inputs; i++)
        if (call->in[i] && input_arg(call->op, i)->flags & TERN_MUTATED)
            tern_note_write(call->ctx, call->in[i]);
    if (packed && tern_ok(call->ctx) && !tern_is_idle(call->ctx))
        tern_discard_packed(call, packed);
    return tern_ok(call->ctx);
}

/* Outputs and record of a call whose inputs and options have been checked. */
static bool apply(tern_call *call)
{
    tern_ctx *ctx = call->ctx;
    call->training = call->training && !has_frozen_state(call);
    call->op->shape(call);
    if (!tern_ok(ctx))
        return false;
    const tern_impl *impl = ctx->backend->computes ? cached_impl(ctx, call->op) : NULL;
    if (!impl && ctx->backend->computes) {
        tern_call_fail(call, TERN_ERR_MISSING, "there is no implementation for device %s",
                       ctx->backend->name);
        return false;
    }
    bool for_backward = needs_gradient(call);
    if (!allocate_outputs(call, for_backward) || !run_forward(call, impl) ||
        (for_backward && !record(call, impl)))
        return false;
    tern_add_cost(call, false);
    ctx->trace.tick++;
    return true;
}

tern_tensor *tern_apply(tern_ctx *ctx, const tern_op *op, tern_tensor *const *inputs, int count,
                        const void *options, tern_tensor **outputs)
{
    if (!op) {
        tern_fail(ctx, TERN_ERR_ARGUMENT, "tern_apply: the op is NULL");
        return &ctx->nil;
    }
    tern_call call = { .ctx = ctx, .op = op, .outputs = tern_op_output_count(op),
                       .saveds = tern_op_saved_count(op), .training = ctx->training,
                       .frozen_state = ctx->frozen_state, .rng_seed = ctx->seed,
                       .rng_step = ctx->rng_step, .rng_position = ctx->position++ };
    for (int i = 0; outputs && i < call.outputs; i++)
        outputs[i] = &ctx->nil;
    if (!tern_ok(ctx))
        return &ctx->nil;
    ctx->op = op->name;
    if (!ctx->step)
        tern_call_fail(&call, TERN_ERR_STATE, "no step has begun: call tern_step_begin first");
    bool ok = tern_ok(ctx) && check_inputs(&call, inputs, count) &&
              (call.options = resolve_options(&call, options)) && apply(&call);
    ctx->op = NULL;
    if (!ok)
        return &ctx->nil;
    for (int i = 0; outputs && i < call.outputs; i++)
        outputs[i] = call.out[i];
    return call.outputs ? call.out[0] : &ctx->nil;
}
