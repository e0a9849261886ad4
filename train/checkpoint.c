/* Parameters to file and back; see checkpoint.h. */
#include "train/checkpoint.h"

#include "core/params.h"
#include "core/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 512 };
static const char FIRST[] = "optimizer.exp_avg.", SECOND[] = "optimizer.exp_avg_sq.";
static const char MEAN[] = "running_mean", COUNT[] = "num_batches_tracked";

/* One tensor of a checkpoint, as the context holds it. */
typedef struct entry {
    char name[NAME_BYTES]; /* in the file */
    tern_tensor tensor;
    tern_layout layout;
} entry;

/* Parameters, each followed by its moments if they are wanted, then states; false
 * after the last. */
static bool entry_at(tern_ctx *ctx, bool moments, int index, entry *e)
{
    int each = moments ? 3 : 1, params = each * tern_param_count(ctx);
    if (index >= params + tern_state_count(ctx))
        return false;
    if (index >= params) {
        e->tensor = *tern_state_at(ctx, index - params);
        e->layout = TERN_LAYOUT_SAME;
        snprintf(e->name, NAME_BYTES, "%s", e->tensor.name);
        return true;
    }
    int param = index / each, which = index % each;
    const char *prefixes[] = { "", FIRST, SECOND };
    e->tensor = which ? tern_param_moment(ctx, param, which) : *tern_param_at(ctx, param);
    e->layout = tern_param_opts_at(ctx, param)->layout;
    snprintf(e->name, NAME_BYTES, "%s%s", prefixes[which], tern_param_at(ctx, param)->name);
    return true;
}

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

/* Ours is [O,h,w,I] or [O,k,I], the file's is [O,I,h,w] or [O,I,k]. */
static void permute(const void *from, void *to, size_t size, const tern_tensor *ours,
                    bool to_file)
{
    int last = ours->rank - 1;
    int64_t o_count = ours->shape[0], area = tern_extent(ours, 1, last);
    int64_t i_count = ours->shape[last];
    const char *source = from;
    char *target = to;
    for (int64_t o = 0; o < o_count; o++)
        for (int64_t p = 0; p < area; p++)
            for (int64_t i = 0; i < i_count; i++) {
                size_t our = (size_t)((o * area + p) * i_count + i) * size;
                size_t file = (size_t)((o * i_count + i) * area + p) * size;
                memcpy(target + (to_file ? file : our), source + (to_file ? our : file), size);
            }
}

static void file_shape(const entry *e, int64_t *shape)
{
    memcpy(shape, e->tensor.shape, sizeof e->tensor.shape);
    if (e->layout != TERN_LAYOUT_SAME) {
        shape[1] = e->tensor.shape[e->tensor.rank - 1];
        for (int axis = 2; axis < e->tensor.rank; axis++)
            shape[axis] = e->tensor.shape[axis - 1];
    }
}

/* ---------------------------------------------------------------- save -- */

static void add_tensor(tern_ctx *ctx, tern_safetensors_writer *writer, buffer_list *buffers,
                       const entry *e)
{
    const tern_tensor *tensor = &e->tensor;
    size_t bytes = tern_tensor_bytes(tensor);
    int64_t shape[TERN_MAX_RANK];
    void *values = new_buffer(ctx, buffers, bytes);
    if (!values)
        return;
    tern_read(ctx, tensor, tensor->dtype, values);
    file_shape(e, shape);
    if (e->layout != TERN_LAYOUT_SAME) {
        void *permuted = new_buffer(ctx, buffers, bytes);
        if (!permuted)
            return;
        permute(values, permuted, tern_dtype_size(tensor->dtype), tensor, true);
        values = permuted;
    }
    tern_safetensors_add(writer, e->name, tensor->dtype, tensor->rank, shape, values);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* "x.running_mean" to "x.num_batches_tracked", and back. */
static void swap_ending(const char *name, const char *ending, const char *by, char *to)
{
    snprintf(to, NAME_BYTES, "%.*s%s", (int)(strlen(name) - strlen(ending)), name, by);
}

/* PyTorch's batch norm counts its batches; its loader misses the count otherwise. */
static void add_batch_count(tern_ctx *ctx, tern_safetensors_writer *writer, buffer_list *buffers,
                            const char *name, int64_t step)
{
    char count_name[NAME_BYTES];
    int64_t *count = ends_with(name, MEAN) ? new_buffer(ctx, buffers, sizeof *count) : NULL;
    if (!count)
        return;
    *count = step;
    swap_ending(name, MEAN, COUNT, count_name);
    tern_safetensors_add(writer, count_name, TERN_I64, 0, NULL, count);
}

static void add_all(tern_ctx *ctx, tern_safetensors_writer *writer, buffer_list *buffers, bool moments,
                    int64_t step)
{
    entry e;
    for (int i = 0; tern_ok(ctx) && entry_at(ctx, moments, i, &e); i++) {
        add_tensor(ctx, writer, buffers, &e);
        add_batch_count(ctx, writer, buffers, e.name, step);
    }
}

static void set_number(tern_safetensors_writer *writer, const char *key, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    tern_safetensors_set_metadata(writer, key, text);
}

bool tern_checkpoint_save(tern_ctx *ctx, const char *path, bool moments,
                          const tern_checkpoint_info *info)
{
    tern_error error = { 0 };
    buffer_list buffers = { 0 };
    char text[32];
    if (!tern_ok(ctx))
        return false;
    tern_safetensors_writer *writer = tern_safetensors_create(path, &error);
    if (writer) {
        add_all(ctx, writer, &buffers, moments, info->step);
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
    if (error.code)
        tern_fail(ctx, error.code, "%s", error.message);
    return tern_ok(ctx);
}

/* ---------------------------------------------------------------- load -- */

/* An open checkpoint, and where it lies. */
typedef struct source {
    const tern_safetensors *file;
    const char *path;
    bool moments;
} source;

/* The stored tensor, if it is what the entry wants. */
static const tern_stored *find_entry(tern_ctx *ctx, const source *from, const entry *e)
{
    tern_error error = { 0 };
    char want[TERN_SHAPE_TEXT], got[TERN_SHAPE_TEXT];
    const tern_stored *stored = tern_safetensors_find(from->file, e->name, &error);
    if (!stored) {
        tern_fail(ctx, error.code, "%s", error.message);
        return NULL;
    }
    tern_tensor expected = e->tensor, found = { .rank = stored->rank };
    file_shape(e, expected.shape);
    memcpy(found.shape, stored->shape, sizeof found.shape);
    if (!tern_same_shape(&expected, &found))
        tern_fail(ctx, TERN_ERR_SHAPE, "%s: %s is %s, the model wants %s", from->path, e->name,
                  tern_shape_text(&found, got), tern_shape_text(&expected, want));
    else if (stored->dtype != TERN_F32 && stored->dtype != TERN_F64)
        tern_fail(ctx, TERN_ERR_DTYPE, "%s: %s is of type %s, the model wants f32 or f64",
                  from->path, e->name, tern_dtype_name(stored->dtype));
    return tern_ok(ctx) ? stored : NULL;
}

static void load_entry(tern_ctx *ctx, const source *from, entry *e)
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
        permute(stored->data, permuted, tern_dtype_size(stored->dtype), &e->tensor, false);
        values = permuted;
    }
    tern_write(ctx, &e->tensor, stored->dtype, values);
    free(permuted);
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

static bool belongs_to_model(const tern_ctx *ctx, const char *name)
{
    char mean[NAME_BYTES];
    if (strncmp(name, FIRST, strlen(FIRST)) == 0)
        return is_param(ctx, name + strlen(FIRST));
    if (strncmp(name, SECOND, strlen(SECOND)) == 0)
        return is_param(ctx, name + strlen(SECOND));
    if (ends_with(name, COUNT)) {
        swap_ending(name, COUNT, MEAN, mean);
        return is_state(ctx, mean);
    }
    return is_param(ctx, name) || is_state(ctx, name);
}

/* Nothing is written before everything is known to fit. */
static void load_all(tern_ctx *ctx, const source *from)
{
    entry e;
    for (int i = 0; i < tern_safetensors_count(from->file) && tern_ok(ctx); i++)
        if (!belongs_to_model(ctx, tern_safetensors_name(from->file, i)))
            tern_fail(ctx, TERN_ERR_FORMAT, "%s: the model has no tensor %s", from->path,
                      tern_safetensors_name(from->file, i));
    for (int i = 0; tern_ok(ctx) && entry_at(ctx, from->moments, i, &e); i++)
        find_entry(ctx, from, &e);
    for (int i = 0; tern_ok(ctx) && entry_at(ctx, from->moments, i, &e); i++)
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

bool tern_checkpoint_load(tern_ctx *ctx, const char *path, bool moments,
                          tern_checkpoint_info *info)
{
    tern_error error = { 0 };
    if (!tern_ok(ctx))
        return false;
    tern_safetensors *file = tern_safetensors_open(path, &error);
    if (!file) {
        tern_fail(ctx, error.code, "%s", error.message);
        return false;
    }
    const source from = { file, path, moments };
    if (info)
        read_info(ctx, &from, info);
    load_all(ctx, &from);
    tern_safetensors_close(file);
    return tern_ok(ctx);
}

bool tern_checkpoint_load_part(tern_ctx *ctx, const char *path, const char *prefix)
{
    tern_error error = { 0 };
    entry e;
    int loaded = 0;
    if (!tern_ok(ctx))
        return false;
    tern_safetensors *file = tern_safetensors_open(path, &error);
    if (!file) {
        tern_fail(ctx, error.code, "%s", error.message);
        return false;
    }
    const source from = { file, path, false };
    for (int i = 0; tern_ok(ctx) && entry_at(ctx, false, i, &e); i++) {
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
