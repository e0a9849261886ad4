/* See folder.h. */
#include "datasets/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_listed(const char *name, const char *suffix)
{
    size_t length = strlen(name), ending = suffix ? strlen(suffix) : 0;
    if (name[0] == '.' || length < ending)
        return false;
    return !suffix || strcasecmp(name + length - ending, suffix) == 0;
}

static bool append_name(tern_folder *folder, int *room, const char *name)
{
    if (folder->count == *room) {
        int larger = *room ? 2 * *room : 64;
        char **names = realloc(folder->name, (size_t)larger * sizeof *names);
        if (!names)
            return false;
        folder->name = names;
        *room = larger;
    }
    char *copy = strdup(name);
    if (!copy)
        return false;
    folder->name[folder->count++] = copy;
    return true;
}

bool tern_folder_read(const char *path, const char *suffix, tern_folder *folder, tern_error *error)
{
    *folder = (tern_folder){ 0 };
    if (error->code)
        return false;
    DIR *stream = opendir(path);
    if (!stream)
        return tern_error_set(error, TERN_ERR_IO, "%s: cannot be opened as a folder: %s", path,
                              strerror(errno));
    bool ok = true;
    int room = 0;
    errno = 0;
    for (struct dirent *entry; ok && (entry = readdir(stream)); errno = 0)
        if (is_listed(entry->d_name, suffix))
            ok = append_name(folder, &room, entry->d_name);
    int reason = errno;
    closedir(stream);
    if (!ok)
        tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for its %d names", path,
                       folder->count);
    else if (reason)
        ok = tern_error_set(error, TERN_ERR_IO, "%s: cannot be read: %s", path, strerror(reason));
    if (!ok)
        tern_folder_free(folder);
    else if (folder->count > 0)
        qsort(folder->name, (size_t)folder->count, sizeof *folder->name, compare_names);
    return ok;
}

void tern_folder_free(tern_folder *folder)
{
    for (int i = 0; i < folder->count; i++)
        free(folder->name[i]);
    free(folder->name);
    *folder = (tern_folder){ 0 };
}

/* NAME, or the NAME.PROCESS.NUMBER.tmp of a file that was not finished. */
static bool is_one_of(const char *entry, const char *const *names)
{
    size_t length = strlen(entry);
    for (int i = 0; names[i]; i++) {
        size_t start = strlen(names[i]);
        if (strncmp(entry, names[i], start) == 0 &&
            (length == start || (entry[start] == '.' && length > start + 4 &&
                                 strcmp(entry + length - 4, ".tmp") == 0)))
            return true;
    }
    return false;
}

bool tern_folder_find_other(const char *path, const char *const *names,
                            char other[TERN_FILE_NAME_BYTES], tern_error *error)
{
    other[0] = '\0';
    DIR *stream = opendir(path);
    if (!stream)
        return errno == ENOENT || tern_error_set(error, TERN_ERR_IO, "%s: cannot be read: %s", path,
                                                 strerror(errno));
    errno = 0;
    for (struct dirent *entry; !other[0] && (entry = readdir(stream)); errno = 0)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            !is_one_of(entry->d_name, names))
            snprintf(other, TERN_FILE_NAME_BYTES, "%s", entry->d_name);
    int reason = errno;
    closedir(stream);
    return !reason || tern_error_set(error, TERN_ERR_IO, "%s: cannot be read: %s", path,
                                     strerror(reason));
}

static bool make_one(const char *path, tern_error *error)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST ||
           tern_error_set(error, TERN_ERR_IO, "%s: cannot be made: %s", path, strerror(errno));
}

bool tern_folder_make(const char *path, tern_error *error)
{
    char *part = strdup(path);
    if (!part)
        return tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for its name", path);
    bool ok = true;
    for (char *slash = part; ok && *slash && (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        ok = make_one(part, error);
        *slash = '/';
    }
    ok = ok && make_one(part, error);
    free(part);
    return ok;
}
