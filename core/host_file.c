/* See host_file.h. */
#include "core/host_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ------------------------------------------------------------- reading -- */

bool tern_map_file(const char *path, tern_mapping *mapping, tern_error *error)
{
    struct stat status;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    *mapping = (tern_mapping){ NULL, 0 };
    if (descriptor < 0)
        return tern_error_set(error, TERN_ERR_IO, "%s: cannot be opened: %s", path,
                              strerror(errno));
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(descriptor);
        return tern_error_set(error, TERN_ERR_IO, "%s: is not a regular file", path);
    }
    if (status.st_size == 0) {
        close(descriptor);
        return true;
    }
    void *map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    int map_errno = errno;
    close(descriptor);
    if (map == MAP_FAILED)
        return tern_error_set(error, map_errno == ENOMEM ? TERN_ERR_MEMORY : TERN_ERR_IO,
                              "%s: cannot be mapped: %s", path, strerror(map_errno));
    *mapping = (tern_mapping){ map, (size_t)status.st_size };
    return true;
}

void tern_unmap_file(tern_mapping *mapping)
{
    if (mapping->bytes)
        munmap((void *)mapping->bytes, mapping->size);
    *mapping = (tern_mapping){ NULL, 0 };
}

void tern_mapping_forget(const tern_mapping *mapping, const void *bytes, size_t count)
{
    /* The pages that neighbours share go too: they are the file's and come back by themselves. */
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t begin = (size_t)((const unsigned char *)bytes - mapping->bytes);
    size_t from = begin / page * page, to = (begin + count + page - 1) / page * page;
    madvise((void *)(mapping->bytes + from), to - from, MADV_DONTNEED);
}

/* ------------------------------------------------------------- writing -- */

enum { MOST_LINKS = 40 }; /* of one to another, as the kernel allows */

struct tern_whole_file {
    char *path;      /* no symbolic link */
    char *temporary; /* NULL: written straight into what is at path */
    int descriptor;
    bool synced, failed;
    tern_error *error;
};

/* A new file beside the place, with a name that tells who left it behind if that happens:
 * PATH.PROCESS.NUMBER.tmp */
static bool open_temporary(tern_whole_file *file, size_t room)
{
    for (int attempt = 0; attempt < 100 && file->descriptor < 0; attempt++) {
        snprintf(file->temporary, room, "%s.%ld.%d.tmp", file->path, (long)getpid(), attempt);
        file->descriptor = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file->descriptor < 0 && errno != EEXIST)
            break;
    }
    if (file->descriptor < 0)
        return tern_error_set(file->error, TERN_ERR_IO, "%s: cannot be created: %s",
                              file->path, strerror(errno));
    return true;
}

static void release(tern_whole_file *file)
{
    if (!file)
        return;
    free(file->temporary);
    free(file->path);
    free(file);
}

static bool no_memory(const char *path, tern_error *error)
{
    return tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory to write it", path);
}

/* Where the symbolic link *path leads, which starts at its folder; *path is replaced. */
static bool follow_link(char **path, tern_error *error)
{
    char link[PATH_MAX], *target = NULL;
    const char *slash = strrchr(*path, '/');
    ssize_t length = readlink(*path, link, sizeof link - 1);
    if (length < 0)
        return tern_error_set(error, TERN_ERR_IO, "%s: cannot be followed: %s", *path,
                              strerror(errno));
    link[length] = '\0';
    int folder = slash && *link != '/' ? (int)(slash + 1 - *path) : 0;
    if (asprintf(&target, "%.*s%s", folder, *path, link) < 0)
        return no_memory(*path, error);
    free(*path);
    *path = target;
    return true;
}

static bool follow_links(char **path, tern_error *error)
{
    struct stat info;
    int links = 0;
    for (; lstat(*path, &info) == 0 && S_ISLNK(info.st_mode); links++)
        if (links == MOST_LINKS)
            return tern_error_set(error, TERN_ERR_IO, "%s: %s", *path, strerror(ELOOP));
        else if (!follow_link(path, error))
            return false;
    return true;
}

/* Is there something that a regular file must not take the place of? */
static bool is_irregular(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode);
}

static bool open_irregular(tern_whole_file *file)
{
    file->descriptor = open(file->path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
    return file->descriptor >= 0 || tern_error_set(file->error, TERN_ERR_IO,
                                                   "%s: cannot be written: %s", file->path,
                                                   strerror(errno));
}

static bool open_beside(tern_whole_file *file)
{
    size_t room = strlen(file->path) + 64; /* for the process and a number */
    file->temporary = malloc(room);
    return file->temporary ? open_temporary(file, room) : no_memory(file->path, file->error);
}

static tern_whole_file *create(const char *path, bool synced, tern_error *error)
{
    tern_whole_file *file = calloc(1, sizeof *file);
    if (!file || !(file->path = strdup(path))) {
        no_memory(path, error);
        release(file);
        return NULL;
    }
    file->error = error;
    file->descriptor = -1;
    bool ok = follow_links(&file->path, error);
    bool irregular = ok && is_irregular(file->path);
    file->synced = synced && !irregular;
    if (!ok || !(irregular ? open_irregular(file) : open_beside(file))) {
        release(file);
        return NULL;
    }
    return file;
}

tern_whole_file *tern_whole_file_create(const char *path, tern_error *error)
{
    return create(path, true, error);
}

tern_whole_file *tern_whole_file_create_unsynced(const char *path, tern_error *error)
{
    return create(path, false, error);
}

static bool fail(tern_whole_file *file, const char *what)
{
    file->failed = true;
    return tern_error_set(file->error, TERN_ERR_IO, "%s: cannot be %s: %s", file->path, what,
                          strerror(errno));
}

bool tern_whole_file_write(tern_whole_file *file, const void *data, size_t bytes)
{
    const char *at = data;
    while (bytes > 0 && !file->failed) {
        ssize_t written = write(file->descriptor, at, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return fail(file, "written");
        at += written;
        bytes -= (size_t)written;
    }
    return !file->failed;
}

/* A rename is on the disk only when its folder is. */
static void flush_folder(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash)
        slash[slash == path] = '\0';
    int descriptor = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor >= 0) {
        fsync(descriptor);
        close(descriptor);
    }
}

bool tern_whole_file_finish(tern_whole_file *file, bool complete)
{
    bool ok = complete && !file->failed;
    if (ok && file->synced && fsync(file->descriptor) != 0)
        ok = fail(file, "flushed to the disk");
    if (close(file->descriptor) != 0 && ok)
        ok = fail(file, "closed");
    if (ok && file->temporary && rename(file->temporary, file->path) != 0)
        ok = fail(file, "replaced");
    if (!ok && file->temporary)
        unlink(file->temporary);
    if (ok && file->synced)
        flush_folder(file->path);
    release(file);
    return ok;
}
