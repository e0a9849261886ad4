/* The blocks that parameters and state lie in, and their moving average; see params.h. */
#include "core/context_private.h"

/* value, and the three that hold only what is trained */
static size_t region_elements(const tern_ctx *ctx)
{
    const tern_param_store *store = &ctx->store;
    return store->elements + (ctx->inference_only ? 0 : 3 * store->trained);
}

static bool reserve(tern_ctx *ctx, tern_region *region, size_t elements)
{
    size_t bytes = elements * tern_dtype_size(ctx->backend->real) + TERN_BUFFER_ALIGNMENT;
    return tern_region_reserve(ctx, region, bytes) && tern_region_commit(ctx, region, bytes);
}

bool tern_blocks_reserve(tern_ctx *ctx)
{
    tern_param_store *store = &ctx->store;
    size_t elements = region_elements(ctx), size = tern_dtype_size(ctx->backend->real);
    if (!reserve(ctx, &store->region, elements) ||
        !reserve(ctx, &store->state_region, store->state_elements) || !tern_discard_prepare(ctx))
        return false;
    return !ctx->backend->computes || ctx->backend->host_memory || /* pages that are zero */
           tern_device_fill(ctx, store->region.base, 0, elements * size);
}

static void *address(const tern_ctx *ctx, const tern_region *region, size_t elements)
{
    if (!ctx->backend->computes || !region->base)
        return NULL;
    return (char *)region->base + elements * tern_dtype_size(ctx->backend->real);
}

void *tern_block_address(const tern_ctx *ctx, tern_block block, size_t offset)
{
    const tern_param_store *store = &ctx->store;
    if (block == TERN_BLOCK_AVERAGE)
        return address(ctx, &store->average_region, offset);
    if (block != TERN_BLOCK_VALUE)
        offset += store->elements + (size_t)(block - TERN_BLOCK_GRAD) * store->trained;
    return address(ctx, &store->region, offset);
}

void *tern_state_address(const tern_ctx *ctx, size_t offset)
{
    return address(ctx, &ctx->store.state_region, offset);
}

static void *state_average_address(const tern_ctx *ctx, size_t offset)
{
    return address(ctx, &ctx->store.average_region, ctx->store.trained + offset);
}

/* ------------------------------------------------------- flat tensors -- */

static tern_tensor *flat(tern_ctx *ctx, const char *name, void *data, size_t elements)
{
    tern_tensor *tensor = tern_bump_alloc(&ctx->lasting_memory, sizeof *tensor);
    if (!tensor) {
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory for the header of block %s", name);
        return &ctx->nil;
    }
    *tensor = (tern_tensor){ .ctx = ctx, .dtype = ctx->backend->real, .rank = 1,
                             .shape = { (int64_t)elements }, .count = (int64_t)elements,
                             .name = name, .buffer = -1, .data = data };
    return tensor;
}

static tern_tensor *part_of(tern_ctx *ctx, tern_block block, size_t begin, size_t end)
{
    static const char *const names[] = { "param.value", "param.grad", "param.moment1",
                                         "param.moment2", "param.average" };
    return flat(ctx, names[block], tern_block_address(ctx, block, begin), end - begin);
}

void tern_blocks_make(tern_ctx *ctx)
{
    const tern_param_store *store = &ctx->store;
    tern_param_blocks *blocks = &ctx->store.blocks;
    if (ctx->inference_only)
        return;
    blocks->value = part_of(ctx, TERN_BLOCK_VALUE, 0, store->trained);
    blocks->grad = part_of(ctx, TERN_BLOCK_GRAD, 0, store->trained);
    blocks->moment1 = part_of(ctx, TERN_BLOCK_MOMENT1, 0, store->trained);
    blocks->moment2 = part_of(ctx, TERN_BLOCK_MOMENT2, 0, store->trained);
    blocks->state = flat(ctx, "state", tern_state_address(ctx, 0), store->state_elements);
    for (int g = 0; g < blocks->group_count; g++) {
        tern_param_group *group = &blocks->groups[g];
        size_t begin = g ? store->group_ends[g - 1] : 0, end = store->group_ends[g];
        group->value = part_of(ctx, TERN_BLOCK_VALUE, begin, end);
        group->grad = part_of(ctx, TERN_BLOCK_GRAD, begin, end);
        group->moment1 = part_of(ctx, TERN_BLOCK_MOMENT1, begin, end);
        group->moment2 = part_of(ctx, TERN_BLOCK_MOMENT2, begin, end);
    }
}

const tern_param_blocks *tern_blocks(tern_ctx *ctx)
{
    tern_param_blocks *blocks = &ctx->store.blocks;
    if (blocks->state)
        return blocks;
    blocks->value = blocks->grad = blocks->moment1 = blocks->moment2 = &ctx->nil;
    if (tern_ok(ctx))
        tern_fail(ctx, TERN_ERR_STATE,
                  ctx->inference_only
                      ? "there are no parameter blocks after tern_set_inference_only"
                      : "parameter blocks are there after tern_params_freeze");
    return blocks;
}

static tern_tensor slice(const tern_tensor *tensor, void *data)
{
    tern_tensor view = *tensor;
    view.data = data;
    view.grad = NULL;
    view.requires_grad = view.is_param = false;
    return view;
}

tern_tensor tern_param_slice(tern_ctx *ctx, int index, tern_block block)
{
    const tern_param_slot *slot = &ctx->store.params[index];
    if (((slot->group.frozen || ctx->inference_only) && block != TERN_BLOCK_VALUE) ||
        (block == TERN_BLOCK_AVERAGE && !ctx->store.blocks.average))
        return ctx->nil;
    return slice(slot->tensor, tern_block_address(ctx, block, slot->offset));
}

/* ------------------------------------------------------------ average -- */

tern_tensor tern_state_average(tern_ctx *ctx, int index)
{
    const tern_param_slot *slot = &ctx->store.states[index];
    if (!ctx->store.blocks.average)
        return ctx->nil;
    return slice(slot->tensor, state_average_address(ctx, slot->offset));
}

static void copy(tern_ctx *ctx, const tern_tensor *to, const tern_tensor *from)
{
    if (tern_ok(ctx) && ctx->backend->computes)
        tern_device_copy(ctx, to->data, from->data, tern_tensor_bytes(from));
}

void tern_average_begin(tern_ctx *ctx)
{
    tern_param_store *store = &ctx->store;
    tern_param_blocks *blocks = &store->blocks;
    tern_blocks(ctx);
    if (!tern_ok(ctx))
        return;
    if (!blocks->average) {
        if (!reserve(ctx, &store->average_region, store->trained + store->state_elements))
            return;
        blocks->state_average =
            flat(ctx, "state.average", state_average_address(ctx, 0), store->state_elements);
        blocks->average = part_of(ctx, TERN_BLOCK_AVERAGE, 0, store->trained);
    }
    copy(ctx, blocks->average, blocks->value);
    copy(ctx, blocks->state_average, blocks->state);
    tern_note_param_change(ctx); /* parameters may hold their averages */
}

void tern_average_use(tern_ctx *ctx, bool use)
{
    tern_param_store *store = &ctx->store;
    if (!tern_ok(ctx))
        return;
    if (use && !store->blocks.average) {
        tern_fail(ctx, TERN_ERR_STATE, "there is no average before tern_average_begin");
        return;
    }
    for (int i = 0; i < store->param_count; i++) {
        const tern_param_slot *slot = &store->params[i];
        bool own = !use || slot->group.frozen;
        slot->tensor->data = tern_block_address(ctx, own ? TERN_BLOCK_VALUE : TERN_BLOCK_AVERAGE,
                                                slot->offset);
    }
    for (int i = 0; i < store->state_count; i++) {
        const tern_param_slot *slot = &store->states[i];
        slot->tensor->data = use ? state_average_address(ctx, slot->offset)
                                 : tern_state_address(ctx, slot->offset);
    }
    store->averaged = use;
    tern_note_param_change(ctx);
}
