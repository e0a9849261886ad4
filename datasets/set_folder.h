/* The folder of a data set that is made by tern.
 *
 * Its description, a text that says all that the set depends on, is written first and its
 * manifest.tsv last.  So a folder with both holds a finished set, one with the description
 * an unfinished set, and one with something else and no description somebody's other work.
 */
#ifndef TERN_DATASETS_SET_FOLDER_H
#define TERN_DATASETS_SET_FOLDER_H

#include "core/error.h"

/* Make the folder, and those above it that are missing, and write the description into the
 * file `name` there.  *was_there: the finished set of this description is there already, and
 * nothing was written.  TERN_ERR_STATE, and nothing is touched, if the folder holds another
 * set or anything else. */
bool tern_set_folder_begin(const char *folder, const char *name, const char *description,
                           bool *was_there, tern_error *error);

#endif
