#include "core/packing.h"

#include <stdlib.h>
#include <string.h>

#include "core/context_private.h"

bool tern_packing_is_kept(const tern_call *call, int input)
{
    const tern_tensor *weight = call->in[input];
    return weight && weight->is_param && !call->ctx->training && !call->ctx->recording;
}

static tern_packing_slot *find(tern_ctx *ctx, const tern_tensor *weight, const char *order)
{
    for (int i = 0; i < ctx->packing_count; i++) {
        tern_packing_slot *slot = &ctx->packings[i];
        if (slot->weight == weight && strcmp(slot->order, order) == 0)
            return slot;
    }
    return NULL;
}

static tern_packing_slot *add(tern_ctx *ctx, const tern_tensor *weight, const char *order,
                              size_t bytes)
{
    tern_packing_slot *grown =
        realloc(ctx->packings, (size_t)(ctx->packing_count + 1) * sizeof *grown);
    if (!grown) {
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory for the list of packed weights");
        return NULL;
    }
    ctx->packings = grown;
    ctx->allocations++;
    tern_packing_slot *slot = &grown[ctx->packing_count];
    *slot = (tern_packing_slot){ .weight = weight, .order = order };
    /* Something of it even for no bytes, so that there is an address. */
    if (!tern_region_reserve(ctx, &slot->memory, bytes + TERN_BUFFER_ALIGNMENT) ||
        !tern_region_commit(ctx, &slot->memory, bytes + TERN_BUFFER_ALIGNMENT)) {
        tern_region_release(ctx, &slot->memory);
        return NULL;
    }
    ctx->packing_count++;
    return slot;
}

void *tern_packing(tern_call *call, int input, const char *order, size_t bytes, bool *stale)
{
    tern_ctx *ctx = call->ctx;
    const tern_tensor *weight = call->in[input];
    tern_packing_slot *slot = find(ctx, weight, order);
    bool is_last = tern_is_discarded(ctx, weight) && slot && slot->version;
    *stale = false;
    if (!is_last && !tern_has_values(ctx, weight))
        return NULL;
    if (!slot && !(slot = add(ctx, weight, order, bytes)))
        return NULL;
    /* Values that were discarded have not changed since; a write would have brought others. */
    *stale = !is_last && slot->version != ctx->param_version;
    slot->version = ctx->param_version;
    return slot->memory.base;
}

bool tern_packings_are_made(tern_ctx *ctx, const tern_tensor *weight)
{
    bool made = false;
    for (int i = 0; i < ctx->packing_count; i++) {
        tern_packing_slot *slot = &ctx->packings[i];
        if (slot->weight != weight)
            continue;
        if (slot->version == ctx->param_version)
            made = true;
        else
            slot->version = 0;
    }
    return made;
}

static bool holds(const tern_region *region, const void *address)
{
    const char *at = address, *base = region->base;
    return at && base && at >= base && at < base + region->committed;
}

void tern_note_write(tern_ctx *ctx, const tern_tensor *tensor)
{
    if (holds(&ctx->store.region, tensor->data) || holds(&ctx->store.average_region, tensor->data))
        tern_note_param_change(ctx);
}

void tern_note_param_change(tern_ctx *ctx)
{
    ctx->param_version++;
}

void tern_packings_close(tern_ctx *ctx)
{
    for (int i = 0; i < ctx->packing_count; i++)
        tern_region_release(ctx, &ctx->packings[i].memory);
    free(ctx->packings);
    ctx->packings = NULL;
    ctx->packing_count = 0;
}
