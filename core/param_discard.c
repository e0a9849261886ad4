/* A context that only infers: parameters without gradients, whose values are given up as
 * soon as a kernel keeps them in its own order (core/packing.h).
 *
 *   values   | w0 .............. | b0 . | w1 ................. | b1 . |
 *   pages    |      |      |      |      |      |      |      |      |
 *   given up          ####   ####                 ####   ####
 *
 * Whole pages go back to the system, so addresses stay, and what is read there would be
 * zeros.  Therefore a bit for each 16 elements (every segment begins on such a boundary)
 * says which segments are discarded, and everything that reads a tensor asks by its address:
 * reshaped headers and slices are seen through, too. */
#include "core/context_private.h"
#include "core/packing.h"

#include <stdlib.h>

enum { UNIT = 16, WORD = 64 }; /* elements of a segment's boundary; units of a word */

void tern_set_inference_only(tern_ctx *ctx)
{
    if (!tern_ok(ctx))
        return;
    if (ctx->store.laid_out)
        tern_fail(ctx, TERN_ERR_STATE,
                  "tern_set_inference_only after tern_params_freeze, which has laid out gradients");
    else if (ctx->training || ctx->recording)
        tern_fail(ctx, TERN_ERR_STATE, "tern_set_inference_only in %s: switch it off before",
                  ctx->training ? "training" : "recording");
    else
        ctx->inference_only = true;
}

/* Also lets the kernel map small pages: of a huge one it would keep all that is not given
 * back at once. */
bool tern_discard_prepare(tern_ctx *ctx)
{
    tern_param_store *store = &ctx->store;
    const tern_backend *backend = ctx->backend;
    if (!ctx->inference_only || !backend->computes || !backend->discard)
        return true;
    backend->discard(ctx->backend_state, store->region.base, store->region.committed);
    store->discarded = calloc(store->elements / UNIT / WORD + 1, sizeof *store->discarded);
    ctx->allocations++;
    if (!store->discarded)
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory for the list of discarded parameters");
    return store->discarded != NULL;
}

/* ------------------------------------------------------------- asking -- */

bool tern_is_discarded(const tern_ctx *ctx, const tern_tensor *tensor)
{
    const tern_param_store *store = &ctx->store;
    const char *at = tensor->data, *base = store->region.base;
    size_t element = tern_dtype_size(ctx->backend->real);
    if (!store->discarded || !at || at < base || at >= base + store->elements * element)
        return false;
    size_t unit = (size_t)(at - base) / (UNIT * element);
    return store->discarded[unit / WORD] >> unit % WORD & 1;
}

/* The parameter that begins where the tensor does, or NULL. */
static tern_param_slot *slot_at(tern_ctx *ctx, const tern_tensor *tensor)
{
    tern_param_store *store = &ctx->store;
    for (int i = 0; i < store->param_count; i++)
        if (store->params[i].tensor->data == tensor->data)
            return &store->params[i];
    return NULL;
}

bool tern_has_values(tern_ctx *ctx, const tern_tensor *tensor)
{
    char text[TERN_SHAPE_TEXT];
    if (!tern_is_discarded(ctx, tensor))
        return true;
    const tern_param_slot *slot = slot_at(ctx, tensor);
    const tern_tensor *param = slot ? slot->tensor : tensor;
    tern_fail(ctx, TERN_ERR_STATE,
              "the values of parameter %s %s are discarded: after tern_set_inference_only only "
              "the ops that keep them packed can use them, until tern_write gives new ones",
              param->name, tern_shape_text(param, text));
    return false;
}

uint32_t tern_packed_inputs(const tern_call *call, const tern_impl *impl)
{
    uint32_t packed = 0, kept = 0;
    if (call->ctx->store.discarded && impl && impl->packs)
        packed = impl->packs(call);
    for (int i = 0; packed && i < call->inputs; i++)
        if (tern_packing_is_kept(call, i))
            kept |= 1u << i;
    return packed & kept;
}

/* ---------------------------------------------------- discarding, undoing -- */

static void mark(tern_ctx *ctx, const tern_param_slot *slot, bool discarded)
{
    size_t unit = slot->offset / UNIT;
    uint64_t bit = (uint64_t)1 << unit % WORD, *word = &ctx->store.discarded[unit / WORD];
    *word = discarded ? *word | bit : *word & ~bit;
}

static void discard(tern_ctx *ctx, tern_param_slot *slot)
{
    void *values = slot->tensor->data;
    size_t bytes = tern_tensor_bytes(slot->tensor);
    mark(ctx, slot, true);
    if (ctx->poison) /* whoever reads them all the same shall see it */
        tern_device_fill(ctx, values, 0xFF, bytes);
    else
        slot->given_back = ctx->backend->discard(ctx->backend_state, values, bytes);
    ctx->store.given_back += slot->given_back;
}

void tern_discard_packed(tern_call *call, uint32_t packed)
{
    tern_ctx *ctx = call->ctx;
    for (int i = 0; packed >> i; i++) {
        const tern_tensor *weight = call->in[i];
        if (!(packed >> i & 1) || weight->count == 0 || tern_is_discarded(ctx, weight) ||
            !tern_packings_are_made(ctx, weight))
            continue;
        tern_param_slot *slot = slot_at(ctx, weight);
        if (slot && slot->tensor == weight)
            discard(ctx, slot);
    }
}

bool tern_overwrite_discarded(tern_ctx *ctx, tern_tensor *tensor, tern_dtype host_dtype,
                              const void *host)
{
    tern_param_slot *slot = slot_at(ctx, tensor);
    if (tern_is_idle(ctx))
        return true;
    if (!slot || slot->tensor->count != tensor->count)
        return tern_has_values(ctx, tensor);
    if (!tern_upload(ctx, tensor, host_dtype, host))
        return false; /* discarded as before, whatever part was written */
    mark(ctx, slot, false);
    ctx->store.given_back -= slot->given_back;
    slot->given_back = 0;
    tern_note_param_change(ctx);
    return true;
}
