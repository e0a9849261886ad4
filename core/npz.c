/* Reading .npz: a zip archive's directory, at its end, and members found through it.
 *
 *   | local header, name | data | local header, name | data | ... | directory | end record |
 *
 * The directory says of each member where it is, how it is packed, how large it is packed
 * and unpacked, and its CRC-32; the end record says where the directory is.  Sizes are
 * taken from the directory alone; local headers only say where the data begin.
 */
#include "core/host_file.h"
#include "core/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    END_BYTES = 22,
    ENTRY_BYTES = 46,
    LOCAL_BYTES = 30,
    STORED = 0,
    DEFLATED = 8,
    ENCRYPTED_FLAG = 1,
    MAX_EXPANSION = 1032 /* deflate makes of one byte at most so many */
};
#define END_MAGIC 0x06054b50u
#define ENTRY_MAGIC 0x02014b50u
#define LOCAL_MAGIC 0x04034b50u
#define ZIP64_MARK 0xffffffffu

typedef struct member {
    char *name; /* without ".npy" */
    uint32_t flags, method, crc, packed, unpacked, local;
    size_t data_at; /* packed data in the file */
} member;

struct tern_npz {
    char *path;
    tern_mapping map;
    member *members;
    int count;
};

static uint32_t u16_at(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8;
}

static uint32_t u32_at(const unsigned char *bytes)
{
    return u16_at(bytes) | u16_at(bytes + 2) << 16;
}

/* --------------------------------------------------------- the directory -- */

/* The end record is last in the file, before a comment of the length it names. */
static const unsigned char *find_end(const tern_npz *npz)
{
    size_t size = npz->map.size;
    for (size_t comment = 0; comment <= 0xffff && comment + END_BYTES <= size; comment++) {
        const unsigned char *end = npz->map.bytes + size - END_BYTES - comment;
        if (u32_at(end) == END_MAGIC && u16_at(end + 20) == comment)
            return end;
    }
    return NULL;
}

/* Finds where the data begin, behind the local header. */
static bool find_data(const tern_npz *npz, member *m, size_t directory, tern_error *error)
{
    size_t at = (size_t)m->local + LOCAL_BYTES;
    const unsigned char *local = at <= directory ? npz->map.bytes + m->local : NULL;

    if (!local || u32_at(local) != LOCAL_MAGIC)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "%s: array '%s': there is no member at byte %u, where the directory "
                              "has it", npz->path, m->name, m->local);
    m->data_at = at + u16_at(local + 26) + u16_at(local + 28);
    if (m->data_at > directory || m->packed > directory - m->data_at)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "%s: array '%s': %u bytes from byte %zu on reach into the directory; "
                              "the file is truncated or damaged",
                              npz->path, m->name, m->packed, m->data_at);
    return true;
}

/* A member of the directory; what is no .npy is passed over.  Returns its bytes in the
 * directory, 0 and an error if it lies. */
static size_t read_entry(tern_npz *npz, const unsigned char *entry, size_t rest, size_t directory,
                         tern_error *error)
{
    static const char suffix[] = ".npy";
    size_t name_length, whole, suffix_length = strlen(suffix);

    if (rest < ENTRY_BYTES || u32_at(entry) != ENTRY_MAGIC ||
        (whole = ENTRY_BYTES + (name_length = u16_at(entry + 28)) + u16_at(entry + 30) +
                 u16_at(entry + 32)) > rest) {
        tern_error_set(error, TERN_ERR_FORMAT, "%s: member %d of the directory is damaged",
                       npz->path, npz->count);
        return 0;
    }
    const char *name = (const char *)entry + ENTRY_BYTES;
    if (name_length < suffix_length ||
        memcmp(name + name_length - suffix_length, suffix, suffix_length) != 0)
        return whole;
    member *m = &npz->members[npz->count];
    *m = (member){ .flags = u16_at(entry + 8), .method = u16_at(entry + 10),
                   .crc = u32_at(entry + 16), .packed = u32_at(entry + 20),
                   .unpacked = u32_at(entry + 24), .local = u32_at(entry + 42) };
    m->name = strndup(name, name_length - suffix_length);
    if (!m->name) {
        tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory to open it", npz->path);
        return 0;
    }
    npz->count++;
    if (m->packed == ZIP64_MARK || m->unpacked == ZIP64_MARK || m->local == ZIP64_MARK) {
        tern_error_set(error, TERN_ERR_FORMAT,
                       "%s: array '%s' is stored as zip64; tern reads archives below 4 GiB",
                       npz->path, m->name);
        return 0;
    }
    return find_data(npz, m, directory, error) ? whole : 0;
}

static int by_place(const void *left, const void *right)
{
    const member *a = *(member *const *)left, *b = *(member *const *)right;
    return a->local < b->local ? -1 : a->local > b->local;
}

static int by_name(const void *left, const void *right)
{
    return strcmp((*(member *const *)left)->name, (*(member *const *)right)->name);
}

/* No two members share bytes, none has the name of another. */
static bool check_members(const tern_npz *npz, tern_error *error)
{
    const member **sorted = calloc((size_t)npz->count + 1, sizeof *sorted);
    if (!sorted)
        return tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory to open it", npz->path);
    for (int i = 0; i < npz->count; i++)
        sorted[i] = &npz->members[i];
    qsort(sorted, (size_t)npz->count, sizeof *sorted, by_place);
    bool ok = true;
    for (int i = 1; i < npz->count && ok; i++)
        if (sorted[i]->local < sorted[i - 1]->data_at + sorted[i - 1]->packed)
            ok = tern_error_set(error, TERN_ERR_FORMAT, "%s: array '%s' overlaps array '%s'",
                                npz->path, sorted[i]->name, sorted[i - 1]->name);
    qsort(sorted, (size_t)npz->count, sizeof *sorted, by_name);
    for (int i = 1; i < npz->count && ok; i++)
        if (strcmp(sorted[i]->name, sorted[i - 1]->name) == 0)
            ok = tern_error_set(error, TERN_ERR_FORMAT, "%s: array '%s' is there twice", npz->path,
                                sorted[i]->name);
    free(sorted);
    return ok;
}

static bool read_directory(tern_npz *npz, tern_error *error)
{
    const unsigned char *end = find_end(npz);
    if (!end)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "%s: is not a .npz file: it has no zip directory at its end",
                              npz->path);
    size_t members = u16_at(end + 10), bytes = u32_at(end + 12), at = u32_at(end + 16);
    size_t end_at = (size_t)(end - npz->map.bytes);
    if (members == 0xffff || bytes == ZIP64_MARK || at == ZIP64_MARK)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "%s: is a zip64 archive; tern reads those below 4 GiB", npz->path);
    if (at > end_at || bytes > end_at - at || u16_at(end + 8) != members)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "%s: a directory of %zu bytes at byte %zu is outside the file; it is "
                              "truncated or damaged", npz->path, bytes, at);
    if (members > bytes / ENTRY_BYTES)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "%s: a directory of %zu bytes cannot hold %zu members", npz->path,
                              bytes, members);
    npz->members = calloc(members + 1, sizeof *npz->members);
    if (!npz->members)
        return tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for %zu members", npz->path,
                              members);
    const unsigned char *entry = npz->map.bytes + at;
    for (size_t i = 0, rest = bytes; i < members; i++) {
        size_t used = read_entry(npz, entry, rest, at, error);
        if (used == 0)
            return false;
        entry += used;
        rest -= used;
    }
    return check_members(npz, error);
}

tern_npz *tern_npz_open(const char *path, tern_error *error)
{
    tern_npz *npz = calloc(1, sizeof *npz);
    if (!npz || !(npz->path = strdup(path))) {
        free(npz);
        tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory to open it", path);
        return NULL;
    }
    if (!tern_map_file(path, &npz->map, error) || !read_directory(npz, error)) {
        tern_npz_close(npz);
        return NULL;
    }
    return npz;
}

void tern_npz_close(tern_npz *npz)
{
    if (!npz)
        return;
    for (int i = 0; i < npz->count; i++)
        free(npz->members[i].name);
    free(npz->members);
    tern_unmap_file(&npz->map);
    free(npz->path);
    free(npz);
}

/* --------------------------------------------------------------- members -- */

int tern_npz_count(const tern_npz *npz)
{
    return npz->count;
}

const char *tern_npz_name(const tern_npz *npz, int index)
{
    return index >= 0 && index < npz->count ? npz->members[index].name : NULL;
}

static const member *find_member(const tern_npz *npz, const char *name)
{
    for (int i = 0; i < npz->count; i++)
        if (strcmp(npz->members[i].name, name) == 0)
            return &npz->members[i];
    return NULL;
}

bool tern_npz_has(const tern_npz *npz, const char *name)
{
    return find_member(npz, name) != NULL;
}

static bool inflate_member(const member *m, const unsigned char *packed, unsigned char *unpacked)
{
    z_stream stream = { .next_in = (unsigned char *)packed, .avail_in = m->packed,
                        .next_out = unpacked, .avail_out = m->unpacked };
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        return false;
    bool ok = inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_out == 0 &&
              stream.avail_in == 0;
    inflateEnd(&stream);
    return ok;
}

/* The member's bytes; *own is what is to be freed afterwards, NULL where they are in the
 * file as they are. */
static const unsigned char *unpack(const tern_npz *npz, const member *m, unsigned char **own,
                                   tern_error *error)
{
    const unsigned char *packed = npz->map.bytes + m->data_at;
    *own = NULL;
    if (m->method == STORED && m->packed == m->unpacked && !(m->flags & ENCRYPTED_FLAG))
        return packed;
    if (m->method != DEFLATED || (m->flags & ENCRYPTED_FLAG) ||
        m->unpacked / MAX_EXPANSION > m->packed) {
        tern_error_set(error, TERN_ERR_FORMAT,
                       "%s: array '%s': %s%u bytes packed by method %u cannot be %u bytes; tern "
                       "reads stored and deflated members", npz->path, m->name,
                       m->flags & ENCRYPTED_FLAG ? "encrypted; " : "", m->packed, m->method,
                       m->unpacked);
        return NULL;
    }
    *own = malloc((size_t)m->unpacked + 1);
    if (!*own) {
        tern_error_set(error, TERN_ERR_MEMORY, "%s: array '%s': no memory for %u bytes", npz->path,
                       m->name, m->unpacked);
        return NULL;
    }
    if (!inflate_member(m, packed, *own)) {
        tern_error_set(error, TERN_ERR_FORMAT,
                       "%s: array '%s': deflated data are damaged or not %u bytes", npz->path,
                       m->name, m->unpacked);
        return NULL;
    }
    return *own;
}

bool tern_npz_read(const tern_npz *npz, const char *name, tern_array *array, tern_error *error)
{
    const member *m = find_member(npz, name);
    unsigned char *own = NULL;
    *array = (tern_array){ 0 };
    if (!m)
        return tern_error_set(error, TERN_ERR_ARGUMENT, "%s: has no array '%s'", npz->path, name);
    const unsigned char *bytes = unpack(npz, m, &own, error);
    bool ok = bytes != NULL;
    if (ok && crc32(0, bytes, m->unpacked) != m->crc)
        ok = tern_error_set(error, TERN_ERR_FORMAT,
                            "%s: array '%s' does not have its checksum; the file is damaged",
                            npz->path, name);
    if (ok) {
        size_t room = strlen(npz->path) + strlen(name) + 16;
        char *where = malloc(room);
        if (where)
            snprintf(where, room, "%s: array '%s'", npz->path, name);
        ok = tern_npy_parse(bytes, m->unpacked, where ? where : npz->path, array, error);
        free(where);
    }
    free(own);
    return ok;
}
