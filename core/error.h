/* Sticky errors.
 *
 * A tern_error keeps the FIRST error that was set and ignores later ones, so
 * that code runs a chain of calls and looks once at the end (the model is
 * cairo's).  Library code never prints, exits or aborts.
 *
 * A message says what was expected, what came, and where, in one line:
 *   model.face.block2.conv: conv2d: weight [64,3,3,16] (O,kh,kw,I) wants 16
 *   input channels, x is [8,64,64,3] (N,H,W,C)
 */
#ifndef TERN_CORE_ERROR_H
#define TERN_CORE_ERROR_H

#include "core/api.h"

#include <stdbool.h>

TERN_API_BEGIN

typedef enum tern_status {
    TERN_OK = 0,
    TERN_ERR_SHAPE,    /* rank or extent of a tensor does not fit          */
    TERN_ERR_DTYPE,    /* element type does not fit                        */
    TERN_ERR_OPTION,   /* an option is unknown or out of range             */
    TERN_ERR_ARGUMENT, /* NULL, mixed contexts, a name that does not exist */
    TERN_ERR_STATE,    /* called at the wrong time: backward twice, ...    */
    TERN_ERR_MEMORY,   /* an allocation failed or would overflow           */
    TERN_ERR_IO,       /* the system refused a read or a write             */
    TERN_ERR_FORMAT,   /* a file is not what it claims to be               */
    TERN_ERR_DATA,     /* well-formed data that makes no sense: empty split */
    TERN_ERR_MISSING,  /* an op, provider, library or device is not there  */
    TERN_ERR_DEVICE    /* the device reported a failure                    */
} tern_status;

enum { TERN_MESSAGE_BYTES = 768 };

typedef struct tern_error {
    tern_status code;
    char message[TERN_MESSAGE_BYTES];
} tern_error;

/* Record an error unless one is already there.  Always returns false, so a
 * function that returns bool may end with `return tern_error_set(...)`. */
bool tern_error_set(tern_error *error, tern_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Short name of a status: "shape", "io", ... */
const char *tern_status_name(tern_status status);

/* Put `prefix: ` before the message of an error that is set; used by callers
 * who know the place (file and line, layer path) when the callee does not. */
void tern_error_prefix(tern_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Of `count` names, the one nearest to `name` by edit distance, or NULL when
 * none is near enough to be a likely slip of the finger. */
const char *tern_nearest_name(const char *name, const char *const *names, int count);

TERN_API_END

#endif
