/* See file.h. */
#include "datasets/file.h"

#include "core/host_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a Git LFS checkout leaves in place of a file that was not fetched:
 *   version https://git-lfs.github.com/spec/v1
 *   oid sha256:...
 *   size 76908                                                              */
static const char lfs_pointer_start[] = "version https://git-lfs";

static bool is_readable_size(const char *path, const struct stat *info, tern_error *error)
{
    if (S_ISDIR(info->st_mode))
        return tern_error_set(error, TERN_ERR_IO, "%s: is a folder, not a file", path);
    if (info->st_size == 0 && S_ISREG(info->st_mode))
        return tern_error_set(error, TERN_ERR_FORMAT, "%s: is empty", path);
    if ((uint64_t)info->st_size > TERN_FILE_MAX_BYTES)
        return tern_error_set(error, TERN_ERR_DATA, "%s: %lld bytes; at most %zu are read", path,
                              (long long)info->st_size, TERN_FILE_MAX_BYTES);
    return true;
}

/* Read until the end: a pipe has no size beforehand. */
static bool read_all(int file, const char *path, uint8_t **bytes, size_t *size, tern_error *error)
{
    size_t room = *size;
    *size = 0;
    for (;;) {
        if (*size == room) {
            room = room < 65536 ? 65536 : 2 * room;
            uint8_t *larger = realloc(*bytes, room + 1);
            if (!larger)
                return tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for %zu bytes", path,
                                      room);
            *bytes = larger;
        }
        ssize_t got = read(file, *bytes + *size, room - *size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return tern_error_set(error, TERN_ERR_IO, "%s: cannot be read: %s", path,
                                  strerror(errno));
        if (got == 0)
            return true;
        *size += (size_t)got;
        if (*size > TERN_FILE_MAX_BYTES)
            return tern_error_set(error, TERN_ERR_DATA, "%s: longer than %zu bytes", path,
                                  TERN_FILE_MAX_BYTES);
    }
}

static bool read_opened(int file, const char *path, uint8_t **bytes, size_t *size,
                        tern_error *error)
{
    struct stat info;
    if (fstat(file, &info) != 0)
        return tern_error_set(error, TERN_ERR_IO, "%s: %s", path, strerror(errno));
    if (!is_readable_size(path, &info, error))
        return false;
    /* One byte of room beyond the known size, so that the end is seen without growing. */
    *size = (size_t)info.st_size + 1;
    *bytes = malloc(*size + 1);
    if (!*bytes)
        return tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for %zu bytes", path, *size);
    if (!read_all(file, path, bytes, size, error))
        return false;
    (*bytes)[*size] = 0;
    if (*size == 0)
        return tern_error_set(error, TERN_ERR_FORMAT, "%s: is empty", path);
    if (*size >= strlen(lfs_pointer_start) &&
        memcmp(*bytes, lfs_pointer_start, strlen(lfs_pointer_start)) == 0)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "%s: is a Git LFS pointer, not the file itself; "
                              "fetch it with `git lfs pull`", path);
    return true;
}

uint8_t *tern_file_read(const char *path, size_t *size, tern_error *error)
{
    *size = 0;
    if (error->code)
        return NULL;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        tern_error_set(error, TERN_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
        return NULL;
    }
    uint8_t *bytes = NULL;
    if (!read_opened(file, path, &bytes, size, error)) {
        free(bytes);
        bytes = NULL;
        *size = 0;
    }
    close(file);
    return bytes;
}

char *tern_file_read_text(const char *path, tern_error *error)
{
    size_t size;
    char *text = (char *)tern_file_read(path, &size, error);
    if (!text)
        return NULL;
    if (strlen(text) != size) {
        tern_error_set(error, TERN_ERR_FORMAT, "%s: is not a text file: byte %zu is zero", path,
                       strlen(text));
        free(text);
        return NULL;
    }
    if (strncmp(text, "\xEF\xBB\xBF", 3) == 0)
        memmove(text, text + 3, size - 3 + 1);
    return text;
}

static bool finish(tern_whole_file *file, const void *bytes, size_t size)
{
    return file && tern_whole_file_finish(file, tern_whole_file_write(file, bytes, size));
}

bool tern_file_replace(const char *path, const void *bytes, size_t size, tern_error *error)
{
    return !error->code && finish(tern_whole_file_create(path, error), bytes, size);
}

bool tern_file_replace_unsynced(const char *path, const void *bytes, size_t size,
                                tern_error *error)
{
    return !error->code && finish(tern_whole_file_create_unsynced(path, error), bytes, size);
}

char *tern_line_next(char **text)
{
    char *line = *text;
    if (!*line)
        return NULL;
    char *end = strchr(line, '\n');
    if (end) {
        *text = end + 1;
        *end = 0;
    } else {
        end = line + strlen(line);
        *text = end;
    }
    if (end > line && end[-1] == '\r')
        end[-1] = 0;
    return line;
}

char *tern_field_next(char **line)
{
    char *field = *line;
    if (!field)
        return NULL;
    char *tab = strchr(field, '\t');
    *line = tab ? tab + 1 : NULL;
    if (tab)
        *tab = 0;
    return field;
}
