/* The folder that the synthetic set is written to. */
#ifndef TERN_DATASETS_SYNTH_FOLDER_H
#define TERN_DATASETS_SYNTH_FOLDER_H

#include "datasets/synth/synth.h"

enum { TERN_SYNTH_PATH_BYTES = 4096 };

/* A path by format; false and TERN_ERR_IO if it is too long. */
bool tern_synth_path(char path[TERN_SYNTH_PATH_BYTES], tern_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Make a folder whose parent exists; one that is there is fine. */
bool tern_synth_make_folder(const char *path, tern_error *error);

/* Make the folder, its parents and what stands in it before the first clip, or
 * see whether what is there may be written over (see synth.h).  *was_there: the
 * finished set is there. */
bool tern_synth_open_folder(const char *dir, const tern_synth_opts *opts, bool *was_there,
                            tern_error *error);

#endif
