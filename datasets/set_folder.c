/* See set_folder.h. */
#include "datasets/set_folder.h"

#include "datasets/file.h"
#include "datasets/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *path_in(const char *folder, const char *name, tern_error *error)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for a path", folder);
        return NULL;
    }
    return path;
}

/* Does the folder hold nothing, or a set of this description? */
static bool check_folder(const char *folder, const char *path, const char *name,
                         const char *description, tern_error *error)
{
    char other[TERN_FILE_NAME_BYTES];
    if (access(path, F_OK) != 0)
        return tern_folder_find_other(folder, (const char *const[]){ name, NULL }, other, error) &&
               (!other[0] ||
                tern_error_set(error, TERN_ERR_STATE,
                               "%s: holds something else already (%s); give a folder that is "
                               "empty or does not exist", folder, other));
    char *found = tern_file_read_text(path, error);
    bool same = found && strcmp(found, description) == 0;
    if (found && !same)
        tern_error_set(error, TERN_ERR_STATE,
                       "%s: the set there was made with other options or sources than now asked "
                       "for; give another folder or remove this one", path);
    free(found);
    return same;
}

bool tern_set_folder_begin(const char *folder, const char *name, const char *description,
                           bool *was_there, tern_error *error)
{
    char *path = path_in(folder, name, error);
    char *manifest = path ? path_in(folder, "manifest.tsv", error) : NULL;
    bool ok = manifest && tern_folder_make(folder, error) &&
              check_folder(folder, path, name, description, error);
    *was_there = ok && access(manifest, F_OK) == 0;
    ok = ok && (*was_there || tern_file_replace(path, description, strlen(description), error));
    free(path);
    free(manifest);
    return ok;
}
