/* Writing safetensors: a whole file or none. */
#include "core/safetensors.h"

#include "core/host_file.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

typedef struct pending {
    char *name;
    const char *tag;
    json_t *shape;
    const void *data;
    size_t bytes, element_bytes;
} pending;

struct tern_safetensors_writer {
    char *path;
    tern_error *error;    /* the caller's, or `unheard` */
    tern_error unheard;
    json_t *metadata;
    pending *tensors;
    int count, capacity;
};

static const char *type_tag(tern_dtype dtype)
{
    switch (dtype) {
    case TERN_F64: return "F64";
    case TERN_F32: return "F32";
    case TERN_BF16: return "BF16";
    case TERN_I32: return "I32";
    case TERN_I64: return "I64";
    case TERN_U8: return "U8";
    case TERN_NO_DTYPE: break;
    }
    return NULL;
}

static bool no_memory(const tern_safetensors_writer *writer)
{
    return tern_error_set(writer->error, TERN_ERR_MEMORY, "%s: no memory to write it",
                          writer->path);
}

tern_safetensors_writer *tern_safetensors_create(const char *path, tern_error *error)
{
    tern_safetensors_writer *writer = calloc(1, sizeof *writer);
    if (!writer || !(writer->path = strdup(path)) || !(writer->metadata = json_object())) {
        tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory to write it", path);
        tern_safetensors_discard(writer);
        return NULL;
    }
    writer->error = error ? error : &writer->unheard;
    return writer;
}

void tern_safetensors_discard(tern_safetensors_writer *writer)
{
    if (!writer)
        return;
    for (int i = 0; i < writer->count; i++) {
        free(writer->tensors[i].name);
        json_decref(writer->tensors[i].shape);
    }
    free(writer->tensors);
    json_decref(writer->metadata);
    free(writer->path);
    free(writer);
}

/* True if there is a writer and nothing has gone wrong in it. */
static bool usable(const tern_safetensors_writer *writer)
{
    return writer && writer->error->code == TERN_OK;
}

static bool grow(tern_safetensors_writer *writer)
{
    if (writer->count < writer->capacity)
        return true;
    int capacity = writer->capacity ? 2 * writer->capacity : 16;
    pending *larger = realloc(writer->tensors, (size_t)capacity * sizeof *larger);
    if (!larger)
        return no_memory(writer);
    writer->tensors = larger;
    writer->capacity = capacity;
    return true;
}

static bool is_utf8(const char *text)
{
    utf8proc_int32_t letter;
    utf8proc_ssize_t length = 1;
    for (; *text && length > 0; text += length > 0 ? length : 0)
        length = utf8proc_iterate((const utf8proc_uint8_t *)text, -1, &letter);
    return length > 0;
}

static bool check_name(const tern_safetensors_writer *writer, const char *name)
{
    if (strcmp(name, "__metadata__") == 0)
        return tern_error_set(writer->error, TERN_ERR_ARGUMENT,
                              "%s: a tensor cannot be called __metadata__", writer->path);
    if (!is_utf8(name))
        return tern_error_set(writer->error, TERN_ERR_ARGUMENT,
                              "%s: the name of tensor %d is not UTF-8 text", writer->path,
                              writer->count);
    for (int i = 0; i < writer->count; i++)
        if (strcmp(writer->tensors[i].name, name) == 0)
            return tern_error_set(writer->error, TERN_ERR_ARGUMENT,
                                  "%s: tensor '%s' was added twice", writer->path, name);
    return true;
}

void tern_safetensors_add(tern_safetensors_writer *writer, const char *name, tern_dtype dtype,
                          int rank, const int64_t *shape, const void *data)
{
    if (!usable(writer) || !check_name(writer, name) || !grow(writer))
        return;
    pending *tensor = &writer->tensors[writer->count];
    *tensor = (pending){ .tag = type_tag(dtype), .data = data };
    if (!tensor->tag) {
        tern_error_set(writer->error, TERN_ERR_DTYPE, "%s: tensor '%s' has no element type",
                       writer->path, name);
        return;
    }
    tensor->element_bytes = tensor->bytes = tern_dtype_size(dtype);
    for (int axis = 0; axis < rank; axis++)
        if (shape[axis] < 0 ||
            __builtin_mul_overflow(tensor->bytes, (size_t)shape[axis], &tensor->bytes)) {
            tern_error_set(writer->error, TERN_ERR_SHAPE,
                           "%s: tensor '%s': axis %d of %lld is impossible", writer->path, name,
                           axis, (long long)shape[axis]);
            return;
        }
    tensor->name = strdup(name);
    tensor->shape = json_array();
    writer->count++;
    bool stored = tensor->name && tensor->shape;
    for (int axis = 0; axis < rank && stored; axis++)
        stored = json_array_append_new(tensor->shape, json_integer(shape[axis])) == 0;
    if (!stored)
        no_memory(writer);
}

void tern_safetensors_set_metadata(tern_safetensors_writer *writer, const char *key,
                                   const char *value)
{
    if (!usable(writer))
        return;
    if (!is_utf8(key) || !is_utf8(value))
        tern_error_set(writer->error, TERN_ERR_ARGUMENT, "%s: metadata '%s' is not UTF-8 text",
                       writer->path, key);
    else if (json_object_set_new(writer->metadata, key, json_string(value)) != 0)
        no_memory(writer);
}

/* Tensors of wide elements first, so that every one is aligned in the file;
 * those of one width stay in the order of adding. */
static void sort_by_alignment(tern_safetensors_writer *writer)
{
    for (int i = 1; i < writer->count; i++) {
        pending moved = writer->tensors[i];
        int at = i;
        for (; at > 0 && writer->tensors[at - 1].element_bytes < moved.element_bytes; at--)
            writer->tensors[at] = writer->tensors[at - 1];
        writer->tensors[at] = moved;
    }
}

/* The header's text, padded so that the data begin at a multiple of 8 bytes;
 * NULL and an error if it cannot be made. */
static char *header_text(tern_safetensors_writer *writer, size_t *length)
{
    json_t *header = json_object();
    bool made = header != NULL;
    size_t offset = 0;
    if (made && json_object_size(writer->metadata) > 0)
        made = json_object_set(header, "__metadata__", writer->metadata) == 0;
    for (int i = 0; i < writer->count && made; i++) {
        const pending *tensor = &writer->tensors[i];
        json_int_t begin = (json_int_t)offset, end = (json_int_t)(offset + tensor->bytes);
        made = json_object_set_new(header, tensor->name,
                                   json_pack("{s:s, s:O, s:[I,I]}", "dtype", tensor->tag, "shape",
                                             tensor->shape, "data_offsets", begin, end)) == 0;
        offset += tensor->bytes;
    }
    char *text = made ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    if (text) {
        size_t used = strlen(text), padded = (used + 7) / 8 * 8;
        char *larger = realloc(text, padded + 1);
        if (larger)
            memset(larger + used, ' ', padded - used);
        else
            free(text);
        text = larger;
        *length = padded;
    }
    if (!text)
        no_memory(writer);
    return text;
}

static bool write_contents(tern_safetensors_writer *writer, tern_whole_file *file)
{
    size_t length = 0;
    unsigned char length_bytes[8];
    char *text = header_text(writer, &length);
    if (!text)
        return false;
    for (int i = 0; i < 8; i++)
        length_bytes[i] = (unsigned char)((uint64_t)length >> 8 * i);
    bool ok = tern_whole_file_write(file, length_bytes, sizeof length_bytes) &&
              tern_whole_file_write(file, text, length);
    free(text);
    for (int i = 0; i < writer->count && ok; i++)
        ok = tern_whole_file_write(file, writer->tensors[i].data, writer->tensors[i].bytes);
    return ok;
}

bool tern_safetensors_finish(tern_safetensors_writer *writer)
{
    bool ok = usable(writer);
    if (ok) {
        tern_whole_file *file = tern_whole_file_create(writer->path, writer->error);
        sort_by_alignment(writer);
        ok = file && tern_whole_file_finish(file, write_contents(writer, file));
    }
    tern_safetensors_discard(writer);
    return ok;
}
