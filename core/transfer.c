/* Host values in and out, with conversion between their type and the device's. */
#include "core/context_private.h"
#include "core/convert.h"

#include <stdlib.h>
#include <string.h>

/* Room for conversions, also of empty tensors; grows, never shrinks. */
static void *staging(tern_ctx *ctx, size_t bytes)
{
    if (bytes > ctx->staging_bytes || !ctx->staging) {
        void *grown = realloc(ctx->staging, bytes + 1);
        if (!grown) {
            tern_fail(ctx, TERN_ERR_MEMORY, "no memory for %zu bytes of staging", bytes);
            return NULL;
        }
        ctx->staging = grown;
        ctx->staging_bytes = bytes;
        ctx->allocations++;
    }
    return ctx->staging;
}

static bool convert(tern_ctx *ctx, const tern_tensor *tensor, void *to, tern_dtype to_type,
                    const void *from, tern_dtype from_type)
{
    tern_error error = { 0 };
    tern_values values = { .name = tensor->name, .dtype = from_type, .rank = tensor->rank,
                           .count = tensor->count, .data = from };
    memcpy(values.shape, tensor->shape, sizeof values.shape);
    if (!tern_convert(&values, to_type, to, &error))
        tern_fail_with(ctx, &error);
    return tern_ok(ctx);
}

bool tern_upload(tern_ctx *ctx, tern_tensor *tensor, tern_dtype host_dtype, const void *host)
{
    size_t bytes = tern_tensor_bytes(tensor);
    if (tern_is_idle(ctx) || bytes == 0)
        return true;
    if (!host) {
        tern_fail(ctx, TERN_ERR_ARGUMENT, "%s: no host values given",
                  tensor->name ? tensor->name : "input");
        return false;
    }
    const void *source = host;
    if (host_dtype != tensor->dtype) {
        void *to = ctx->backend->host_memory ? tensor->data : staging(ctx, bytes);
        if (!to || !convert(ctx, tensor, to, tensor->dtype, host, host_dtype))
            return false;
        if (ctx->backend->host_memory)
            return true;
        source = to;
    }
    return tern_device_copy_in(ctx, tensor->data, source, bytes);
}

static tern_dtype device_type(const tern_ctx *ctx, tern_dtype host_dtype)
{
    if (tern_dtype_is_real(host_dtype))
        return ctx->backend->real;
    return host_dtype == TERN_I64 ? TERN_I32 : host_dtype;
}

static tern_tensor *input(tern_ctx *ctx, const char *name, tern_dtype host_dtype, int rank,
                          const int64_t *shape, const void *host)
{
    if (name && !(name = tern_bump_text(&ctx->step_memory, name)))
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory for an input's name");
    tern_tensor *tensor = tern_new_header(ctx, name, device_type(ctx, host_dtype), rank, shape);
    if (!tern_ok(ctx))
        return &ctx->nil;
    if (!tern_allocate(ctx, tensor) || !tern_upload(ctx, tensor, host_dtype, host))
        return &ctx->nil;
    return tensor;
}

tern_tensor *tern_input(tern_ctx *ctx, const char *name, tern_dtype host_dtype, int rank,
                        const int64_t *shape, const void *host)
{
    if (!tern_ok(ctx))
        return &ctx->nil;
    tern_span_begin(ctx->observer, "upload");
    tern_tensor *tensor = input(ctx, name, host_dtype, rank, shape, host);
    tern_span_end(ctx->observer);
    return tensor;
}

void *tern_step_scratch(tern_ctx *ctx, size_t bytes)
{
    void *memory = tern_ok(ctx) ? tern_bump_alloc(&ctx->step_memory, bytes) : NULL;
    if (!memory && tern_ok(ctx))
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory for %zu bytes of a step's inputs", bytes);
    return memory;
}

tern_tensor *tern_full(tern_ctx *ctx, int rank, const int64_t *shape, double value)
{
    if (!tern_ok(ctx))
        return &ctx->nil;
    tern_tensor *tensor = tern_new_header(ctx, "full", ctx->backend->real, rank, shape);
    if (!tern_ok(ctx) || !tern_allocate(ctx, tensor))
        return &ctx->nil;
    if (tern_is_idle(ctx))
        return tensor;
    double *values = staging(ctx, (size_t)tensor->count * 2 * sizeof *values);
    if (!values)
        return &ctx->nil;
    /* The second half of the staging memory: the first serves the conversion. */
    double *source = values + tensor->count;
    for (int64_t i = 0; i < tensor->count; i++)
        source[i] = value;
    return tern_upload(ctx, tensor, TERN_F64, source) ? tensor : &ctx->nil;
}

void tern_read(tern_ctx *ctx, const tern_tensor *tensor, tern_dtype host_dtype, void *host)
{
    size_t bytes = tensor ? tern_tensor_bytes(tensor) : 0;
    if (bytes && host)
        memset(host, 0, (size_t)tensor->count * tern_dtype_size(host_dtype));
    if (!tern_touch_given(ctx, "tern_read", tensor) || tern_is_idle(ctx) || bytes == 0)
        return;
    if (!host) {
        tern_fail(ctx, TERN_ERR_ARGUMENT, "%s: no host memory given to read into",
                  tensor->name ? tensor->name : "a tensor");
        return;
    }
    if (!tern_device_synchronise(ctx))
        return;
    const void *source = tensor->data;
    if (!ctx->backend->host_memory) {
        void *copy = staging(ctx, bytes);
        if (!copy || !tern_device_copy_out(ctx, copy, tensor->data, bytes))
            return;
        source = copy;
    }
    convert(ctx, tensor, host, host_dtype, source, tensor->dtype);
}

double tern_read_scalar(tern_ctx *ctx, const tern_tensor *tensor)
{
    double value = 0;
    if (!tern_touch_given(ctx, "tern_read_scalar", tensor))
        return 0;
    if (tensor->count != 1) {
        char text[TERN_SHAPE_TEXT];
        tern_fail(ctx, TERN_ERR_SHAPE, "tern_read_scalar: one element is wanted, %s is %s",
                  tensor->name ? tensor->name : "the tensor", tern_shape_text(tensor, text));
        return 0;
    }
    tern_read(ctx, tensor, TERN_F64, &value);
    return value;
}

void tern_write(tern_ctx *ctx, tern_tensor *tensor, tern_dtype host_dtype, const void *host)
{
    if (!tern_touch_to_write(ctx, "tern_write", tensor))
        return;
    if (tensor->step) {
        tern_fail(ctx, TERN_ERR_STATE, "tern_write: %s is of this step, ops may have used it: only "
                                       "parameters, states and kept tensors are overwritten",
                  tensor->name ? tensor->name : "the tensor");
        return;
    }
    if (tern_is_discarded(ctx, tensor)) {
        tern_overwrite_discarded(ctx, tensor, host_dtype, host);
        return;
    }
    tern_note_write(ctx, tensor);
    tern_upload(ctx, tensor, host_dtype, host);
}

tern_tensor *tern_keep(tern_ctx *ctx, const tern_tensor *tensor)
{
    if (!tern_touch_given(ctx, "tern_keep", tensor))
        return &ctx->nil;
    tern_region *grown = realloc(ctx->kept, (size_t)(ctx->kept_count + 1) * sizeof *ctx->kept);
    if (grown)
        ctx->kept = grown;
    tern_tensor *kept = tern_bump_alloc(&ctx->lasting_memory, sizeof *kept);
    if (!grown || !kept) {
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory to keep a tensor");
        return &ctx->nil;
    }
    *kept = *tensor;
    kept->step = 0;
    kept->buffer = -1;
    kept->grad = NULL;
    kept->requires_grad = false;
    if (kept->name && !(kept->name = tern_bump_text(&ctx->lasting_memory, kept->name))) {
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory to keep a tensor");
        return &ctx->nil;
    }
    size_t bytes = tern_tensor_bytes(tensor) + TERN_BUFFER_ALIGNMENT;
    tern_region *region = &ctx->kept[ctx->kept_count];
    *region = (tern_region){ 0 };
    if (!tern_region_reserve(ctx, region, bytes))
        return &ctx->nil;
    ctx->kept_count++;
    if (!tern_region_commit(ctx, region, bytes))
        return &ctx->nil;
    ctx->kept_bytes += bytes;
    kept->data = region->base;
    if (!tern_is_idle(ctx))
        tern_device_copy(ctx, kept->data, tensor->data, tern_tensor_bytes(tensor));
    return kept;
}
