/* Reading .npz: a zip archive (libzip) whose members are .npy files. */
#include "core/host_file.h"
#include "core/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

enum { MAX_EXPANSION = 1032 /* deflate makes of one byte at most so many */ };
/* Of the zip format, without names: what stands before a member's bytes, its entry in the
 * directory, the directory's end. */
enum { LOCAL_BYTES = 30, ENTRY_BYTES = 46, END_BYTES = 22 };

typedef struct member {
    char *name; /* without ".npy" */
    zip_uint64_t index;
} member;

struct tern_npz {
    char *path;
    tern_mapping map;
    zip_t *archive;
    member *members;
    int count;
};

/* --------------------------------------------------------------- opening -- */

static bool zip_failed(const tern_npz *npz, zip_error_t *problem, tern_error *error)
{
    tern_status code = zip_error_code_zip(problem) == ZIP_ER_MEMORY ? TERN_ERR_MEMORY
                                                                    : TERN_ERR_FORMAT;
    tern_error_set(error, code, "%s: is not a whole .npz file: %s", npz->path,
                   zip_error_strerror(problem));
    zip_error_fini(problem);
    return false;
}

static bool open_archive(tern_npz *npz, tern_error *error)
{
    zip_error_t problem;
    zip_error_init(&problem);
    if (npz->map.size == 0) /* which libzip takes for an archive of nothing */
        return tern_error_set(error, TERN_ERR_FORMAT, "%s: is empty", npz->path);
    zip_source_t *source = zip_source_buffer_create(npz->map.bytes, npz->map.size, 0, &problem);
    if (!source)
        return zip_failed(npz, &problem, error);
    npz->archive = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &problem);
    if (!npz->archive) {
        zip_source_free(source);
        return zip_failed(npz, &problem, error);
    }
    zip_error_fini(&problem);
    return true;
}

static const member *find_member(const tern_npz *npz, const char *name)
{
    for (int i = 0; i < npz->count; i++)
        if (strcmp(npz->members[i].name, name) == 0)
            return &npz->members[i];
    return NULL;
}

/* Members that share bytes could unpack a small file to any size; libzip lets them pass.  So
 * all that the directory lists must have room in the file side by side. */
static bool check_room(const tern_npz *npz, tern_error *error)
{
    zip_uint64_t entries = (zip_uint64_t)zip_get_num_entries(npz->archive, 0);
    size_t room = npz->map.size - END_BYTES;
    for (zip_uint64_t i = 0; i < entries; i++) {
        zip_stat_t status;
        const char *name = zip_get_name(npz->archive, i, ZIP_FL_ENC_RAW);
        if (!name || zip_stat_index(npz->archive, i, 0, &status) != 0)
            return tern_error_set(error, TERN_ERR_FORMAT, "%s: %s", npz->path,
                                  zip_strerror(npz->archive));
        size_t headers = LOCAL_BYTES + ENTRY_BYTES + 2 * strlen(name);
        if (headers > room || status.comp_size > room - headers)
            return tern_error_set(error, TERN_ERR_FORMAT,
                                  "%s: its members need more than the file's %zu bytes: they "
                                  "overlap", npz->path, npz->map.size);
        room -= headers + (size_t)status.comp_size;
    }
    return true;
}

/* The names of the arrays; what is no .npy is passed over. */
static bool list_members(tern_npz *npz, tern_error *error)
{
    static const char suffix[] = ".npy";
    zip_int64_t entries = zip_get_num_entries(npz->archive, 0);
    npz->members = calloc((size_t)entries + 1, sizeof *npz->members);
    bool ok = npz->members != NULL;
    for (zip_int64_t i = 0; i < entries && ok; i++) {
        const char *file = zip_get_name(npz->archive, (zip_uint64_t)i, ZIP_FL_ENC_GUESS);
        size_t length = file ? strlen(file) : 0, suffix_length = strlen(suffix);
        if (length < suffix_length || strcmp(file + length - suffix_length, suffix) != 0)
            continue;
        char *name = strndup(file, length - suffix_length);
        ok = name != NULL;
        if (ok && find_member(npz, name)) {
            tern_error_set(error, TERN_ERR_FORMAT, "%s: array '%s' is there twice", npz->path,
                           name);
            free(name);
            return false;
        }
        if (ok)
            npz->members[npz->count++] = (member){ name, (zip_uint64_t)i };
    }
    return ok || tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory to open it", npz->path);
}

tern_npz *tern_npz_open(const char *path, tern_error *error)
{
    tern_npz *npz = calloc(1, sizeof *npz);
    if (!npz || !(npz->path = strdup(path))) {
        free(npz);
        tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory to open it", path);
        return NULL;
    }
    if (!tern_map_file(path, &npz->map, error) || !open_archive(npz, error) ||
        !check_room(npz, error) || !list_members(npz, error)) {
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
    if (npz->archive)
        zip_discard(npz->archive);
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

bool tern_npz_has(const tern_npz *npz, const char *name)
{
    return find_member(npz, name) != NULL;
}

static bool member_failed(const tern_npz *npz, const member *m, const char *what,
                          tern_error *error)
{
    return tern_error_set(error, TERN_ERR_FORMAT, "%s: array '%s': %s", npz->path, m->name, what);
}

/* Its unpacked size, if its packed size can hold so much. */
static bool measure(const tern_npz *npz, const member *m, size_t *size, tern_error *error)
{
    zip_stat_t status;
    if (zip_stat_index(npz->archive, m->index, 0, &status) != 0)
        return member_failed(npz, m, zip_strerror(npz->archive), error);
    if (status.size / MAX_EXPANSION > status.comp_size)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "%s: array '%s': %llu packed bytes cannot be %llu", npz->path,
                              m->name, (unsigned long long)status.comp_size,
                              (unsigned long long)status.size);
    *size = (size_t)status.size;
    return true;
}

/* All of a member's bytes; the read beyond the last one makes libzip check the CRC. */
static bool unpack(const tern_npz *npz, const member *m, unsigned char *bytes, size_t size,
                   tern_error *error)
{
    zip_file_t *file = zip_fopen_index(npz->archive, m->index, 0);
    if (!file)
        return member_failed(npz, m, zip_strerror(npz->archive), error);
    size_t done = 0;
    zip_int64_t got;
    while ((got = zip_fread(file, bytes + done, size + 1 - done)) > 0)
        done += (size_t)got;
    bool ok = true;
    if (got < 0)
        ok = member_failed(npz, m, zip_file_strerror(file), error);
    else if (done != size)
        ok = member_failed(npz, m, "is not as long as the directory says", error);
    zip_fclose(file);
    return ok;
}

bool tern_npz_read(const tern_npz *npz, const char *name, tern_array *array, tern_error *error)
{
    const member *m = find_member(npz, name);
    size_t size = 0;
    char *where;
    *array = (tern_array){ 0 };
    if (!m)
        return tern_error_set(error, TERN_ERR_ARGUMENT, "%s: has no array '%s'", npz->path, name);
    if (!measure(npz, m, &size, error))
        return false;
    unsigned char *bytes = malloc(size + 1);
    if (!bytes || asprintf(&where, "%s: array '%s'", npz->path, name) < 0) {
        free(bytes);
        return tern_error_set(error, TERN_ERR_MEMORY, "%s: array '%s': no memory for %zu bytes",
                              npz->path, name, size);
    }
    bool ok = unpack(npz, m, bytes, size, error) &&
              tern_npy_parse(bytes, size, where, array, error);
    free(where);
    free(bytes);
    return ok;
}
