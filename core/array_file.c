/* One face for the formats of arrays; see array_file.h. */
#include "core/array_file.h"

#include "core/npy.h"
#include "core/safetensors.h"

#include <stdlib.h>
#include <string.h>

typedef enum format { NO_FORMAT, SAFETENSORS, NPZ, NPY } format;

static format format_of(const char *path, tern_error *error)
{
    static const char *const ends[] = { [SAFETENSORS] = ".safetensors", [NPZ] = ".npz",
                                        [NPY] = ".npy" };
    size_t length = strlen(path);
    for (format f = SAFETENSORS; f <= NPY; f++) {
        size_t end = strlen(ends[f]);
        if (length >= end && strcmp(path + length - end, ends[f]) == 0)
            return f;
    }
    tern_error_set(error, TERN_ERR_ARGUMENT,
                   "%s: the name must end in .safetensors, .npz or .npy", path);
    return NO_FORMAT;
}

/* -------------------------------------------------------------- reading -- */

struct tern_array_file {
    format format;
    tern_safetensors *safetensors;
    tern_npz *npz;
    tern_array *arrays; /* read so far from an archive, by number; or the one of .npy */
};

static bool open_npz(tern_array_file *file, const char *path, tern_error *error)
{
    file->npz = tern_npz_open(path, error);
    if (!file->npz)
        return false;
    file->arrays = calloc((size_t)tern_npz_count(file->npz) + 1, sizeof *file->arrays);
    return file->arrays || tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory to open it", path);
}

static bool open_npy(tern_array_file *file, const char *path, tern_error *error)
{
    file->arrays = calloc(1, sizeof *file->arrays);
    if (!file->arrays)
        return tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory to open it", path);
    return tern_npy_read(path, file->arrays, error);
}

tern_array_file *tern_array_file_open(const char *path, tern_error *error)
{
    format kind = format_of(path, error);
    tern_array_file *file = kind ? calloc(1, sizeof *file) : NULL;
    bool ok = false;
    if (!file) {
        tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory to open it", path);
        return NULL;
    }
    file->format = kind;
    if (kind == SAFETENSORS)
        ok = (file->safetensors = tern_safetensors_open(path, error)) != NULL;
    else
        ok = kind == NPZ ? open_npz(file, path, error) : open_npy(file, path, error);
    if (!ok) {
        tern_array_file_close(file);
        return NULL;
    }
    return file;
}

void tern_array_file_close(tern_array_file *file)
{
    if (!file)
        return;
    int count = file->npz ? tern_npz_count(file->npz) : file->format == NPY;
    for (int i = 0; file->arrays && i < count; i++)
        tern_array_free(&file->arrays[i]);
    free(file->arrays);
    tern_npz_close(file->npz);
    tern_safetensors_close(file->safetensors);
    free(file);
}

int tern_array_file_count(const tern_array_file *file)
{
    return file->safetensors ? tern_safetensors_count(file->safetensors)
           : file->npz       ? tern_npz_count(file->npz)
                             : 1;
}

const char *tern_array_file_name(const tern_array_file *file, int index)
{
    return file->safetensors ? tern_safetensors_name(file->safetensors, index)
           : file->npz       ? tern_npz_name(file->npz, index)
                             : "";
}

static int find(const tern_array_file *file, const char *name)
{
    int count = tern_array_file_count(file);
    for (int i = 0; i < count; i++)
        if (strcmp(tern_array_file_name(file, i), name) == 0)
            return i;
    return -1;
}

bool tern_array_file_has(const tern_array_file *file, const char *name)
{
    return find(file, name) >= 0;
}

static void view_stored(const tern_stored *stored, tern_values *values)
{
    *values = (tern_values){ .name = stored->name, .dtype = stored->dtype, .rank = stored->rank,
                             .count = stored->count, .data = stored->data };
    memcpy(values->shape, stored->shape, sizeof values->shape);
}

static void view_array(const char *name, const tern_array *array, tern_values *values)
{
    *values = (tern_values){ .name = name, .dtype = array->dtype, .rank = array->rank,
                             .count = array->count, .data = array->data };
    memcpy(values->shape, array->shape, sizeof values->shape);
}

bool tern_array_file_read(tern_array_file *file, const char *name, tern_values *values,
                          tern_error *error)
{
    *values = (tern_values){ 0 };
    if (file->safetensors) {
        const tern_stored *stored = tern_safetensors_find(file->safetensors, name, error);
        if (stored)
            view_stored(stored, values);
        return stored != NULL;
    }
    int index = find(file, name);
    if (index < 0)
        return tern_error_set(error, TERN_ERR_ARGUMENT, "the file has no array '%s'", name);
    tern_array *array = &file->arrays[index];
    if (!array->data && !tern_npz_read(file->npz, name, array, error))
        return false;
    view_array(tern_array_file_name(file, index), array, values);
    return true;
}

/* -------------------------------------------------------------- writing -- */

struct tern_array_writer {
    format format;
    tern_safetensors_writer *safetensors;
    tern_npz_writer *npz;
    char *path; /* of .npy, and its array */
    tern_values values;
    int count;
    tern_error *error;
};

tern_array_writer *tern_array_create(const char *path, tern_error *error)
{
    format kind = format_of(path, error);
    tern_array_writer *writer = kind ? calloc(1, sizeof *writer) : NULL;
    bool ok = false;
    if (writer) {
        writer->format = kind;
        writer->error = error;
        if (kind == SAFETENSORS)
            ok = (writer->safetensors = tern_safetensors_create(path, error)) != NULL;
        else if (kind == NPZ)
            ok = (writer->npz = tern_npz_create(path, true, error)) != NULL;
        else
            ok = (writer->path = strdup(path)) != NULL;
    }
    if (!ok) {
        tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory to write it", path);
        tern_array_discard(writer);
        return NULL;
    }
    return writer;
}

void tern_array_discard(tern_array_writer *writer)
{
    if (!writer)
        return;
    tern_safetensors_discard(writer->safetensors);
    tern_npz_discard(writer->npz);
    free(writer->path);
    free(writer);
}

void tern_array_add(tern_array_writer *writer, const tern_values *values)
{
    if (!writer)
        return;
    writer->count++;
    if (writer->safetensors)
        tern_safetensors_add(writer->safetensors, values->name, values->dtype, values->rank,
                             values->shape, values->data);
    else if (writer->npz)
        tern_npz_add(writer->npz, values->name, values->dtype, values->rank, values->shape,
                     values->data);
    else if (writer->count > 1)
        tern_error_set(writer->error, TERN_ERR_ARGUMENT,
                       "%s: a .npy file holds one array, %s is a second one: write .npz or "
                       ".safetensors", writer->path, values->name);
    else
        writer->values = *values;
}

static bool finish_npy(const tern_array_writer *writer)
{
    const tern_values *values = &writer->values;
    if (writer->count == 0)
        return tern_error_set(writer->error, TERN_ERR_ARGUMENT, "%s: there is no array to write",
                              writer->path);
    return !writer->error->code && tern_npy_write(writer->path, values->dtype, values->rank,
                                                  values->shape, values->data, writer->error);
}

bool tern_array_finish(tern_array_writer *writer)
{
    if (!writer)
        return false;
    bool ok = writer->safetensors ? tern_safetensors_finish(writer->safetensors)
              : writer->npz       ? tern_npz_finish(writer->npz)
                                  : finish_npy(writer);
    writer->safetensors = NULL; /* finish freed it */
    writer->npz = NULL;
    tern_array_discard(writer);
    return ok;
}
