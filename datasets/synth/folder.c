/* See folder.h. */
#include "datasets/synth/folder.h"

#include "datasets/set_folder.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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

bool tern_synth_open_folder(const char *dir, const tern_synth_opts *opts, bool *was_there,
                            tern_error *error)
{
    char path[TERN_SYNTH_PATH_BYTES], description[DESCRIPTION_BYTES];
    describe(opts, description);
    if (!tern_set_folder_begin(dir, "synth.txt", description, was_there, error))
        return false;
    return *was_there ||
           (tern_synth_path(path, error, "%s/faces", dir) && tern_synth_make_folder(path, error) &&
            tern_synth_path(path, error, "%s/voices", dir) && tern_synth_make_folder(path, error));
}
