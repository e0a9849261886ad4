/* Groups of parameters: chosen by name, then laid out as neighbours; see params.h. */
#include "core/context_private.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

/* ----------------------------------------------------------- choosing -- */

/* "face" fits itself and "face.block1"; a * stands for any characters. */
static bool fits(const char *pattern, const char *name)
{
    char inside[TERN_PARAM_NAME_BYTES];
    snprintf(inside, sizeof inside, "%s.*", pattern);
    return fnmatch(pattern, name, FNM_NOESCAPE) == 0 || fnmatch(inside, name, FNM_NOESCAPE) == 0;
}

/* Of all names, and of the scopes that they lie in, the one that was probably meant. */
static const char *nearest_name(const tern_ctx *ctx, const char *pattern,
                                char best[TERN_PARAM_NAME_BYTES])
{
    char name[TERN_PARAM_NAME_BYTES];
    *best = '\0';
    for (int i = 0; i < ctx->store.param_count; i++) {
        snprintf(name, sizeof name, "%s", ctx->store.params[i].tensor->name);
        for (char *end = name + strlen(name); end; end = strrchr(name, '.')) {
            const char *names[] = { name, best };
            *end = '\0';
            if (tern_nearest_name(pattern, names, *best ? 2 : 1) == name)
                memcpy(best, name, sizeof name);
        }
    }
    return *best ? best : NULL;
}

static bool check_opts(tern_ctx *ctx, const char *pattern, const tern_group_opts *opts)
{
    if (!pattern)
        tern_fail(ctx, TERN_ERR_ARGUMENT, "tern_group_params: the pattern of names is NULL");
    else if (ctx->store.laid_out)
        tern_fail(ctx, TERN_ERR_STATE, "parameters %s are grouped after tern_params_freeze",
                  pattern);
    else if (!(opts->lr_scale >= 0) || !(opts->weight_decay >= 0))
        tern_fail(ctx, TERN_ERR_OPTION,
                  "parameters %s: lr_scale %g and weight_decay %g must not be negative", pattern,
                  opts->lr_scale, opts->weight_decay);
    return tern_ok(ctx);
}

static void put_into_group(tern_param_slot *slot, const tern_group_opts *opts)
{
    if (opts->lr_scale > 0)
        slot->group.lr_scale = opts->lr_scale;
    if (opts->has_weight_decay && !slot->opts.no_decay) {
        slot->group.has_weight_decay = true;
        slot->group.weight_decay = opts->weight_decay;
    }
    if (opts->frozen) {
        slot->group.frozen = slot->tensor->is_frozen = true;
        slot->tensor->requires_grad = false;
    }
}

void tern_group_params(tern_ctx *ctx, const char *pattern, tern_group_opts opts)
{
    char best[TERN_PARAM_NAME_BYTES];
    bool any = false, decays = false;
    if (!tern_ok(ctx) || !check_opts(ctx, pattern, &opts))
        return;
    for (int i = 0; i < ctx->store.param_count; i++) {
        tern_param_slot *slot = &ctx->store.params[i];
        if (!fits(pattern, slot->tensor->name))
            continue;
        put_into_group(slot, &opts);
        any = true;
        decays = decays || !slot->opts.no_decay;
    }
    for (int i = 0; opts.frozen && i < ctx->store.state_count; i++)
        if (fits(pattern, ctx->store.states[i].tensor->name))
            ctx->store.states[i].tensor->is_frozen = true;
    if (!any) {
        const char *nearest = nearest_name(ctx, pattern, best);
        tern_fail(ctx, TERN_ERR_ARGUMENT, "no parameter's name fits %s%s%s%s", pattern,
                  nearest ? ", did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    } else if (!decays && opts.has_weight_decay && opts.weight_decay > 0) {
        tern_fail(ctx, TERN_ERR_OPTION,
                  "weight decay of %s: biases, norms and embeddings never decay, and it fits no "
                  "other parameter", pattern);
    }
}

/* --------------------------------------------------------- laying out -- */

static bool is_of_group(const tern_param_slot *slot, const tern_param_group *group)
{
    const tern_group_opts *opts = &slot->group;
    return !opts->frozen && opts->lr_scale == group->lr_scale &&
           opts->has_weight_decay == group->has_weight_decay &&
           opts->weight_decay == group->weight_decay;
}

/* Groups in the order in which their first parameters were declared. */
static void find_groups(const tern_param_store *store, tern_param_blocks *blocks)
{
    for (int i = 0; i < store->param_count; i++) {
        const tern_param_slot *slot = &store->params[i];
        int g = 0;
        while (g < blocks->group_count && !is_of_group(slot, &blocks->groups[g]))
            g++;
        if (g == blocks->group_count && !slot->group.frozen)
            blocks->groups[blocks->group_count++] =
                (tern_param_group){ .lr_scale = slot->group.lr_scale,
                                    .weight_decay = slot->group.weight_decay,
                                    .has_weight_decay = slot->group.has_weight_decay };
    }
}

static size_t place(tern_param_slot *slot, size_t at)
{
    slot->offset = at;
    return at + tern_padded(slot->tensor->count);
}

bool tern_groups_lay_out(tern_ctx *ctx)
{
    tern_param_store *store = &ctx->store;
    tern_param_blocks *blocks = &store->blocks;
    size_t most = (size_t)store->param_count + 1, at = 0;
    blocks->groups = tern_bump_alloc(&ctx->lasting_memory, most * sizeof *blocks->groups);
    store->group_ends = tern_bump_alloc(&ctx->lasting_memory, most * sizeof *store->group_ends);
    if (!blocks->groups || !store->group_ends) {
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory for the groups of parameters");
        return false;
    }
    find_groups(store, blocks);
    for (int g = 0; g < blocks->group_count; g++) {
        for (int i = 0; i < store->param_count; i++)
            if (is_of_group(&store->params[i], &blocks->groups[g]))
                at = place(&store->params[i], at);
        store->group_ends[g] = at;
    }
    store->trained = at;
    for (int i = 0; i < store->param_count; i++)
        if (store->params[i].group.frozen)
            at = place(&store->params[i], at);
    store->elements = at;
    return true;
}
