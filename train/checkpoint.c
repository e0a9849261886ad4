/* Parameters to file and back; see checkpoint.h. */
#include "train/checkpoint_private.h"

#include "core/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char OPTIMIZER[] = "optimizer"; /* the metadata that names it */

/* Buffers that live until the file is written. */
typedef struct buffer_list {
    void **list;
    int count, capacity;
} buffer_list;

static void *new_buffer(tern_ctx *ctx, buffer_list *buffers, size_t bytes)
{
    if (buffers->count == buffers->capacity) {
        int capacity = buffers->capacity ? 2 * buffers->capacity : 64;
        void **grown = realloc(buffers->list, (size_t)capacity * sizeof *grown);
        if (!grown) {
            tern_fail(ctx, TERN_ERR_MEMORY, "no memory to write a checkpoint");
            return NULL;
        }
        buffers->list = grown;
        buffers->capacity = capacity;
    }
    void *buffer = malloc(bytes + 1);
    if (!buffer)
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory to write a checkpoint");
    else
        buffers->list[buffers->count++] = buffer;
    return buffer;
}

static void free_buffers(buffer_list *buffers)
{
    for (int i = 0; i < buffers->count; i++)
        free(buffers->list[i]);
    free(buffers->list);
}

/* ---------------------------------------------------------------- save -- */

static void add_tensor(tern_ctx *ctx, tern_safetensors_writer *writer, buffer_list *buffers,
                       const tern_entry *e)
{
    const tern_tensor *tensor = &e->tensor;
    size_t bytes = tern_tensor_bytes(tensor);
    int64_t shape[TERN_MAX_RANK];
    void *values = new_buffer(ctx, buffers, bytes);
    if (!values)
        return;
    tern_read(ctx, tensor, tensor->dtype, values);
    tern_entry_file_shape(e, shape);
    if (e->layout != TERN_LAYOUT_SAME) {
        void *permuted = new_buffer(ctx, buffers, bytes);
        if (!permuted)
            return;
        tern_entry_permute(e, tern_dtype_size(tensor->dtype), values, permuted, true);
        values = permuted;
    }
    tern_safetensors_add(writer, e->name, tensor->dtype, tensor->rank, shape, values);
}

/* PyTorch's batch norm counts its batches; its loader misses the count otherwise. */
static void add_batch_count(tern_ctx *ctx, tern_safetensors_writer *writer, buffer_list *buffers,
                            const tern_entry *e, int64_t step)
{
    char name[TERN_ENTRY_NAME_BYTES];
    bool counts = tern_entry_batch_count(e, name);
    int64_t *count = counts ? new_buffer(ctx, buffers, sizeof *count) : NULL;
    if (!count)
        return;
    *count = step;
    tern_safetensors_add(writer, name, TERN_I64, 0, NULL, count);
}

static void add_all(tern_ctx *ctx, tern_safetensors_writer *writer, buffer_list *buffers,
                    const tern_optimiser *optimiser, int64_t step)
{
    tern_entry e;
    for (int i = 0; tern_ok(ctx) && tern_entry_at(ctx, optimiser, i, &e); i++) {
        if (!*e.name)
            continue;
        add_tensor(ctx, writer, buffers, &e);
        add_batch_count(ctx, writer, buffers, &e, step);
    }
}

static void set_number(tern_safetensors_writer *writer, const char *key, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    tern_safetensors_set_metadata(writer, key, text);
}

bool tern_checkpoint_save(tern_ctx *ctx, const char *path, const tern_optimiser *optimiser,
                          const tern_checkpoint_info *info)
{
    tern_error error = { 0 };
    buffer_list buffers = { 0 };
    char text[32];
    if (!tern_ok(ctx))
        return false;
    tern_safetensors_writer *writer = tern_safetensors_create(path, &error);
    if (writer) {
        add_all(ctx, writer, &buffers, optimiser, info->step);
        if (optimiser)
            tern_safetensors_set_metadata(writer, OPTIMIZER, tern_optimiser_names[optimiser->kind]);
        set_number(writer, "epoch", info->epoch);
        set_number(writer, "step", info->step);
        set_number(writer, "best_epoch", info->best_epoch);
        snprintf(text, sizeof text, "%.17g", info->best);
        tern_safetensors_set_metadata(writer, "best", text);
        if (tern_ok(ctx))
            tern_safetensors_finish(writer);
        else
            tern_safetensors_discard(writer);
    }
    free_buffers(&buffers);
    return tern_fail_with(ctx, &error);
}

/* ---------------------------------------------------------------- load -- */

/* An open checkpoint, and where it lies. */
typedef struct source {
    const tern_safetensors *file;
    const char *path;
    const tern_optimiser *optimiser; /* or NULL */
} source;

/* The stored tensor, if it is what the entry wants. */
static const tern_stored *find_entry(tern_ctx *ctx, const source *from, const tern_entry *e)
{
    tern_error error = { 0 };
    char want[TERN_SHAPE_TEXT], got[TERN_SHAPE_TEXT];
    const tern_stored *stored = tern_safetensors_find(from->file, e->name, &error);
    if (!stored) {
        tern_fail_with(ctx, &error);
        return NULL;
    }
    tern_tensor expected = e->tensor, found = { .rank = stored->rank };
    tern_entry_file_shape(e, expected.shape);
    memcpy(found.shape, stored->shape, sizeof found.shape);
    if (!tern_same_shape(&expected, &found))
        tern_fail(ctx, TERN_ERR_SHAPE, "%s: %s is %s, the model wants %s", from->path, e->name,
                  tern_shape_text(&found, got), tern_shape_text(&expected, want));
    else if (stored->dtype != TERN_F32 && stored->dtype != TERN_F64)
        tern_fail(ctx, TERN_ERR_DTYPE, "%s: %s is of type %s, the model wants f32 or f64",
                  from->path, e->name, tern_dtype_name(stored->dtype));
    return tern_ok(ctx) ? stored : NULL;
}

static void load_entry(tern_ctx *ctx, const source *from, tern_entry *e)
{
    const tern_stored *stored = find_entry(ctx, from, e);
    const void *values = stored ? stored->data : NULL;
    void *permuted = NULL;
    if (!stored)
        return;
    if (e->layout != TERN_LAYOUT_SAME) {
        permuted = malloc(stored->bytes + 1);
        if (!permuted) {
            tern_fail(ctx, TERN_ERR_MEMORY, "no memory to read %s", e->name);
            return;
        }
        tern_entry_permute(e, tern_dtype_size(stored->dtype), stored->data, permuted, false);
        values = permuted;
    }
    tern_write(ctx, &e->tensor, stored->dtype, values);
    tern_safetensors_forget(from->file, stored); /* or the whole file would lie in memory */
    free(permuted);
}

/* Files of before there was a choice do not say: it was adamw. */
static void check_optimiser(tern_ctx *ctx, const source *from)
{
    const char *name = tern_safetensors_metadata(from->file, OPTIMIZER);
    const char *wanted = from->optimiser ? tern_optimiser_names[from->optimiser->kind] : NULL;
    name = name ? name : tern_optimiser_names[TERN_OPTIMISER_ADAMW];
    if (wanted && strcmp(name, wanted) != 0)
        tern_fail(ctx, TERN_ERR_DATA, "%s: what %s left cannot be gone on with by %s", from->path,
                  name, wanted);
}

/* Nothing is written before everything is known to fit. */
static void load_all(tern_ctx *ctx, const source *from)
{
    tern_entry e;
    check_optimiser(ctx, from);
    for (int i = 0; i < tern_safetensors_count(from->file) && tern_ok(ctx); i++)
        if (!tern_entry_is_known(ctx, tern_safetensors_name(from->file, i)))
            tern_fail(ctx, TERN_ERR_FORMAT, "%s: the model has no tensor %s", from->path,
                      tern_safetensors_name(from->file, i));
    if (from->optimiser && from->optimiser->ema > 0 && !tern_blocks(ctx)->average)
        tern_average_begin(ctx);
    for (int i = 0; tern_ok(ctx) && tern_entry_at(ctx, from->optimiser, i, &e); i++)
        if (*e.name)
            find_entry(ctx, from, &e);
    for (int i = 0; tern_ok(ctx) && tern_entry_at(ctx, from->optimiser, i, &e); i++)
        if (*e.name)
            load_entry(ctx, from, &e);
}

static double number_of(tern_ctx *ctx, const source *from, const char *key)
{
    const char *text = tern_safetensors_metadata(from->file, key);
    char *end = NULL;
    double value = text ? strtod(text, &end) : 0;
    if (text && end != text && !*end && value >= 0 && value < 9e15)
        return value;
    tern_fail(ctx, TERN_ERR_FORMAT, "%s: metadata \"%s\" must be a number from 0 on, it is %s",
              from->path, key, text ? text : "missing");
    return 0;
}

static void read_info(tern_ctx *ctx, const source *from, tern_checkpoint_info *info)
{
    *info = (tern_checkpoint_info){ .epoch = (int64_t)number_of(ctx, from, "epoch"),
                                    .step = (int64_t)number_of(ctx, from, "step"),
                                    .best_epoch = (int64_t)number_of(ctx, from, "best_epoch"),
                                    .best = number_of(ctx, from, "best") };
}

bool tern_checkpoint_load(tern_ctx *ctx, const char *path, const tern_optimiser *optimiser,
                          tern_checkpoint_info *info)
{
    tern_error error = { 0 };
    if (!tern_ok(ctx))
        return false;
    tern_safetensors *file = tern_safetensors_open(path, &error);
    if (!file) {
        tern_fail_with(ctx, &error);
        return false;
    }
    const source from = { file, path, optimiser };
    if (info)
        read_info(ctx, &from, info);
    load_all(ctx, &from);
    tern_safetensors_close(file);
    return tern_ok(ctx);
}

bool tern_checkpoint_load_part(tern_ctx *ctx, const char *path, const char *prefix)
{
    tern_error error = { 0 };
    tern_entry e;
    int loaded = 0;
    if (!tern_ok(ctx))
        return false;
    tern_safetensors *file = tern_safetensors_open(path, &error);
    if (!file) {
        tern_fail_with(ctx, &error);
        return false;
    }
    const source from = { file, path, NULL };
    for (int i = 0; tern_ok(ctx) && tern_entry_at(ctx, NULL, i, &e); i++) {
        if (strncmp(e.name, prefix, strlen(prefix)) != 0 || !tern_safetensors_has(file, e.name))
            continue;
        load_entry(ctx, &from, &e);
        loaded++;
    }
    if (!loaded)
        tern_fail(ctx, TERN_ERR_DATA, "%s: the model and it have no tensor %s... in common", path,
                  prefix);
    tern_safetensors_close(file);
    return tern_ok(ctx);
}
