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

/* Ours is [O,h,w,I], the file's is [O,I,h,w]. */
static void permute(const void *from, void *to, size_t size, const int64_t *ours, bool to_file)
{
    int64_t o_count = ours[0], area = ours[1] * ours[2], i_count = ours[3];
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

static void file_shape(const tern_tensor *tensor, tern_layout layout, int64_t *shape)
{
    memcpy(shape, tensor->shape, sizeof tensor->shape);
    if (layout == TERN_LAYOUT_OHWI_FROM_OIHW) {
        shape[1] = tensor->shape[3];
        shape[2] = tensor->shape[1];
        shape[3] = tensor->shape[2];
    }
}

/* ---------------------------------------------------------------- save -- */

static void add_tensor(tern_ctx *ctx, tern_safetensors_writer *writer, buffer_list *buffers,
                       const char *name, const tern_tensor *tensor, tern_layout layout)
{
    size_t bytes = tern_tensor_bytes(tensor);
    int64_t shape[TERN_MAX_RANK];
    void *values = new_buffer(ctx, buffers, bytes);
    if (!values)
        return;
    tern_read(ctx, tensor, tensor->dtype, values);
    file_shape(tensor, layout, shape);
    if (layout == TERN_LAYOUT_OHWI_FROM_OIHW) {
        void *permuted = new_buffer(ctx, buffers, bytes);
        if (!permuted)
            return;
        permute(values, permuted, tern_dtype_size(tensor->dtype), tensor->shape, true);
        values = permuted;
    }
    tern_safetensors_add(writer, name, tensor->dtype, tensor->rank, shape, values);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* PyTorch's batch norm counts its batches; its loader misses the count otherwise. */
static void add_batch_count(tern_ctx *ctx, tern_safetensors_writer *writer, buffer_list *buffers,
                            const char *name, int64_t step)
{
    char count_name[NAME_BYTES];
    int64_t *count = new_buffer(ctx, buffers, sizeof *count);
    if (!count || !ends_with(name, "running_mean"))
        return;
    *count = step;
    snprintf(count_name, sizeof count_name, "%.*snum_batches_tracked",
             (int)(strlen(name) - strlen("running_mean")), name);
    tern_safetensors_add(writer, count_name, TERN_I64, 0, NULL, count);
}

static void add_all(tern_ctx *ctx, tern_safetensors_writer *writer, buffer_list *buffers, bool moments,
                    int64_t step)
{
    char name[NAME_BYTES];
    for (int i = 0; i < tern_param_count(ctx) && tern_ok(ctx); i++) {
        const tern_tensor *param = tern_param_at(ctx, i);
        tern_layout layout = tern_param_opts_at(ctx, i)->layout;
        add_tensor(ctx, writer, buffers, param->name, param, layout);
        for (int which = 1; moments && which <= 2; which++) {
            tern_tensor moment = tern_param_moment(ctx, i, which);
            snprintf(name, sizeof name, "%s%s", which == 1 ? FIRST : SECOND, param->name);
            add_tensor(ctx, writer, buffers, name, &moment, layout);
        }
    }
    for (int i = 0; i < tern_state_count(ctx) && tern_ok(ctx); i++) {
        const tern_tensor *state = tern_state_at(ctx, i);
        add_tensor(ctx, writer, buffers, state->name, state, TERN_LAYOUT_SAME);
        add_batch_count(ctx, writer, buffers, state->name, step);
    }
}

bool tern_checkpoint_save(tern_ctx *ctx, const char *path, bool moments,
                          const tern_checkpoint_info *info)
{
    tern_error error = { 0 };
    buffer_list buffers = { 0 };
    char text[64];
    if (!tern_ok(ctx))
        return false;
    tern_safetensors_writer *writer = tern_safetensors_create(path, &error);
    if (writer) {
        add_all(ctx, writer, &buffers, moments, info->step);
        snprintf(text, sizeof text, "%" PRId64, info->epoch);
        tern_safetensors_set_metadata(writer, "epoch", text);
        snprintf(text, sizeof text, "%" PRId64, info->step);
        tern_safetensors_set_metadata(writer, "step", text);
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

static void load_tensor(tern_ctx *ctx, const tern_safetensors *file, const char *path,
                        const char *name, tern_tensor *tensor, tern_layout layout)
{
    tern_error error = { 0 };
    int64_t shape[TERN_MAX_RANK];
    char want[TERN_SHAPE_TEXT], got[TERN_SHAPE_TEXT];
    const tern_stored *stored = tern_safetensors_find(file, name, &error);
    if (!stored) {
        tern_fail(ctx, error.code, "%s", error.message);
        return;
    }
    tern_tensor expected = *tensor, found = { .rank = stored->rank };
    file_shape(tensor, layout, shape);
    memcpy(expected.shape, shape, sizeof shape);
    memcpy(found.shape, stored->shape, sizeof found.shape);
    if (!tern_same_shape(&expected, &found)) {
        tern_fail(ctx, TERN_ERR_SHAPE, "%s: %s is %s, the model wants %s", path, name,
                  tern_shape_text(&found, got), tern_shape_text(&expected, want));
        return;
    }
    if (layout == TERN_LAYOUT_OHWI_FROM_OIHW) {
        void *values = malloc(stored->bytes + 1);
        if (!values) {
            tern_fail(ctx, TERN_ERR_MEMORY, "no memory to read %s", name);
            return;
        }
        permute(stored->data, values, tern_dtype_size(stored->dtype), tensor->shape, false);
        tern_write(ctx, tensor, stored->dtype, values);
        free(values);
    } else {
        tern_write(ctx, tensor, stored->dtype, stored->data);
    }
}

static bool belongs_to_model(const tern_ctx *ctx, const char *name)
{
    if (strncmp(name, FIRST, strlen(FIRST)) == 0 || strncmp(name, SECOND, strlen(SECOND)) == 0 ||
        ends_with(name, "num_batches_tracked"))
        return true;
    for (int i = 0; i < tern_param_count(ctx); i++)
        if (strcmp(tern_param_at(ctx, i)->name, name) == 0)
            return true;
    for (int i = 0; i < tern_state_count(ctx); i++)
        if (strcmp(tern_state_at(ctx, i)->name, name) == 0)
            return true;
    return false;
}

static void load_all(tern_ctx *ctx, const tern_safetensors *file, const char *path, bool moments)
{
    char name[NAME_BYTES];
    for (int i = 0; i < tern_safetensors_count(file) && tern_ok(ctx); i++)
        if (!belongs_to_model(ctx, tern_safetensors_name(file, i)))
            tern_fail(ctx, TERN_ERR_FORMAT, "%s: the model has no tensor %s", path,
                      tern_safetensors_name(file, i));
    for (int i = 0; i < tern_param_count(ctx) && tern_ok(ctx); i++) {
        tern_tensor *param = tern_param_at(ctx, i);
        tern_layout layout = tern_param_opts_at(ctx, i)->layout;
        load_tensor(ctx, file, path, param->name, param, layout);
        for (int which = 1; moments && which <= 2; which++) {
            tern_tensor moment = tern_param_moment(ctx, i, which);
            snprintf(name, sizeof name, "%s%s", which == 1 ? FIRST : SECOND, param->name);
            load_tensor(ctx, file, path, name, &moment, layout);
        }
    }
    for (int i = 0; i < tern_state_count(ctx) && tern_ok(ctx); i++)
        load_tensor(ctx, file, path, tern_state_at(ctx, i)->name, tern_state_at(ctx, i),
                    TERN_LAYOUT_SAME);
}

static double number_of(const tern_safetensors *file, const char *key)
{
    const char *text = tern_safetensors_metadata(file, key);
    return text ? strtod(text, NULL) : 0;
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
    load_all(ctx, file, path, moments);
    if (info)
        *info = (tern_checkpoint_info){ .epoch = (int64_t)number_of(file, "epoch"),
                                        .step = (int64_t)number_of(file, "step"),
                                        .best = number_of(file, "best") };
    tern_safetensors_close(file);
    return tern_ok(ctx);
}

static int load_common(tern_ctx *ctx, const tern_safetensors *file, const char *path,
                       const char *prefix, tern_tensor *tensor, tern_layout layout)
{
    if (strncmp(tensor->name, prefix, strlen(prefix)) != 0 ||
        !tern_safetensors_has(file, tensor->name))
        return 0;
    load_tensor(ctx, file, path, tensor->name, tensor, layout);
    return 1;
}

bool tern_checkpoint_load_part(tern_ctx *ctx, const char *path, const char *prefix)
{
    tern_error error = { 0 };
    int loaded = 0;
    if (!tern_ok(ctx))
        return false;
    tern_safetensors *file = tern_safetensors_open(path, &error);
    if (!file) {
        tern_fail(ctx, error.code, "%s", error.message);
        return false;
    }
    for (int i = 0; i < tern_param_count(ctx) && tern_ok(ctx); i++)
        loaded += load_common(ctx, file, path, prefix, tern_param_at(ctx, i),
                              tern_param_opts_at(ctx, i)->layout);
    for (int i = 0; i < tern_state_count(ctx) && tern_ok(ctx); i++)
        loaded += load_common(ctx, file, path, prefix, tern_state_at(ctx, i), TERN_LAYOUT_SAME);
    if (!loaded)
        tern_fail(ctx, TERN_ERR_DATA, "%s: the model and it have no tensor %s... in common", path,
                  prefix);
    tern_safetensors_close(file);
    return tern_ok(ctx);
}
