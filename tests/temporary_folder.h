/* Folders for the files that tests make. */
#ifndef TERN_TESTS_TEMPORARY_FOLDER_H
#define TERN_TESTS_TEMPORARY_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

enum { TEMPORARY_PATH_BYTES = 512 };

/* Make a folder under $TMPDIR or /tmp; its name is written to folder. */
bool temporary_folder_make(char folder[TEMPORARY_PATH_BYTES]);
/* Remove it with all that is in it. */
void temporary_folder_remove(const char *folder);

/* One for a whole group of tests: its set-up and its end. */
extern char test_folder[TEMPORARY_PATH_BYTES];
int test_folder_make(void **state);
int test_folder_remove(void **state);

/* "folder/name" into path; folders in name are made.  Returns path. */
const char *temporary_path(char path[TEMPORARY_PATH_BYTES], const char *folder, const char *name);
/* Write a file there; its path is left in path. */
bool temporary_file(char path[TEMPORARY_PATH_BYTES], const char *folder, const char *name,
                    const void *bytes, size_t size);

/* "../shared/data/NAME" into path; false if it is not there. */
bool shared_data(char path[TEMPORARY_PATH_BYTES], const char *name);

#endif
