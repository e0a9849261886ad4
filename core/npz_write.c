/* Writing .npz: the archive is put together in memory (libzip) and then written as a whole
 * file or none.
 *
 * Dates are the format's first, 1980-01-01, so that a file depends on nothing but its
 * contents.
 */
#include "core/host_file.h"
#include "core/npy_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

enum { FIRST_DATE = 0x21, CHUNK_BYTES = 1 << 16 };

struct tern_npz_writer {
    char *path;
    bool deflate;
    tern_error *error; /* the caller's, or `unheard` */
    tern_error unheard;
    zip_source_t *bytes; /* of the archive, once it is closed */
    zip_t *archive;
};

static bool no_memory(const tern_npz_writer *writer)
{
    return tern_error_set(writer->error, TERN_ERR_MEMORY, "%s: no memory to write it",
                          writer->path);
}

tern_npz_writer *tern_npz_create(const char *path, bool deflate, tern_error *error)
{
    zip_error_t problem;
    tern_npz_writer *writer = calloc(1, sizeof *writer);
    zip_error_init(&problem);
    if (writer && (writer->path = strdup(path)) &&
        (writer->bytes = zip_source_buffer_create(NULL, 0, 0, &problem))) {
        zip_source_keep(writer->bytes); /* closing the archive gives one reference up */
        writer->archive = zip_open_from_source(writer->bytes, ZIP_TRUNCATE, &problem);
        if (!writer->archive)
            zip_source_free(writer->bytes);
    }
    zip_error_fini(&problem);
    if (!writer || !writer->archive) {
        tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory to write it", path);
        tern_npz_discard(writer);
        return NULL;
    }
    writer->deflate = deflate;
    writer->error = error ? error : &writer->unheard;
    return writer;
}

void tern_npz_discard(tern_npz_writer *writer)
{
    if (!writer)
        return;
    if (writer->archive)
        zip_discard(writer->archive);
    if (writer->bytes)
        zip_source_free(writer->bytes);
    free(writer->path);
    free(writer);
}

/* The .npy file of an array, in memory of its own; NULL and an error. */
static unsigned char *pack_array(const tern_npz_writer *writer, tern_dtype dtype, int rank,
                                 const int64_t *shape, const void *data, size_t *size)
{
    unsigned char header[TERN_NPY_HEADER_BYTES];
    size_t data_bytes, length = tern_npy_header(writer->path, dtype, rank, shape, header,
                                                &data_bytes, writer->error);
    unsigned char *bytes = length && data_bytes < SIZE_MAX - length ? malloc(length + data_bytes)
                                                                    : NULL;
    if (length && !bytes)
        no_memory(writer);
    if (!bytes)
        return NULL;
    memcpy(bytes, header, length);
    if (data_bytes > 0)
        memcpy(bytes + length, data, data_bytes);
    *size = length + data_bytes;
    return bytes;
}

/* Takes the bytes. */
static bool add_member(const tern_npz_writer *writer, const char *file, unsigned char *bytes,
                       size_t size)
{
    zip_source_t *source = zip_source_buffer(writer->archive, bytes, size, 1);
    if (!source) {
        free(bytes);
        return no_memory(writer);
    }
    zip_int64_t index = zip_file_add(writer->archive, file, source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
        zip_source_free(source);
        return false;
    }
    zip_int32_t method = writer->deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE;
    return zip_set_file_compression(writer->archive, (zip_uint64_t)index, method, 0) == 0 &&
           zip_file_set_dostime(writer->archive, (zip_uint64_t)index, 0, FIRST_DATE, 0) == 0;
}

void tern_npz_add(tern_npz_writer *writer, const char *name, tern_dtype dtype, int rank,
                  const int64_t *shape, const void *data)
{
    char *file; /* the member's name */
    size_t size;
    if (!writer || writer->error->code)
        return;
    unsigned char *bytes = pack_array(writer, dtype, rank, shape, data, &size);
    if (!bytes)
        return;
    if (asprintf(&file, "%s.npy", name) < 0) {
        free(bytes);
        no_memory(writer);
        return;
    }
    if (!add_member(writer, file, bytes, size)) {
        bool twice = zip_error_code_zip(zip_get_error(writer->archive)) == ZIP_ER_EXISTS;
        tern_error_set(writer->error, TERN_ERR_ARGUMENT, "%s: array '%s' %s", writer->path, name,
                       twice ? "was added twice" : zip_strerror(writer->archive));
    }
    free(file);
}

/* --------------------------------------------------------------- writing -- */

static bool write_bytes(const tern_npz_writer *writer, tern_whole_file *file)
{
    char chunk[CHUNK_BYTES];
    zip_int64_t got = -1;
    bool ok = zip_source_open(writer->bytes) == 0 || no_memory(writer);
    while (ok && (got = zip_source_read(writer->bytes, chunk, sizeof chunk)) > 0)
        ok = tern_whole_file_write(file, chunk, (size_t)got);
    zip_source_close(writer->bytes);
    return ok && got == 0;
}

bool tern_npz_finish(tern_npz_writer *writer)
{
    bool ok = writer && !writer->error->code;
    if (ok && zip_get_num_entries(writer->archive, 0) == 0) /* libzip would write nothing */
        ok = tern_error_set(writer->error, TERN_ERR_ARGUMENT, "%s: there is no array to write",
                            writer->path);
    else if (ok && zip_close(writer->archive) != 0)
        ok = tern_error_set(writer->error, TERN_ERR_MEMORY, "%s: cannot be put together: %s",
                            writer->path, zip_strerror(writer->archive));
    else if (ok)
        writer->archive = NULL;
    if (ok) {
        tern_whole_file *file = tern_whole_file_create(writer->path, writer->error);
        ok = file && tern_whole_file_finish(file, write_bytes(writer, file));
    }
    tern_npz_discard(writer);
    return ok;
}
