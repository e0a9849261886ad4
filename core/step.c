/* Steps: beginning one, its tensors, and who may still be used. */
#include "core/context_private.h"

#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------- plans -- */

/* Plans are told apart by what the caller says of the shapes and by what
 * lengthens lives: a step that is recorded for backward needs its activations. */
static uint64_t full_signature(const tern_ctx *ctx, uint64_t signature)
{
    uint64_t mixed = (signature ^ (ctx->recording ? 0x9E3779B97F4A7C15u : 0)) * 0xBF58476D1CE4E5B9u;
    return mixed ^ (mixed >> 29);
}

static tern_plan *find_plan(const tern_ctx *ctx, uint64_t signature)
{
    for (int i = 0; i < ctx->plan_count; i++)
        if (ctx->plans[i].signature == signature)
            return &ctx->plans[i];
    return NULL;
}

static void remember_plan(tern_ctx *ctx)
{
    tern_plan *plan = find_plan(ctx, ctx->signature);
    if (plan) {
        tern_plan_free(plan);
    } else {
        tern_plan *grown =
            realloc(ctx->plans, (size_t)(ctx->plan_count + 1) * sizeof *ctx->plans);
        if (!grown)
            return; /* the next step of this signature will be recorded again */
        ctx->plans = grown;
        plan = &ctx->plans[ctx->plan_count++];
    }
    ctx->allocations++;
    tern_plan_build(plan, &ctx->trace, ctx->signature);
    plan->signature = ctx->signature;
}

static void begin(tern_ctx *ctx, uint64_t signature, bool dry)
{
    tern_observe_step_end(ctx);
    if (ctx->step && !ctx->step_failed && tern_trace_needs_plan(&ctx->trace)) {
        tern_span_begin(ctx->observer, "plan memory");
        remember_plan(ctx);
        tern_span_end(ctx->observer);
    }
    ctx->step_failed = !tern_ok(ctx);
    /* Two generations of headers take turns, so that a pointer from the step
     * before still finds its own header, which says that its step is over. */
    tern_bump older = ctx->older_step_memory;
    ctx->older_step_memory = ctx->step_memory;
    ctx->step_memory = older;
    tern_bump_reset(&ctx->step_memory);
    ctx->step_scope = NULL;
    ctx->step++;
    if (!dry && !ctx->rng_step_given)
        ctx->rng_step++;
    ctx->position = 0;
    ctx->dry = dry;
    ctx->tape_count = 0;
    ctx->backward_done = ctx->seeded = false;
    ctx->op = ctx->op_scope = NULL;
    ctx->step_cost = ctx->backward_cost = (tern_cost){ 0 };
    ctx->signature = full_signature(ctx, signature);
    const tern_plan *plan = find_plan(ctx, ctx->signature);
    tern_trace_begin(&ctx->trace, plan && plan->buffers ? plan : NULL);

    /* All of the largest plan at once, and what recording without reuse took beyond it back. */
    size_t peak = 0;
    for (int i = 0; i < ctx->plan_count; i++)
        peak = ctx->plans[i].peak > peak ? ctx->plans[i].peak : peak;
    if (plan && !dry)
        tern_region_commit(ctx, &ctx->arena, peak);
    tern_observe_step_begin(ctx);
}

void tern_step_begin(tern_ctx *ctx, uint64_t signature)
{
    begin(ctx, signature, false);
}

void tern_step_begin_dry(tern_ctx *ctx, uint64_t signature)
{
    begin(ctx, signature, true);
}

const void *tern_step_memory(const tern_ctx *ctx, size_t *bytes)
{
    *bytes = ctx->arena.committed;
    return ctx->arena.base;
}

void tern_step_poison(tern_ctx *ctx)
{
    if (ctx->trace.count) {
        tern_fail(ctx, TERN_ERR_STATE, "tern_step_poison: the step has tensors already");
        return;
    }
    if (!tern_is_idle(ctx) && ctx->arena.committed)
        tern_device_fill(ctx, ctx->arena.base, 0xFF, ctx->arena.committed);
}

bool tern_step_is_planned(const tern_ctx *ctx, uint64_t signature)
{
    uint64_t full = full_signature(ctx, signature);
    /* The step in progress becomes a plan when the next one begins. */
    return find_plan(ctx, full) || (ctx->step && ctx->signature == full && ctx->trace.count);
}

/* Recording, and so training, in a context that has no gradients? */
static bool is_refused(tern_ctx *ctx, const char *what, bool on)
{
    if (on && ctx->inference_only)
        tern_fail(ctx, TERN_ERR_STATE, "%s is asked for after tern_set_inference_only", what);
    return on && ctx->inference_only;
}

void tern_set_training(tern_ctx *ctx, bool training)
{
    if (is_refused(ctx, "training", training))
        return;
    ctx->training = training;
    ctx->recording = training;
}

bool tern_is_training(const tern_ctx *ctx)
{
    return ctx->training;
}

void tern_set_recording(tern_ctx *ctx, bool recording)
{
    if (!is_refused(ctx, "recording", recording))
        ctx->recording = recording;
}

void tern_set_frozen_state(tern_ctx *ctx, bool frozen)
{
    ctx->frozen_state = frozen;
}

void tern_set_rng_step(tern_ctx *ctx, uint32_t step)
{
    ctx->rng_step = step;
    ctx->rng_step_given = true;
}

/* ------------------------------------------------------------ tensors -- */

tern_tensor *tern_nil(tern_ctx *ctx)
{
    return &ctx->nil;
}

const char *tern_step_scope(tern_ctx *ctx)
{
    if (!ctx->step_scope)
        ctx->step_scope = tern_bump_text(&ctx->step_memory, ctx->scope);
    return ctx->step_scope ? ctx->step_scope : "";
}

bool tern_count_elements(tern_ctx *ctx, tern_tensor *tensor)
{
    const char *name = tensor->name ? tensor->name : "a tensor";
    int64_t count = 1;
    for (int axis = 0; axis < tensor->rank; axis++)
        if (tensor->shape[axis] < 0) {
            tern_fail(ctx, TERN_ERR_SHAPE, "axis %d of %s has a negative size: %lld", axis, name,
                      (long long)tensor->shape[axis]);
            return false;
        }
    for (int axis = 0; axis < tensor->rank; axis++)
        if (__builtin_mul_overflow(count, tensor->shape[axis], &count) ||
            count > (int64_t)(SIZE_MAX / 64)) {
            char text[TERN_SHAPE_TEXT];
            tern_fail(ctx, TERN_ERR_MEMORY, "%s %s has more elements than memory can hold", name,
                      tern_shape_text(tensor, text));
            return false;
        }
    tensor->count = count;
    return true;
}

tern_tensor *tern_new_header(tern_ctx *ctx, const char *name, tern_dtype dtype, int rank,
                             const int64_t *shape)
{
    if (rank < 0 || rank > TERN_MAX_RANK) {
        tern_fail(ctx, TERN_ERR_SHAPE, "%s has rank %d, only 0 to %d are possible",
                  name ? name : "a tensor", rank, TERN_MAX_RANK);
        return &ctx->nil;
    }
    if (tern_dtype_size(dtype) == 0) {
        tern_fail(ctx, TERN_ERR_DTYPE, "%s has no element type", name ? name : "a tensor");
        return &ctx->nil;
    }
    if (rank > 0 && !shape) {
        tern_fail(ctx, TERN_ERR_ARGUMENT, "%s has rank %d, but its shape is NULL",
                  name ? name : "a tensor", rank);
        return &ctx->nil;
    }
    tern_tensor *tensor = tern_bump_alloc(&ctx->step_memory, sizeof *tensor);
    if (!tensor) {
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory for a tensor's header");
        return &ctx->nil;
    }
    *tensor = (tern_tensor){ .ctx = ctx, .name = name, .dtype = dtype, .rank = rank,
                             .step = ctx->step, .buffer = -1 };
    for (int axis = 0; axis < rank; axis++)
        tensor->shape[axis] = shape[axis];
    return tern_count_elements(ctx, tensor) ? tensor : &ctx->nil;
}

/* More of the arena, up to the trace's end; NULL for a workspace. */
static bool extend_arena(tern_ctx *ctx, const tern_tensor *tensor)
{
    char text[TERN_SHAPE_TEXT] = "workspace";
    size_t bytes = ctx->trace.end;
    if (bytes <= ctx->arena.committed)
        return true;
    if (bytes <= ctx->arena.reserved)
        return tern_region_commit(ctx, &ctx->arena, bytes);
    tern_fail(ctx, TERN_ERR_MEMORY, "%s %s: a step needs %zu MiB, only %zu MiB are reserved on %s",
              tensor && tensor->name ? tensor->name : "a",
              tensor ? tern_shape_text(tensor, text) : text, bytes >> 20,
              ctx->arena.reserved >> 20, ctx->backend->name);
    return false;
}

static void *address_of(tern_ctx *ctx, int32_t buffer, const tern_tensor *tensor)
{
    if (tern_is_idle(ctx) || !extend_arena(ctx, tensor))
        return NULL;
    return (char *)ctx->arena.base + ctx->trace.buffers[buffer].offset;
}

bool tern_allocate(tern_ctx *ctx, tern_tensor *tensor)
{
    char text[TERN_SHAPE_TEXT];
    if (!ctx->step) {
        tern_fail(ctx, TERN_ERR_STATE, "no step has begun: call tern_step_begin first");
        return false;
    }
    tensor->buffer = tern_trace_request(&ctx->trace, tern_tensor_bytes(tensor));
    if (tensor->buffer < 0) {
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory to plan a buffer for %s %s",
                  tensor->name ? tensor->name : "a tensor", tern_shape_text(tensor, text));
        return false;
    }
    tensor->data = address_of(ctx, tensor->buffer, tensor);
    if (ctx->poison)
        tern_fill_bytes(ctx, tensor, 0xFF);
    return tern_ok(ctx);
}

void *tern_allocate_workspace(tern_ctx *ctx, size_t bytes)
{
    int32_t buffer = tern_trace_request(&ctx->trace, bytes);
    if (buffer < 0) {
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory for a workspace of %zu bytes", bytes);
        return NULL;
    }
    void *memory = address_of(ctx, buffer, NULL);
    if (memory && ctx->poison)
        tern_device_fill(ctx, memory, 0xFF, bytes);
    return memory;
}

/* A parameter, state or a slice of them, before they were laid out. */
static bool lacks_memory(const tern_ctx *ctx, const tern_tensor *tensor)
{
    return !tensor->step && !tensor->data && tensor->count &&
           (ctx->backend->computes || (tensor->is_param && !ctx->store.laid_out));
}

bool tern_touch(tern_ctx *ctx, const tern_tensor *tensor)
{
    char text[TERN_SHAPE_TEXT];
    const char *name = tensor->name ? tensor->name : "a tensor";
    if (tensor->ctx != ctx) {
        tern_fail(ctx, TERN_ERR_ARGUMENT, "%s belongs to another context", name);
        return false;
    }
    if (lacks_memory(ctx, tensor)) {
        tern_fail(ctx, TERN_ERR_STATE, "parameter %s %s has no memory yet: call tern_params_freeze",
                  name, tern_shape_text(tensor, text));
        return false;
    }
    if (tensor->step && tensor->step != ctx->step) {
        tern_fail(ctx, TERN_ERR_STATE,
                  "%s %s belongs to step %llu, which is over (now %llu): tern_keep makes a copy "
                  "that lasts",
                  name, tern_shape_text(tensor, text), (unsigned long long)tensor->step,
                  (unsigned long long)ctx->step);
        return false;
    }
    if (tensor->buffer >= 0 && !tern_trace_touch(&ctx->trace, tensor->buffer)) {
        tern_fail(ctx, TERN_ERR_STATE,
                  "%s %s is used later than in the step its plan was made from, and its memory has "
                  "been reused: give such steps another signature, or tern_keep it",
                  name, tern_shape_text(tensor, text));
        return false;
    }
    return true;
}

bool tern_touch_to_write(tern_ctx *ctx, const char *function, const tern_tensor *tensor)
{
    if (!tern_ok(ctx))
        return false;
    if (!tensor) {
        tern_fail(ctx, TERN_ERR_ARGUMENT, "%s: a tensor is wanted, NULL was given", function);
        return false;
    }
    return tern_touch(ctx, tensor);
}

bool tern_touch_given(tern_ctx *ctx, const char *function, const tern_tensor *tensor)
{
    return tern_touch_to_write(ctx, function, tensor) && tern_has_values(ctx, tensor);
}

void tern_fill_bytes(tern_ctx *ctx, tern_tensor *tensor, int byte)
{
    if (!tern_is_idle(ctx) && tensor->count && tensor->data)
        tern_device_fill(ctx, tensor->data, byte, tern_tensor_bytes(tensor));
}
