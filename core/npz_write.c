/* Writing .npz: a zip archive of .npy members, a whole file or none.
 *
 * Members are packed in memory first, for their sizes stand before them.  Dates are the
 * format's first, 1980-01-01, so that a file depends on nothing but its contents.
 */
#include "core/host_file.h"
#include "core/npy_private.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    DEFLATED = 8,
    VERSION = 20,          /* of zip, needed to read: 2.0            */
    MADE_ON_UNIX = 3 << 8,
    UTF8_NAME = 0x800,
    FIRST_DATE = 0x21,
    COMMON_BYTES = 26      /* in local headers and the directory alike */
};
#define OWNER_READS_AND_WRITES (0600u << 16)
#define LARGEST 0xfffffffeu

typedef struct pending {
    char *name; /* with ".npy" */
    unsigned char header[TERN_NPY_HEADER_BYTES];
    size_t header_bytes, data_bytes;
    const void *data;
    unsigned char *packed; /* header and data deflated; NULL if stored */
    uint32_t packed_bytes, crc, local;
} pending;

struct tern_npz_writer {
    char *path;
    bool deflate;
    tern_error *error; /* the caller's, or `unheard` */
    tern_error unheard;
    pending *members;
    int count, capacity;
};

static bool no_memory(const tern_npz_writer *writer)
{
    return tern_error_set(writer->error, TERN_ERR_MEMORY, "%s: no memory to write it",
                          writer->path);
}

tern_npz_writer *tern_npz_create(const char *path, bool deflate, tern_error *error)
{
    tern_npz_writer *writer = calloc(1, sizeof *writer);
    if (!writer || !(writer->path = strdup(path))) {
        tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory to write it", path);
        free(writer);
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
    for (int i = 0; i < writer->count; i++) {
        free(writer->members[i].name);
        free(writer->members[i].packed);
    }
    free(writer->members);
    free(writer->path);
    free(writer);
}

static bool grow(tern_npz_writer *writer)
{
    if (writer->count < writer->capacity)
        return true;
    int capacity = writer->capacity ? 2 * writer->capacity : 16;
    pending *larger = realloc(writer->members, (size_t)capacity * sizeof *larger);
    if (!larger)
        return no_memory(writer);
    writer->members = larger;
    writer->capacity = capacity;
    return true;
}

void tern_npz_add(tern_npz_writer *writer, const char *name, tern_dtype dtype, int rank,
                  const int64_t *shape, const void *data)
{
    size_t length = strlen(name);
    if (!writer || writer->error->code || !grow(writer))
        return;
    pending *member = &writer->members[writer->count];
    *member = (pending){ .data = data };
    member->header_bytes = tern_npy_header(writer->path, dtype, rank, shape, member->header,
                                           &member->data_bytes, writer->error);
    if (member->header_bytes == 0)
        return;
    if (length + 4 > 0xffff || writer->count + 1 >= 0xffff) {
        tern_error_set(writer->error, TERN_ERR_ARGUMENT,
                       "%s: too many arrays or too long a name for a zip archive", writer->path);
        return;
    }
    member->name = malloc(length + sizeof ".npy");
    if (!member->name) {
        no_memory(writer);
        return;
    }
    memcpy(member->name, name, length);
    memcpy(member->name + length, ".npy", sizeof ".npy");
    writer->count++;
    for (int i = 0; i < writer->count - 1; i++)
        if (strcmp(writer->members[i].name, member->name) == 0)
            tern_error_set(writer->error, TERN_ERR_ARGUMENT, "%s: array '%s' was added twice",
                           writer->path, name);
}

/* --------------------------------------------------------------- packing -- */

static size_t unpacked_bytes(const pending *member)
{
    return member->header_bytes + member->data_bytes;
}

static bool deflate_member(const tern_npz_writer *writer, pending *member)
{
    z_stream stream = { 0 };
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return no_memory(writer);
    uLong room = deflateBound(&stream, (uLong)unpacked_bytes(member));
    member->packed = room <= LARGEST ? malloc(room) : NULL;
    bool ok = member->packed != NULL;
    if (ok) {
        stream.next_out = member->packed;
        stream.avail_out = (uInt)room;
        stream.next_in = member->header;
        stream.avail_in = (uInt)member->header_bytes;
        ok = deflate(&stream, Z_NO_FLUSH) == Z_OK;
        stream.next_in = (unsigned char *)member->data;
        stream.avail_in = (uInt)member->data_bytes;
        ok = ok && deflate(&stream, Z_FINISH) == Z_STREAM_END;
        member->packed_bytes = (uint32_t)stream.total_out;
    }
    deflateEnd(&stream);
    return ok || no_memory(writer);
}

/* Packs all members and finds their places; false if the archive would need zip64. */
static bool pack_members(tern_npz_writer *writer)
{
    uint64_t at = 0;
    for (int i = 0; i < writer->count; i++) {
        pending *member = &writer->members[i];
        bool fits = unpacked_bytes(member) <= LARGEST;
        if (fits) {
            uLong crc = crc32(0, member->header, (uInt)member->header_bytes);
            if (member->data_bytes > 0)
                crc = crc32(crc, member->data, (uInt)member->data_bytes);
            member->crc = (uint32_t)crc;
            member->packed_bytes = (uint32_t)unpacked_bytes(member);
            if (writer->deflate && !deflate_member(writer, member))
                return false;
            member->local = (uint32_t)at;
            at += 4 + COMMON_BYTES + strlen(member->name) + member->packed_bytes;
        }
        if (!fits || at > LARGEST)
            return tern_error_set(writer->error, TERN_ERR_ARGUMENT,
                                  "%s: its arrays take more than the 4 GiB of a zip archive",
                                  writer->path);
    }
    return true;
}

/* --------------------------------------------------------------- writing -- */

static unsigned char *put(unsigned char *at, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *at++ = (unsigned char)(value >> 8 * i);
    return at;
}

/* From "version needed" to "length of extra fields". */
static unsigned char *put_common(unsigned char *at, const pending *member)
{
    bool ascii = true;
    for (const char *letter = member->name; *letter; letter++)
        ascii = ascii && (unsigned char)*letter < 0x80;
    at = put(at, VERSION, 2);
    at = put(at, ascii ? 0 : UTF8_NAME, 2);
    at = put(at, member->packed ? DEFLATED : 0, 2);
    at = put(at, 0, 2); /* time */
    at = put(at, FIRST_DATE, 2);
    at = put(at, member->crc, 4);
    at = put(at, member->packed_bytes, 4);
    at = put(at, (uint32_t)unpacked_bytes(member), 4);
    at = put(at, (uint32_t)strlen(member->name), 2);
    return put(at, 0, 2);
}

static bool write_member(tern_whole_file *file, const pending *member)
{
    unsigned char local[4 + COMMON_BYTES];
    put_common(put(local, 0x04034b50, 4), member);
    if (!tern_whole_file_write(file, local, sizeof local) ||
        !tern_whole_file_write(file, member->name, strlen(member->name)))
        return false;
    if (member->packed)
        return tern_whole_file_write(file, member->packed, member->packed_bytes);
    return tern_whole_file_write(file, member->header, member->header_bytes) &&
           tern_whole_file_write(file, member->data, member->data_bytes);
}

static bool write_entry(tern_whole_file *file, const pending *member)
{
    unsigned char entry[6 + COMMON_BYTES + 14], *at = put(entry, 0x02014b50, 4);
    at = put_common(put(at, MADE_ON_UNIX | VERSION, 2), member);
    at = put(put(at, 0, 4), 0, 2); /* no comment, first disk, binary */
    at = put(at, OWNER_READS_AND_WRITES, 4);
    put(at, member->local, 4);
    return tern_whole_file_write(file, entry, sizeof entry) &&
           tern_whole_file_write(file, member->name, strlen(member->name));
}

static bool write_archive(const tern_npz_writer *writer, tern_whole_file *file)
{
    unsigned char end[22];
    uint32_t directory = 0, bytes = 0;
    for (int i = 0; i < writer->count; i++) {
        const pending *member = &writer->members[i];
        if (!write_member(file, member))
            return false;
        directory = member->local + 4 + COMMON_BYTES + (uint32_t)strlen(member->name) +
                    member->packed_bytes;
        bytes += 6 + COMMON_BYTES + 14 + (uint32_t)strlen(member->name);
    }
    for (int i = 0; i < writer->count; i++)
        if (!write_entry(file, &writer->members[i]))
            return false;
    unsigned char *at = put(put(end, 0x06054b50, 4), 0, 4);
    at = put(put(at, (uint32_t)writer->count, 2), (uint32_t)writer->count, 2);
    put(put(put(at, bytes, 4), directory, 4), 0, 2);
    return tern_whole_file_write(file, end, sizeof end);
}

bool tern_npz_finish(tern_npz_writer *writer)
{
    bool ok = writer && !writer->error->code && pack_members(writer);
    if (ok) {
        tern_whole_file *file = tern_whole_file_create(writer->path, writer->error);
        ok = file && tern_whole_file_finish(file, write_archive(writer, file));
    }
    tern_npz_discard(writer);
    return ok;
}
