/* Opening and closing a context, its status, scopes and choices. */
#include "core/context_private.h"
#include "core/plugin_path.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --------------------------------------------------------------- open -- */

static bool load_device_plugin(tern_ctx *ctx, const char *device, const char *folder)
{
    char path[4096];
    if (!tern_plugin_path(device, folder, path, sizeof path))
        return tern_error_set(&ctx->error, TERN_ERR_MISSING,
                              "device %s needs its plugin, there is no %s (make %s)", device, path,
                              strcmp(device, "cuda-sim") == 0 ? "sim" : "cuda");
    return tern_registry_load(&ctx->registry, path, &ctx->error);
}

static bool choose_backend(tern_ctx *ctx, const tern_ctx_opts *opts)
{
    static const char *const known[] = { "cpu", "ref", "meta", "cuda", "cuda-sim" };
    const char *device = opts->device ? opts->device : "cpu";
    int count = (int)(sizeof known / sizeof known[0]), i = 0;

    tern_registry_add_backend(&ctx->registry, &tern_backend_ref);
    tern_registry_add_backend(&ctx->registry, &tern_backend_cpu);
    tern_registry_add_backend(&ctx->registry, &tern_backend_meta);
    if (ctx->registry.out_of_memory)
        return tern_error_set(&ctx->error, TERN_ERR_MEMORY, "no memory for the list of backends");
    while (i < count && strcmp(known[i], device) != 0)
        i++;
    if (i == count) {
        const char *nearest = tern_nearest_name(device, known, count);
        return tern_error_set(&ctx->error, TERN_ERR_ARGUMENT,
                              "no device %s (%s%s%sthere are cpu, ref, meta, cuda, cuda-sim)",
                              device, nearest ? "did you mean " : "", nearest ? nearest : "",
                              nearest ? "? " : "");
    }
    if (!tern_registry_backend(&ctx->registry, device) &&
        !load_device_plugin(ctx, device, opts->plugins))
        return false;
    ctx->backend = tern_registry_backend(&ctx->registry, device);
    if (!ctx->backend)
        return tern_error_set(&ctx->error, TERN_ERR_MISSING,
                              "the plugin of device %s registered no such backend", device);
    ctx->backend_state = ctx->backend->open(&ctx->error);
    return ctx->backend_state != NULL;
}

/* The arena may grow up to all of the machine's memory without moving. */
static size_t arena_limit(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (size_t)pages * (size_t)page : (size_t)8 << 30;
}

tern_ctx *tern_ctx_new(tern_ctx_opts opts, tern_error *error)
{
    tern_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx) {
        tern_error_set(error, TERN_ERR_MEMORY, "no memory for a context");
        return NULL;
    }
    ctx->seed = opts.seed;
    ctx->poison = opts.poison;
    ctx->param_version = 1;
    ctx->nil = (tern_tensor){ .ctx = ctx, .rank = 1, .buffer = -1, .name = "nil" };
    ctx->simd = opts.simd;
    if (choose_backend(ctx, &opts)) {
        int threads = strcmp(ctx->backend->name, "cpu") == 0 ? opts.threads : 1;
        ctx->pool = tern_pool_new(threads, &ctx->error);
        tern_region_reserve(ctx, &ctx->arena, arena_limit());
    }
    if (ctx->error.code) {
        tern_error_set(error, ctx->error.code, "%s", ctx->error.message);
        tern_ctx_free(ctx);
        return NULL;
    }
    return ctx;
}

void tern_ctx_free(tern_ctx *ctx)
{
    if (!ctx)
        return;
    tern_observe_context_end(ctx);
    tern_pool_free(ctx->pool);
    for (int i = 0; i < ctx->kept_count; i++)
        tern_region_release(ctx, &ctx->kept[i]);
    tern_packings_close(ctx);
    tern_params_close(ctx);
    tern_region_release(ctx, &ctx->arena);
    for (int i = 0; i < ctx->plan_count; i++)
        tern_plan_free(&ctx->plans[i]);
    tern_trace_free(&ctx->trace);
    tern_bump_free(&ctx->step_memory);
    tern_bump_free(&ctx->older_step_memory);
    tern_bump_free(&ctx->lasting_memory);
    free(ctx->plans);
    free(ctx->kept);
    free(ctx->tape);
    free(ctx->providers);
    free(ctx->staging);
    if (ctx->backend_state)
        ctx->backend->close(ctx->backend_state);
    tern_registry_free(&ctx->registry);
    free(ctx);
}

/* ------------------------------------------------------------- status -- */

bool tern_ok(const tern_ctx *ctx)
{
    return ctx->error.code == TERN_OK;
}

const tern_error *tern_ctx_error(const tern_ctx *ctx)
{
    return &ctx->error;
}

void tern_clear_error(tern_ctx *ctx)
{
    ctx->error = (tern_error){ 0 };
    ctx->op = ctx->op_scope = NULL;
    ctx->scope_depth = 0;
    ctx->scope_overflow = 0;
    ctx->scope[0] = '\0';
}

void tern_on_error(tern_ctx *ctx, void (*callback)(const tern_error *error, void *user), void *user)
{
    ctx->on_error = callback;
    ctx->on_error_user = user;
}

/* "model.block2: linear: " and the message */
static void set_error(tern_ctx *ctx, tern_status code, const char *format, va_list arguments)
{
    char text[TERN_MESSAGE_BYTES];
    const char *scope = ctx->op_scope ? ctx->op_scope : ctx->scope, *op = ctx->op ? ctx->op : "";
    if (ctx->error.code)
        return;
    ctx->step_failed = true;
    vsnprintf(text, sizeof text, format, arguments);
    tern_error_set(&ctx->error, code, "%s%s%s%s%s", scope, *scope ? ": " : "", op,
                   *op ? ": " : "", text);
    if (ctx->on_error)
        ctx->on_error(&ctx->error, ctx->on_error_user);
}

void tern_fail(tern_ctx *ctx, tern_status code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set_error(ctx, code, format, arguments);
    va_end(arguments);
}

bool tern_fail_with(tern_ctx *ctx, const tern_error *error)
{
    if (error->code)
        tern_fail(ctx, error->code, "%s", error->message);
    return tern_ok(ctx);
}

void tern_call_fail(tern_call *call, tern_status code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set_error(call->ctx, code, format, arguments);
    va_end(arguments);
}

void tern_scope_push(tern_ctx *ctx, const char *format, ...)
{
    char part[96];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(part, sizeof part, format, arguments);
    va_end(arguments);
    size_t used = strlen(ctx->scope), more = strlen(part) + (used > 0);
    if (ctx->scope_depth == TERN_SCOPE_DEPTH || used + more >= TERN_SCOPE_BYTES) {
        ctx->scope_overflow++; /* deeper parts are left out of messages */
        return;
    }
    ctx->scope_ends[ctx->scope_depth++] = (int)used;
    snprintf(ctx->scope + used, TERN_SCOPE_BYTES - used, "%s%s", used ? "." : "", part);
    ctx->step_scope = NULL;
}

void tern_scope_pop(tern_ctx *ctx)
{
    if (ctx->scope_overflow)
        ctx->scope_overflow--;
    else if (ctx->scope_depth)
        ctx->scope[ctx->scope_ends[--ctx->scope_depth]] = '\0';
    else
        tern_fail(ctx, TERN_ERR_STATE, "tern_scope_pop without a tern_scope_push");
    ctx->step_scope = NULL;
}

const char *tern_scope_path(const tern_ctx *ctx)
{
    return ctx->scope;
}

/* ------------------------------------------------------------ choices -- */

const char *tern_device(const tern_ctx *ctx)
{
    return ctx->backend->name;
}

tern_dtype tern_real_type(const tern_ctx *ctx)
{
    return ctx->backend->real;
}

const char *tern_simd_level(const tern_ctx *ctx)
{
    return ctx->simd ? ctx->simd : "none";
}

tern_pool *tern_ctx_pool(tern_ctx *ctx)
{
    return ctx->pool;
}

void *tern_backend_state(tern_ctx *ctx)
{
    return ctx->backend_state;
}

void tern_add_impl(tern_ctx *ctx, const tern_impl *impl)
{
    tern_registry_add_impl(&ctx->registry, impl);
    memset(ctx->impl_cache, 0, sizeof ctx->impl_cache);
    if (ctx->registry.out_of_memory)
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory to register %s", impl->op);
}

void tern_add_op(tern_ctx *ctx, const tern_op *op)
{
    tern_registry_add_op(&ctx->registry, op);
    if (ctx->registry.out_of_memory)
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory to register op %s", op->name);
    else if (ctx->registry.taken)
        tern_fail(ctx, TERN_ERR_ARGUMENT, "there is an op %s already; give yours another name",
                  ctx->registry.taken);
    ctx->registry.taken = NULL;
}

void tern_load_plugin(tern_ctx *ctx, const char *path)
{
    tern_error error = { 0 };
    if (tern_ok(ctx) && !tern_registry_load(&ctx->registry, path, &error))
        tern_fail(ctx, error.code, "%s", error.message);
    memset(ctx->impl_cache, 0, sizeof ctx->impl_cache);
}

const tern_op *tern_plugin_op(const tern_ctx *ctx, int index)
{
    return index < ctx->registry.op_count ? ctx->registry.ops[index] : NULL;
}

const tern_impl *tern_impl_at(const tern_ctx *ctx, int index)
{
    return index < ctx->registry.impl_count ? ctx->registry.impls[index] : NULL;
}

static void fail_provider(tern_ctx *ctx, const char *op, const char *provider)
{
    enum { MOST = 32 };
    const char *names[MOST], *nearest;
    int count = 0;
    for (int i = 0; i < ctx->registry.impl_count && count < MOST; i++) {
        const tern_impl *impl = ctx->registry.impls[i];
        if (strcmp(impl->op, op) == 0 && strcmp(impl->backend, ctx->backend->name) == 0)
            names[count++] = impl->provider;
    }
    nearest = tern_nearest_name(provider, names, count);
    tern_fail(ctx, TERN_ERR_MISSING, "%s has no provider %s on %s%s%s%s", op, provider,
              ctx->backend->name, nearest ? ", did you mean " : "", nearest ? nearest : "",
              nearest ? "?" : "");
}

void tern_set_provider(tern_ctx *ctx, const char *op, const char *provider)
{
    if (!tern_ok(ctx))
        return;
    if (!op || !provider) {
        tern_fail(ctx, TERN_ERR_ARGUMENT, "tern_set_provider: the name of the %s is NULL",
                  op ? "provider" : "op");
        return;
    }
    if (!tern_registry_impl(&ctx->registry, op, ctx->backend->name, provider)) {
        fail_provider(ctx, op, provider);
        return;
    }
    tern_provider_choice *grown = realloc(
        ctx->providers, (size_t)(ctx->provider_count + 1) * sizeof *grown);
    const char *op_name = tern_bump_text(&ctx->lasting_memory, op);
    const char *provider_name = tern_bump_text(&ctx->lasting_memory, provider);
    if (grown)
        ctx->providers = grown;
    if (!grown || !op_name || !provider_name) {
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory to choose provider %s", provider);
        return;
    }
    ctx->providers[ctx->provider_count++] = (tern_provider_choice){ op_name, provider_name };
    memset(ctx->impl_cache, 0, sizeof ctx->impl_cache);
}

tern_memory_report tern_memory(const tern_ctx *ctx)
{
    tern_memory_report report = {
        .arena_bytes = ctx->trace.end,
        .param_bytes = ctx->store.region.committed + ctx->store.state_region.committed +
                       ctx->store.average_region.committed - ctx->store.given_back,
        .kept_bytes = ctx->kept_bytes,
        .host_allocations = ctx->allocations + ctx->trace.allocations +
                            ctx->step_memory.allocations + ctx->older_step_memory.allocations +
                            ctx->lasting_memory.allocations,
    };
    for (int32_t i = 0; i < ctx->trace.count; i++)
        report.unplanned_bytes += ctx->trace.buffers[i].bytes;
    for (int i = 0; i < ctx->packing_count; i++)
        report.packed_bytes += ctx->packings[i].memory.committed;
    return report;
}

double tern_step_flops(const tern_ctx *ctx)
{
    return ctx->step_cost.flops;
}

double tern_step_backward_flops(const tern_ctx *ctx)
{
    return ctx->backward_cost.flops;
}

double tern_step_bytes(const tern_ctx *ctx)
{
    return ctx->step_cost.bytes;
}

double tern_step_backward_bytes(const tern_ctx *ctx)
{
    return ctx->backward_cost.bytes;
}

double tern_step_executed_flops(const tern_ctx *ctx)
{
    return ctx->step_cost.executed;
}

double tern_step_backward_executed_flops(const tern_ctx *ctx)
{
    return ctx->backward_cost.executed;
}
