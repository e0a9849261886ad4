/* Listing, checking and making folders.  The names in a folder are sorted by their bytes: the
 * order must not depend on the file system. */
#ifndef TERN_DATASETS_FOLDER_H
#define TERN_DATASETS_FOLDER_H

#include "core/error.h"

typedef struct tern_folder {
    int count;
    char **name; /* [count] */
} tern_folder;

/* Names that start with a dot are left out, and so are those that do not end in
 * suffix (upper or lower case), unless it is NULL. */
bool tern_folder_read(const char *path, const char *suffix, tern_folder *folder,
                      tern_error *error);
void tern_folder_free(tern_folder *folder);

/* The name, into `other`, of something in the folder that is none of `names` (NULL after the
 * last) nor what a program that was killed left of writing one of them (core/host_file.h);
 * empty if there is nothing else, or no such folder. */
enum { TERN_FILE_NAME_BYTES = 256 };
bool tern_folder_find_other(const char *path, const char *const *names,
                            char other[TERN_FILE_NAME_BYTES], tern_error *error);

/* Make a folder, and those above it that are missing; one that is there is fine. */
bool tern_folder_make(const char *path, tern_error *error);

#endif
