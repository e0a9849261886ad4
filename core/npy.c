/* Reading .npy: parse the dictionary, believe none of it. */
#include "core/npy.h"

#include "core/host_file.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char magic[] = "\x93NUMPY";
enum { MAGIC_BYTES = 6, DESCR_BYTES = 24 };

typedef struct header {
    char descr[DESCR_BYTES]; /* "<f4" */
    bool fortran_order;
    int axes;                /* of the file; may exceed TERN_MAX_RANK */
    bool has_descr, has_order, has_shape;
} header;

/* What is left of the dictionary's text. */
typedef struct reader {
    const char *at, *end, *where;
    tern_error *error;
} reader;

void tern_array_free(tern_array *array)
{
    free(array->data);
    *array = (tern_array){ 0 };
}

/* ------------------------------------------------------ the dictionary -- */

static bool malformed(const reader *r, const char *wanted)
{
    int rest = (int)(r->end - r->at > 24 ? 24 : r->end - r->at);
    return tern_error_set(r->error, TERN_ERR_FORMAT, "%s: header: %s wanted at '%.*s'", r->where,
                          wanted, rest, r->at);
}

static void skip_spaces(reader *r)
{
    while (r->at < r->end && isspace((unsigned char)*r->at))
        r->at++;
}

/* Skip spaces and, if it comes next, this text. */
static bool take(reader *r, const char *text)
{
    size_t length = strlen(text);
    skip_spaces(r);
    if ((size_t)(r->end - r->at) < length || memcmp(r->at, text, length) != 0)
        return false;
    r->at += length;
    return true;
}

/* 'text' or "text", without escapes. */
static bool read_string(reader *r, char *text, size_t room)
{
    skip_spaces(r);
    if (r->at == r->end || (*r->at != '\'' && *r->at != '"'))
        return malformed(r, "a string");
    const char *begin = r->at + 1, *close = memchr(begin, *r->at, (size_t)(r->end - begin));
    if (!close || (size_t)(close - begin) >= room || memchr(begin, '\\', (size_t)(close - begin)))
        return malformed(r, "a short string");
    memcpy(text, begin, (size_t)(close - begin));
    text[close - begin] = '\0';
    r->at = close + 1;
    return true;
}

static bool read_extent(reader *r, int64_t *extent)
{
    *extent = 0;
    skip_spaces(r);
    if (r->at == r->end || !isdigit((unsigned char)*r->at))
        return malformed(r, "an extent, 0 or more,");
    for (; r->at < r->end && isdigit((unsigned char)*r->at); r->at++)
        if (__builtin_mul_overflow(*extent, (int64_t)10, extent) ||
            __builtin_add_overflow(*extent, (int64_t)(*r->at - '0'), extent))
            return tern_error_set(r->error, TERN_ERR_FORMAT, "%s: header: an extent overflows",
                                  r->where);
    if (r->at < r->end && *r->at == 'L') /* Python 2's long integers */
        r->at++;
    return true;
}

/* (), (3,) or (3, 4) */
static bool read_shape(reader *r, header *head, tern_array *array)
{
    if (!take(r, "("))
        return malformed(r, "a tuple");
    while (!take(r, ")")) {
        int64_t extent;
        if (!read_extent(r, &extent))
            return false;
        if (head->axes < TERN_MAX_RANK)
            array->shape[head->axes] = extent;
        head->axes++;
        if (!take(r, ",")) {
            if (take(r, ")"))
                break;
            return malformed(r, "a comma or parenthesis");
        }
    }
    return true;
}

static bool read_entry(reader *r, header *head, tern_array *array)
{
    char key[24];
    bool *seen = NULL;

    if (!read_string(r, key, sizeof key))
        return false;
    if (!take(r, ":"))
        return malformed(r, "a colon");
    if (strcmp(key, "descr") == 0)
        seen = &head->has_descr;
    else if (strcmp(key, "fortran_order") == 0)
        seen = &head->has_order;
    else if (strcmp(key, "shape") == 0)
        seen = &head->has_shape;
    if (!seen || *seen)
        return tern_error_set(r->error, TERN_ERR_FORMAT,
                              "%s: header: key '%s' is %s; it must have descr, fortran_order and "
                              "shape", r->where, key, seen ? "there twice" : "unknown");
    *seen = true;
    if (seen == &head->has_shape)
        return read_shape(r, head, array);
    if (seen == &head->has_order) {
        head->fortran_order = take(r, "True");
        return head->fortran_order || take(r, "False") || malformed(r, "True or False");
    }
    if (take(r, "["))
        return tern_error_set(r->error, TERN_ERR_DTYPE,
                              "%s: holds records of several fields; tern reads arrays of numbers",
                              r->where);
    return read_string(r, head->descr, sizeof head->descr);
}

static bool read_dictionary(reader *r, header *head, tern_array *array)
{
    if (!take(r, "{"))
        return malformed(r, "a dictionary");
    while (!take(r, "}")) {
        if (!read_entry(r, head, array))
            return false;
        if (!take(r, ",")) {
            if (take(r, "}"))
                break;
            return malformed(r, "a comma or brace");
        }
    }
    skip_spaces(r);
    if (r->at != r->end)
        return malformed(r, "the end");
    if (!head->has_descr || !head->has_order || !head->has_shape)
        return tern_error_set(r->error, TERN_ERR_FORMAT, "%s: header has no %s", r->where,
                              !head->has_descr   ? "descr"
                              : !head->has_order ? "fortran_order"
                                                 : "shape");
    return true;
}

/* -------------------------------------------------- what the header means -- */

static bool find_dtype(const reader *r, const header *head, tern_array *array)
{
    static const struct {
        const char *descr;
        tern_dtype dtype;
    } types[] = {
        { "<f8", TERN_F64 }, { "<f4", TERN_F32 }, { "<i8", TERN_I64 }, { "<i4", TERN_I32 },
        { "|u1", TERN_U8 },  { "<u1", TERN_U8 },  { "|b1", TERN_U8 },
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].descr, head->descr) == 0)
            array->dtype = types[i].dtype;
    if (array->dtype)
        return true;
    return tern_error_set(r->error, TERN_ERR_DTYPE,
                          "%s: element type '%s'%s; tern reads <f8, <f4, <i8, <i4, |u1 and |b1",
                          r->where, head->descr,
                          head->descr[0] == '>' ? " is big-endian" : " is not one of tern's");
}

/* Count and bytes, checked against those that follow the header. */
static bool check_size(const reader *r, const header *head, tern_array *array, size_t data_bytes)
{
    uint64_t bytes = tern_dtype_size(array->dtype);
    bool overflow = false, empty = false;

    if (head->axes > TERN_MAX_RANK)
        return tern_error_set(r->error, TERN_ERR_SHAPE, "%s: has %d axes; tern's have at most %d",
                              r->where, head->axes, TERN_MAX_RANK);
    array->rank = head->axes;
    for (int axis = 0; axis < array->rank; axis++) {
        empty = empty || array->shape[axis] == 0;
        overflow = overflow ||
                   __builtin_mul_overflow(bytes, (uint64_t)array->shape[axis], &bytes);
    }
    if (empty)
        bytes = 0;
    if ((overflow && !empty) || bytes != data_bytes)
        return tern_error_set(r->error, TERN_ERR_FORMAT,
                              "%s: %zu bytes of data do not fit shape and type of the header%s",
                              r->where, data_bytes,
                              overflow || bytes > data_bytes ? "; it is truncated or damaged" : "");
    array->bytes = data_bytes;
    array->count = (int64_t)(data_bytes / tern_dtype_size(array->dtype));
    return true;
}

/* The first axis runs fastest in the file, the last one in memory. */
static void copy_from_fortran(const tern_array *array, const unsigned char *from)
{
    size_t size = tern_dtype_size(array->dtype);
    char *to = array->data;

    for (int64_t i = 0; i < array->count; i++) {
        int64_t rest = i, at = 0;
        for (int axis = 0; axis < array->rank; axis++) {
            int64_t inner = 1;
            for (int later = axis + 1; later < array->rank; later++)
                inner *= array->shape[later];
            at += rest % array->shape[axis] * inner;
            rest /= array->shape[axis];
        }
        memcpy(to + (size_t)at * size, from + (size_t)i * size, size);
    }
}

/* ---------------------------------------------------------------- public -- */

/* Where the dictionary begins and ends; NULL and an error if it is not in the file. */
static const unsigned char *find_dictionary(const unsigned char *bytes, size_t size, size_t *length,
                                            const char *where, tern_error *error)
{
    if (size < MAGIC_BYTES + 4 || memcmp(bytes, magic, MAGIC_BYTES) != 0) {
        tern_error_set(error, TERN_ERR_FORMAT,
                       "%s: is not a .npy file, which begins with \\x93NUMPY", where);
        return NULL;
    }
    int major = bytes[6], minor = bytes[7], width = major == 1 ? 2 : 4;
    size_t begin = MAGIC_BYTES + 2 + (size_t)width;
    if (major < 1 || major > 3 || minor != 0) {
        tern_error_set(error, TERN_ERR_FORMAT, "%s: version %d.%d; tern reads 1.0, 2.0 and 3.0",
                       where, major, minor);
        return NULL;
    }
    *length = 0;
    for (int i = 0; i < width && begin <= size; i++)
        *length |= (size_t)bytes[8 + i] << 8 * i;
    if (begin > size || *length > size - begin) {
        tern_error_set(error, TERN_ERR_FORMAT,
                       "%s: a header of %zu bytes is longer than the file (%zu bytes); it is "
                       "truncated or damaged", where, *length, size);
        return NULL;
    }
    return bytes + begin;
}

bool tern_npy_parse(const void *bytes, size_t size, const char *where, tern_array *array,
                    tern_error *error)
{
    size_t length;
    header head = { .axes = 0 };
    tern_array found = { 0 };
    *array = found;
    const unsigned char *text = find_dictionary(bytes, size, &length, where, error);
    if (!text)
        return false;
    const unsigned char *data = text + length;
    reader r = { (const char *)text, (const char *)data, where, error };
    if (!read_dictionary(&r, &head, &found) || !find_dtype(&r, &head, &found) ||
        !check_size(&r, &head, &found, size - (size_t)(data - (const unsigned char *)bytes)))
        return false;
    found.data = malloc(found.bytes + 1);
    if (!found.data)
        return tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for %zu bytes", where,
                              found.bytes);
    if (head.fortran_order && found.rank > 1)
        copy_from_fortran(&found, data);
    else
        memcpy(found.data, data, found.bytes);
    *array = found;
    return true;
}

bool tern_npy_read(const char *path, tern_array *array, tern_error *error)
{
    tern_mapping map;
    *array = (tern_array){ 0 };
    if (!tern_map_file(path, &map, error))
        return false;
    bool ok = tern_npy_parse(map.bytes, map.size, path, array, error);
    tern_unmap_file(&map);
    return ok;
}
