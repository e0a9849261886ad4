/* Declaring parameters, and their initial values; see params.h. */
#include "core/context_private.h"
#include "core/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------- declaring -- */

static bool name_is_taken(const tern_param_slot *slots, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(slots[i].tensor->name, name) == 0)
            return true;
    return false;
}

static tern_param_slot *new_slot(tern_ctx *ctx, tern_param_slot **slots, int *count, int *capacity)
{
    if (*count == *capacity) {
        int more = *capacity ? 2 * *capacity : 64;
        tern_param_slot *grown = realloc(*slots, (size_t)more * sizeof *grown);
        if (!grown) {
            tern_fail(ctx, TERN_ERR_MEMORY, "no memory for the list of parameters");
            return NULL;
        }
        *slots = grown;
        *capacity = more;
        ctx->allocations++;
    }
    return &(*slots)[*count];
}

static tern_tensor *new_lasting(tern_ctx *ctx, const char *name, int rank, const int64_t *shape)
{
    char full[TERN_PARAM_NAME_BYTES];
    if (!name || !*name) {
        tern_fail(ctx, TERN_ERR_ARGUMENT, "a parameter is declared without a name");
        return NULL;
    }
    snprintf(full, sizeof full, "%s%s%s", ctx->scope, *ctx->scope ? "." : "", name);
    if (rank < 0 || rank > TERN_MAX_RANK) {
        tern_fail(ctx, TERN_ERR_SHAPE, "parameter %s has rank %d, 0 to %d are possible", full, rank,
                  TERN_MAX_RANK);
        return NULL;
    }
    if (rank && !shape) {
        tern_fail(ctx, TERN_ERR_ARGUMENT, "parameter %s has rank %d, but its shape is NULL", full,
                  rank);
        return NULL;
    }
    if (ctx->store.laid_out) {
        tern_fail(ctx, TERN_ERR_STATE, "parameter %s is declared after tern_params_freeze", full);
        return NULL;
    }
    if (name_is_taken(ctx->store.params, ctx->store.param_count, full) ||
        name_is_taken(ctx->store.states, ctx->store.state_count, full)) {
        tern_fail(ctx, TERN_ERR_ARGUMENT, "two parameters are called %s", full);
        return NULL;
    }
    tern_tensor *tensor = tern_bump_alloc(&ctx->lasting_memory, sizeof *tensor);
    char *kept_name = tern_bump_text(&ctx->lasting_memory, full);
    if (!tensor || !kept_name) {
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory for parameter %s", full);
        return NULL;
    }
    *tensor = (tern_tensor){ .ctx = ctx, .dtype = ctx->backend->real, .rank = rank,
                             .name = kept_name, .buffer = -1 };
    for (int axis = 0; axis < rank; axis++)
        tensor->shape[axis] = shape[axis];
    return tern_count_elements(ctx, tensor) ? tensor : NULL;
}

tern_tensor *tern_param(tern_ctx *ctx, const char *name, int rank, const int64_t *shape,
                        tern_param_opts opts)
{
    tern_param_store *store = &ctx->store;
    char text[TERN_SHAPE_TEXT];
    if (!tern_ok(ctx))
        return &ctx->nil;
    tern_tensor *tensor = new_lasting(ctx, name, rank, shape);
    tern_param_slot *slot =
        tensor ? new_slot(ctx, &store->params, &store->param_count, &store->param_capacity) : NULL;
    if (!slot)
        return &ctx->nil;
    const char *problem = tern_init_problem(&opts.init, rank, shape);
    if (problem) {
        tern_fail(ctx, TERN_ERR_OPTION, "parameter %s %s: %s", tensor->name,
                  tern_shape_text(tensor, text), problem);
        return &ctx->nil;
    }
    tensor->requires_grad = true;
    tensor->is_param = true;
    *slot = (tern_param_slot){ .tensor = tensor, .opts = opts,
                               .group = { .lr_scale = 1, .has_weight_decay = opts.no_decay } };
    store->param_count++;
    return tensor;
}

tern_tensor *tern_state(tern_ctx *ctx, const char *name, int rank, const int64_t *shape,
                        double initial)
{
    tern_param_store *store = &ctx->store;
    if (!tern_ok(ctx))
        return &ctx->nil;
    tern_tensor *tensor = new_lasting(ctx, name, rank, shape);
    tern_param_slot *slot =
        tensor ? new_slot(ctx, &store->states, &store->state_count, &store->state_capacity) : NULL;
    if (!slot)
        return &ctx->nil;
    *slot = (tern_param_slot){ .tensor = tensor, .initial = initial,
                               .offset = store->state_elements };
    store->state_elements += tern_padded(tensor->count);
    store->state_count++;
    return tensor;
}

/* ----------------------------------------------------------- freezing -- */

/* FNV-1a, to give each parameter name a random stream of its own. */
static uint64_t hash_name(const char *name)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001B3u;
    return hash;
}

/* The parameter whose random stream is used: its own, or its sibling's. */
static uint64_t stream_of(const tern_param_slot *slot)
{
    char sibling[TERN_PARAM_NAME_BYTES];
    const char *name = slot->tensor->name, *dot = strrchr(name, '.');
    if (!slot->opts.init_like)
        return hash_name(name);
    snprintf(sibling, sizeof sibling, "%.*s%s", dot ? (int)(dot + 1 - name) : 0, name,
             slot->opts.init_like);
    return hash_name(sibling);
}

static tern_rng rng_of(const tern_ctx *ctx, const tern_param_slot *slot)
{
    uint64_t hash = stream_of(slot);
    return tern_rng_make(ctx->seed, TERN_STREAM_INIT | (uint32_t)(hash & 0x0FFFFFFFu),
                         (uint32_t)(hash >> 32));
}

/* Piece by piece: a second copy of the largest parameter, in float64, would be what the
 * whole program ever needs most memory for. */
static bool write_values(tern_ctx *ctx, const tern_param_slot *slot, bool is_state)
{
    enum { PIECE = 2048 };
    double values[PIECE];
    const tern_tensor *whole = slot->tensor;
    tern_tensor part = *whole;
    tern_rng rng = rng_of(ctx, slot);
    if (tern_is_idle(ctx))
        return true;
    part.rank = 1;
    for (int64_t first = 0; first < whole->count; first += PIECE) {
        part.shape[0] = part.count = whole->count - first < PIECE ? whole->count - first : PIECE;
        part.data = (char *)whole->data + (size_t)first * tern_dtype_size(whole->dtype);
        for (int64_t i = 0; is_state && i < part.count; i++)
            values[i] = slot->initial;
        if (!is_state)
            tern_init_draw(&slot->opts.init, whole->rank, whole->shape, &rng, first, part.count,
                           values);
        if (!tern_upload(ctx, &part, TERN_F64, values))
            return false;
    }
    return true;
}

static bool attach_grad(tern_ctx *ctx, const tern_param_slot *slot)
{
    tern_tensor *grad = tern_bump_alloc(&ctx->lasting_memory, sizeof *grad);
    if (!grad) {
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory for the gradient of %s", slot->tensor->name);
        return false;
    }
    *grad = *slot->tensor;
    grad->data = tern_block_address(ctx, TERN_BLOCK_GRAD, slot->offset);
    grad->is_param = false;
    grad->requires_grad = false;
    slot->tensor->grad = grad;
    return true;
}

static bool begin_params(tern_ctx *ctx)
{
    for (int i = 0; i < ctx->store.param_count; i++) {
        const tern_param_slot *slot = &ctx->store.params[i];
        bool trained = !slot->group.frozen && !ctx->inference_only;
        slot->tensor->data = tern_block_address(ctx, TERN_BLOCK_VALUE, slot->offset);
        slot->tensor->requires_grad = trained;
        if ((trained && !attach_grad(ctx, slot)) || !write_values(ctx, slot, false))
            return false;
    }
    return true;
}

static bool begin_states(tern_ctx *ctx)
{
    for (int i = 0; i < ctx->store.state_count; i++) {
        const tern_param_slot *slot = &ctx->store.states[i];
        slot->tensor->data = tern_state_address(ctx, slot->offset);
        if (!write_values(ctx, slot, true))
            return false;
    }
    return true;
}

void tern_params_freeze(tern_ctx *ctx)
{
    if (!tern_ok(ctx) || ctx->store.laid_out)
        return;
    if (tern_groups_lay_out(ctx) && tern_blocks_reserve(ctx)) {
        ctx->store.laid_out = true;
        if (begin_params(ctx) && begin_states(ctx))
            tern_blocks_make(ctx);
    }
}

/* ------------------------------------------------------------ listing -- */

int tern_param_count(const tern_ctx *ctx)
{
    return ctx->store.param_count;
}

tern_tensor *tern_param_at(const tern_ctx *ctx, int index)
{
    return ctx->store.params[index].tensor;
}

const tern_param_opts *tern_param_opts_at(const tern_ctx *ctx, int index)
{
    return &ctx->store.params[index].opts;
}

int tern_state_count(const tern_ctx *ctx)
{
    return ctx->store.state_count;
}

tern_tensor *tern_state_at(const tern_ctx *ctx, int index)
{
    return ctx->store.states[index].tensor;
}

int64_t tern_param_elements(const tern_ctx *ctx)
{
    int64_t total = 0;
    for (int i = 0; i < ctx->store.param_count; i++)
        total += ctx->store.params[i].tensor->count;
    return total;
}

void tern_params_close(tern_ctx *ctx)
{
    tern_region_release(ctx, &ctx->store.region);
    tern_region_release(ctx, &ctx->store.state_region);
    tern_region_release(ctx, &ctx->store.average_region);
    free(ctx->store.discarded);
    free(ctx->store.params);
    free(ctx->store.states);
    ctx->store = (tern_param_store){ 0 };
}
