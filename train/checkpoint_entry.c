/* The tensors of a checkpoint: their names, shapes and layouts; see checkpoint_private.h. */
#include "train/checkpoint_private.h"

#include <stdio.h>
#include <string.h>

static const char MEMORY[] = "optimizer.", AVERAGE[] = "ema.";
static const char MEAN[] = "running_mean", COUNT[] = "num_batches_tracked";

/* Of each parameter: itself, what the optimiser remembers, the average. */
enum { PARAM_PARTS = 4, STATE_PARTS = 2 };

static void param_entry(tern_ctx *ctx, const tern_optimiser *optimiser, int index, int part,
                        tern_entry *e)
{
    const tern_tensor *param = tern_param_at(ctx, index);
    e->layout = tern_param_opts_at(ctx, index)->layout;
    if (part == 0) {
        e->tensor = *param;
        snprintf(e->name, TERN_ENTRY_NAME_BYTES, "%s", param->name);
    } else if (part == PARAM_PARTS - 1) {
        e->tensor = tern_param_slice(ctx, index, TERN_BLOCK_AVERAGE);
        if (optimiser->ema > 0 && !param->is_frozen)
            snprintf(e->name, TERN_ENTRY_NAME_BYTES, "%s%s", AVERAGE, param->name);
    } else {
        const char *memory = tern_optimiser_memory(optimiser, part);
        tern_block block = part == 1 ? TERN_BLOCK_MOMENT1 : TERN_BLOCK_MOMENT2;
        e->tensor = tern_param_slice(ctx, index, block);
        if (memory && !param->is_frozen)
            snprintf(e->name, TERN_ENTRY_NAME_BYTES, "%s%s.%s", MEMORY, memory, param->name);
    }
}

static void state_entry(tern_ctx *ctx, const tern_optimiser *optimiser, int index, int part,
                        tern_entry *e)
{
    const tern_tensor *own = tern_state_at(ctx, index);
    e->is_state = part == 0;
    e->tensor = part ? tern_state_average(ctx, index) : *own;
    if (!part || optimiser->ema > 0)
        snprintf(e->name, TERN_ENTRY_NAME_BYTES, "%s%s", part ? AVERAGE : "", own->name);
}

bool tern_entry_at(tern_ctx *ctx, const tern_optimiser *optimiser, int index, tern_entry *e)
{
    int param_parts = optimiser ? PARAM_PARTS : 1, state_parts = optimiser ? STATE_PARTS : 1;
    int params = param_parts * tern_param_count(ctx);
    *e = (tern_entry){ .layout = TERN_LAYOUT_SAME };
    if (index < params)
        param_entry(ctx, optimiser, index / param_parts, index % param_parts, e);
    else if (index - params < state_parts * tern_state_count(ctx))
        state_entry(ctx, optimiser, (index - params) / state_parts, (index - params) % state_parts,
                    e);
    else
        return false;
    return true;
}

/* -------------------------------------------------------------- names -- */

/* "x.running_mean" to "x.num_batches_tracked", and back; false if it ends otherwise. */
static bool swap_ending(const char *name, const char *ending, const char *by,
                        char to[TERN_ENTRY_NAME_BYTES])
{
    size_t length = strlen(name), tail = strlen(ending);
    if (length < tail || strcmp(name + length - tail, ending) != 0)
        return false;
    snprintf(to, TERN_ENTRY_NAME_BYTES, "%.*s%s", (int)(length - tail), name, by);
    return true;
}

bool tern_entry_batch_count(const tern_entry *e, char name[TERN_ENTRY_NAME_BYTES])
{
    return e->is_state && swap_ending(e->name, MEAN, COUNT, name);
}

static bool is_param(const tern_ctx *ctx, const char *name)
{
    for (int i = 0; i < tern_param_count(ctx); i++)
        if (strcmp(tern_param_at(ctx, i)->name, name) == 0)
            return true;
    return false;
}

static bool is_state(const tern_ctx *ctx, const char *name)
{
    for (int i = 0; i < tern_state_count(ctx); i++)
        if (strcmp(tern_state_at(ctx, i)->name, name) == 0)
            return true;
    return false;
}

/* The parameter that an optimiser's memory belongs to, or NULL if the name is another's. */
static const char *remembered_param(const char *name)
{
    static const char *const memories[] = { "exp_avg.", "exp_avg_sq.", "momentum_buffer." };
    if (strncmp(name, MEMORY, strlen(MEMORY)) != 0)
        return NULL;
    for (int i = 0; i < 3; i++) {
        const char *memory = name + strlen(MEMORY);
        if (strncmp(memory, memories[i], strlen(memories[i])) == 0)
            return memory + strlen(memories[i]);
    }
    return NULL;
}

bool tern_entry_is_known(const tern_ctx *ctx, const char *name)
{
    char mean[TERN_ENTRY_NAME_BYTES];
    const char *remembered = remembered_param(name);
    if (remembered)
        return is_param(ctx, remembered);
    if (swap_ending(name, COUNT, MEAN, mean))
        return is_state(ctx, mean);
    if (strncmp(name, AVERAGE, strlen(AVERAGE)) == 0)
        name += strlen(AVERAGE);
    return is_param(ctx, name) || is_state(ctx, name);
}

/* ------------------------------------------------------------ layouts -- */

/* Ours is [O,h,w,I] or [O,k,I], the file's is [O,I,h,w] or [O,I,k]. */
void tern_entry_permute(const tern_entry *e, size_t element_bytes, const void *from, void *to,
                        bool to_file)
{
    const tern_tensor *ours = &e->tensor;
    int last = ours->rank - 1;
    int64_t o_count = ours->shape[0], area = tern_extent(ours, 1, last);
    int64_t i_count = ours->shape[last];
    const char *source = from;
    char *target = to;
    for (int64_t o = 0; o < o_count; o++)
        for (int64_t p = 0; p < area; p++)
            for (int64_t i = 0; i < i_count; i++) {
                size_t our = (size_t)((o * area + p) * i_count + i) * element_bytes;
                size_t file = (size_t)((o * i_count + i) * area + p) * element_bytes;
                memcpy(target + (to_file ? file : our), source + (to_file ? our : file),
                       element_bytes);
            }
}

void tern_entry_file_shape(const tern_entry *e, int64_t *shape)
{
    memcpy(shape, e->tensor.shape, sizeof e->tensor.shape);
    if (e->layout != TERN_LAYOUT_SAME) {
        shape[1] = e->tensor.shape[e->tensor.rank - 1];
        for (int axis = 2; axis < e->tensor.rank; axis++)
            shape[axis] = e->tensor.shape[axis - 1];
    }
}
