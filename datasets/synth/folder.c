/* See folder.h. */
#include "datasets/synth/folder.h"

#include "datasets/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Counted up when the same options give other files than before. */
enum { GENERATION = 1, DESCRIPTION_BYTES = 512 };

bool tern_synth_path(char path[TERN_SYNTH_PATH_BYTES], tern_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(path, TERN_SYNTH_PATH_BYTES, format, arguments);
    va_end(arguments);
    if (length < 0 || length >= TERN_SYNTH_PATH_BYTES)
        return tern_error_set(error, TERN_ERR_IO, "synth: the path %.60s... is too long", path);
    return true;
}

bool tern_synth_make_folder(const char *path, tern_error *error)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST)
        return true;
    return tern_error_set(error, TERN_ERR_IO, "%s: cannot be made: %s", path, strerror(errno));
}

static bool make_with_parents(const char *dir, tern_error *error)
{
    char path[TERN_SYNTH_PATH_BYTES];
    if (!tern_synth_path(path, error, "%s", dir))
        return false;
    for (char *slash = path + 1; *path && (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        if (!tern_synth_make_folder(path, error))
            return false;
        *slash = '/';
    }
    return tern_synth_make_folder(path, error);
}

/* What synth.txt says: all that the files depend on. */
static void describe(const tern_synth_opts *opts, char text[DESCRIPTION_BYTES])
{
    const int *clips = opts->clips, *actors = opts->actors;
    snprintf(text, DESCRIPTION_BYTES,
             "made by `tern data synth`, generation %d\n"
             "seed %llu\n"
             "clips (train, valid, test) %d %d %d\n"
             "actors (train, valid, test) %d %d %d\n"
             "frames %d\nsize %d\nseconds %.17g\n",
             GENERATION, (unsigned long long)opts->seed, clips[0], clips[1], clips[2], actors[0],
             actors[1], actors[2], opts->frames, opts->size, opts->seconds);
}

/* Is this what a run of ours that was killed left of writing synth.txt (core/host_file.h)? */
static bool is_unfinished_description(const char *name)
{
    size_t length = strlen(name);
    return strncmp(name, "synth.txt.", 10) == 0 && strcmp(name + length - 4, ".tmp") == 0;
}

/* The name of something in the folder that a run of ours cannot have left before
 * it wrote synth.txt, or an empty name. */
static bool find_stranger(const char *dir, char name[256], tern_error *error)
{
    DIR *listing = opendir(dir);
    if (!listing)
        return tern_error_set(error, TERN_ERR_IO, "%s: cannot be read: %s", dir, strerror(errno));
    name[0] = 0;
    for (struct dirent *entry; !name[0] && (entry = readdir(listing));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            !is_unfinished_description(entry->d_name))
            snprintf(name, 256, "%s", entry->d_name);
    closedir(listing);
    return true;
}

/* Is the folder empty, or does it hold a set with this description? */
static bool check_folder(const char *dir, const char *synth_txt, const char *description,
                         tern_error *error)
{
    char stranger[256];
    if (access(synth_txt, F_OK) != 0)
        return find_stranger(dir, stranger, error) &&
               (!stranger[0] ||
                tern_error_set(error, TERN_ERR_STATE,
                               "%s: holds something else already (%s); give a folder that is "
                               "empty or does not exist", dir, stranger));
    char *found = tern_file_read_text(synth_txt, error);
    bool same = found && strcmp(found, description) == 0;
    if (found && !same)
        tern_error_set(error, TERN_ERR_STATE,
                       "%s: was made with other options than now asked for; give another folder "
                       "or remove this one", synth_txt);
    free(found);
    return same;
}

bool tern_synth_open_folder(const char *dir, const tern_synth_opts *opts, bool *was_there,
                            tern_error *error)
{
    char synth_txt[TERN_SYNTH_PATH_BYTES], path[TERN_SYNTH_PATH_BYTES];
    char description[DESCRIPTION_BYTES];

    describe(opts, description);
    if (!make_with_parents(dir, error) ||
        !tern_synth_path(synth_txt, error, "%s/synth.txt", dir) ||
        !check_folder(dir, synth_txt, description, error) ||
        !tern_synth_path(path, error, "%s/manifest.tsv", dir))
        return false;
    *was_there = access(path, F_OK) == 0;
    return *was_there ||
           (tern_file_replace(synth_txt, description, strlen(description), error) &&
            tern_synth_path(path, error, "%s/faces", dir) && tern_synth_make_folder(path, error) &&
            tern_synth_path(path, error, "%s/voices", dir) && tern_synth_make_folder(path, error));
}
