/* Reading safetensors: map the file, parse the header, believe none of it. */
#include "core/safetensors.h"

#include "core/host_file.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 8 };

typedef struct entry {
    tern_stored stored;
    const char *tag;   /* the file's name of the element type */
    size_t file_rank;  /* may exceed TERN_MAX_RANK            */
    uint64_t begin, end;
    void *copy;        /* of data that is misaligned in the file, else NULL */
} entry;

struct tern_safetensors {
    char *path;
    json_t *header; /* owns all strings */
    tern_mapping map;
    entry *entries;
    int count;
};

/* Element types of the format.  Those without a dtype are not read by tern, but
 * their sizes are checked like the others'. */
static const struct type {
    const char *tag;
    tern_dtype dtype;
    unsigned bytes;
} types[] = {
    { "F64", TERN_F64, 8 },     { "F32", TERN_F32, 4 },     { "BF16", TERN_BF16, 2 },
    { "I32", TERN_I32, 4 },     { "I64", TERN_I64, 8 },     { "U8", TERN_U8, 1 },
    { "BOOL", TERN_U8, 1 },     { "F16", TERN_NO_DTYPE, 2 }, { "I8", TERN_NO_DTYPE, 1 },
    { "I16", TERN_NO_DTYPE, 2 }, { "U16", TERN_NO_DTYPE, 2 }, { "U32", TERN_NO_DTYPE, 4 },
    { "U64", TERN_NO_DTYPE, 8 },
};

static const struct type *find_type(const char *tag)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].tag, tag) == 0)
            return &types[i];
    return NULL;
}

/* --------------------------------------------------------- the mapping -- */

static bool map_file(tern_safetensors *file, tern_error *error)
{
    if (!tern_map_file(file->path, &file->map, error))
        return false;
    if (file->map.size < LENGTH_BYTES)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "%s: %zu bytes are too few for a safetensors file, which begins "
                              "with %d bytes of header length",
                              file->path, file->map.size, LENGTH_BYTES);
    return true;
}

/* Sets *data_at to where the tensors' data begin. */
static bool parse_header(tern_safetensors *file, size_t *data_at, tern_error *error)
{
    uint64_t length = 0;
    for (int i = 0; i < LENGTH_BYTES; i++)
        length |= (uint64_t)file->map.bytes[i] << 8 * i;
    if (length > file->map.size - LENGTH_BYTES)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "%s: header of %llu bytes is longer than the file (%zu bytes); it is "
                              "truncated or not a safetensors file",
                              file->path, (unsigned long long)length, file->map.size);
    json_error_t problem;
    file->header = json_loadb((const char *)file->map.bytes + LENGTH_BYTES, (size_t)length,
                              JSON_REJECT_DUPLICATES, &problem);
    /* jansson has nothing to say where memory was out. */
    if (!file->header && (!*problem.text || json_error_code(&problem) == json_error_out_of_memory))
        return tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for its header", file->path);
    if (!file->header)
        return tern_error_set(error, TERN_ERR_FORMAT, "%s: header is not JSON: %s (byte %d)",
                              file->path, problem.text, problem.position + LENGTH_BYTES);
    if (!json_is_object(file->header))
        return tern_error_set(error, TERN_ERR_FORMAT, "%s: header is not a JSON object",
                              file->path);
    *data_at = LENGTH_BYTES + (size_t)length;
    return true;
}

/* --------------------------------------------------------- the entries -- */

static bool entry_error(const tern_safetensors *file, const entry *e, tern_error *error,
                        const char *what)
{
    return tern_error_set(error, TERN_ERR_FORMAT, "%s: tensor '%s': %s", file->path,
                          e->stored.name, what);
}

/* Fills shape, rank and count; false if the shape is no shape. */
static bool read_shape(const tern_safetensors *file, entry *e, const json_t *shape,
                       tern_error *error)
{
    bool overflow = false, empty = false;
    e->file_rank = json_array_size(shape);
    e->stored.count = 1;
    for (size_t axis = 0; axis < e->file_rank; axis++) {
        const json_t *item = json_array_get(shape, axis);
        json_int_t extent = json_integer_value(item);
        if (!json_is_integer(item) || extent < 0)
            return entry_error(file, e, error, "shape must be a list of sizes, each 0 or more");
        if (axis < TERN_MAX_RANK)
            e->stored.shape[axis] = extent;
        if (extent == 0)
            empty = true;
        else if (__builtin_mul_overflow(e->stored.count, (int64_t)extent, &e->stored.count))
            overflow = true;
    }
    if (empty)
        e->stored.count = 0;
    else if (overflow)
        return entry_error(file, e, error, "shape overflows: more than 2^63 elements");
    e->stored.rank = (int)(e->file_rank < TERN_MAX_RANK ? e->file_rank : TERN_MAX_RANK);
    return true;
}

static bool read_offsets(const tern_safetensors *file, entry *e, const json_t *offsets,
                         size_t data_bytes, tern_error *error)
{
    json_int_t begin = json_integer_value(json_array_get(offsets, 0));
    json_int_t end = json_integer_value(json_array_get(offsets, 1));
    if (json_array_size(offsets) != 2 || !json_is_integer(json_array_get(offsets, 0)) ||
        !json_is_integer(json_array_get(offsets, 1)))
        return entry_error(file, e, error, "data_offsets must be [begin,end]");
    if (begin < 0 || end < begin || (uint64_t)end > data_bytes)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "%s: tensor '%s': data_offsets [%lld,%lld] are outside the file's "
                              "%zu bytes of data; it is truncated or damaged",
                              file->path, e->stored.name, (long long)begin, (long long)end,
                              data_bytes);
    e->begin = (uint64_t)begin;
    e->end = (uint64_t)end;
    e->stored.bytes = (size_t)(end - begin);
    return true;
}

static bool read_entry(const tern_safetensors *file, entry *e, const char *name,
                       const json_t *description, size_t data_bytes, tern_error *error)
{
    e->stored.name = name;
    const json_t *shape = json_object_get(description, "shape");
    const json_t *offsets = json_object_get(description, "data_offsets");
    e->tag = json_string_value(json_object_get(description, "dtype"));
    if (!e->tag || !json_is_array(shape) || !json_is_array(offsets) ||
        json_object_size(description) != 3)
        return entry_error(file, e, error,
                           "wants exactly dtype (a string), shape and data_offsets (lists)");
    if (!read_shape(file, e, shape, error) ||
        !read_offsets(file, e, offsets, data_bytes, error))
        return false;

    const struct type *type = find_type(e->tag);
    if (!type)
        return true; /* a newer type: its size is unknown, and at() refuses it */
    e->stored.dtype = type->dtype;
    uint64_t bytes;
    if (__builtin_mul_overflow((uint64_t)e->stored.count, (uint64_t)type->bytes, &bytes) ||
        bytes != e->stored.bytes)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "%s: tensor '%s': %lld elements of %s take %llu bytes, but "
                              "data_offsets [%llu,%llu] give it %zu",
                              file->path, name, (long long)e->stored.count, e->tag,
                              (unsigned long long)e->stored.count * type->bytes,
                              (unsigned long long)e->begin, (unsigned long long)e->end,
                              e->stored.bytes);
    return true;
}

static bool check_metadata(const tern_safetensors *file, json_t *metadata, tern_error *error)
{
    const char *key;
    json_t *value;
    if (!json_is_object(metadata))
        return tern_error_set(error, TERN_ERR_FORMAT, "%s: __metadata__ is not a JSON object",
                              file->path);
    json_object_foreach(metadata, key, value)
        if (!json_is_string(value))
            return tern_error_set(error, TERN_ERR_FORMAT,
                                  "%s: __metadata__ '%s' is not a string", file->path, key);
    return true;
}

static int by_offset(const void *left, const void *right)
{
    const entry *a = left, *b = right;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end)
        return a->end < b->end ? -1 : 1;
    return strcmp(a->stored.name, b->stored.name);
}

/* The tensors, in order of offset, must fill the data exactly. */
static bool check_layout(const tern_safetensors *file, size_t data_bytes, tern_error *error)
{
    uint64_t filled = 0;
    for (int i = 0; i < file->count; i++) {
        const entry *e = &file->entries[i];
        if (e->begin < filled)
            return tern_error_set(error, TERN_ERR_FORMAT,
                                  "%s: tensor '%s' overlaps tensor '%s': it begins at byte %llu "
                                  "of the data, before byte %llu",
                                  file->path, e->stored.name, file->entries[i - 1].stored.name,
                                  (unsigned long long)e->begin, (unsigned long long)filled);
        if (e->begin > filled)
            return tern_error_set(error, TERN_ERR_FORMAT,
                                  "%s: bytes %llu to %llu of the data, before tensor '%s', belong "
                                  "to no tensor",
                                  file->path, (unsigned long long)filled,
                                  (unsigned long long)e->begin, e->stored.name);
        filled = e->end;
    }
    if (filled != data_bytes)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "%s: %llu bytes after the last tensor belong to no tensor",
                              file->path, (unsigned long long)(data_bytes - filled));
    return true;
}

/* Kernels load whole elements, and a header of odd length misaligns what
 * follows it; such tensors are copied. */
static bool point_at_data(tern_safetensors *file, size_t data_at, tern_error *error)
{
    for (int i = 0; i < file->count; i++) {
        entry *e = &file->entries[i];
        size_t element = e->stored.dtype ? tern_dtype_size(e->stored.dtype) : 1;
        e->stored.data = file->map.bytes + data_at + e->begin;
        if (e->stored.bytes == 0 || (data_at + e->begin) % element == 0)
            continue;
        e->copy = malloc(e->stored.bytes);
        if (!e->copy)
            return tern_error_set(error, TERN_ERR_MEMORY,
                                  "%s: tensor '%s': no memory for %zu bytes", file->path,
                                  e->stored.name, e->stored.bytes);
        memcpy(e->copy, e->stored.data, e->stored.bytes);
        e->stored.data = e->copy;
    }
    return true;
}

static bool read_entries(tern_safetensors *file, size_t data_at, tern_error *error)
{
    size_t data_bytes = file->map.size - data_at;
    const char *name;
    json_t *description;
    file->entries = calloc(json_object_size(file->header) + 1, sizeof *file->entries);
    if (!file->entries)
        return tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for %zu tensors", file->path,
                              json_object_size(file->header));
    json_object_foreach(file->header, name, description) {
        if (strcmp(name, "__metadata__") == 0) {
            if (!check_metadata(file, description, error))
                return false;
        } else if (!read_entry(file, &file->entries[file->count++], name, description, data_bytes,
                               error)) {
            return false;
        }
    }
    qsort(file->entries, (size_t)file->count, sizeof *file->entries, by_offset);
    return check_layout(file, data_bytes, error) && point_at_data(file, data_at, error);
}

/* -------------------------------------------------------------- public -- */

tern_safetensors *tern_safetensors_open(const char *path, tern_error *error)
{
    size_t data_at = 0;
    tern_safetensors *file = calloc(1, sizeof *file);
    if (!file || !(file->path = strdup(path))) {
        free(file);
        tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory to open it", path);
        return NULL;
    }
    if (!map_file(file, error) || !parse_header(file, &data_at, error) ||
        !read_entries(file, data_at, error)) {
        tern_safetensors_close(file);
        return NULL;
    }
    return file;
}

void tern_safetensors_close(tern_safetensors *file)
{
    if (!file)
        return;
    for (int i = 0; i < file->count; i++)
        free(file->entries[i].copy);
    free(file->entries);
    json_decref(file->header);
    tern_unmap_file(&file->map);
    free(file->path);
    free(file);
}

int tern_safetensors_count(const tern_safetensors *file)
{
    return file->count;
}

const char *tern_safetensors_name(const tern_safetensors *file, int index)
{
    return index >= 0 && index < file->count ? file->entries[index].stored.name : NULL;
}

const tern_stored *tern_safetensors_at(const tern_safetensors *file, int index, tern_error *error)
{
    if (index < 0 || index >= file->count) {
        tern_error_set(error, TERN_ERR_ARGUMENT, "%s: tensor %d asked for, it has %d", file->path,
                       index, file->count);
        return NULL;
    }
    const entry *e = &file->entries[index];
    if (!e->stored.dtype) {
        tern_error_set(error, TERN_ERR_DTYPE,
                       "%s: tensor '%s' is of type %s; tern reads F64, F32, BF16, I32, I64, U8 and "
                       "BOOL",
                       file->path, e->stored.name, e->tag);
        return NULL;
    }
    if (e->file_rank > TERN_MAX_RANK) {
        tern_error_set(error, TERN_ERR_SHAPE,
                       "%s: tensor '%s' has %zu axes; tern's have at most %d", file->path,
                       e->stored.name, e->file_rank, TERN_MAX_RANK);
        return NULL;
    }
    return &e->stored;
}

static int find_index(const tern_safetensors *file, const char *name)
{
    for (int i = 0; i < file->count; i++)
        if (strcmp(file->entries[i].stored.name, name) == 0)
            return i;
    return -1;
}

const tern_stored *tern_safetensors_find(const tern_safetensors *file, const char *name,
                                         tern_error *error)
{
    int index = find_index(file, name);
    if (index >= 0)
        return tern_safetensors_at(file, index, error);

    const char *nearest = NULL;
    const char **names = calloc((size_t)file->count + 1, sizeof *names);
    for (int i = 0; names && i < file->count; i++)
        names[i] = file->entries[i].stored.name;
    if (names)
        nearest = tern_nearest_name(name, names, file->count);
    tern_error_set(error, TERN_ERR_ARGUMENT, "%s: has no tensor '%s'%s%s%s", file->path, name,
                   nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    free(names);
    return NULL;
}

bool tern_safetensors_has(const tern_safetensors *file, const char *name)
{
    return find_index(file, name) >= 0;
}

void tern_safetensors_forget(const tern_safetensors *file, const tern_stored *stored)
{
    const unsigned char *data = stored->data;
    bool is_mapped = data >= file->map.bytes && data < file->map.bytes + file->map.size;
    if (is_mapped && stored->bytes) /* else it is a copy of misaligned data */
        tern_mapping_forget(&file->map, data, stored->bytes);
}

const char *tern_safetensors_metadata(const tern_safetensors *file, const char *key)
{
    return json_string_value(
        json_object_get(json_object_get(file->header, "__metadata__"), key));
}
