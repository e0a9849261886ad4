/* Sticky errors and near-miss suggestions. */
#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool tern_error_set(tern_error *error, tern_status code, const char *format, ...)
{
    if (!error || error->code != TERN_OK)
        return false;
    va_list arguments;
    va_start(arguments, format);
    error->code = code;
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return false;
}

void tern_error_prefix(tern_error *error, const char *format, ...)
{
    char prefix[256], message[TERN_MESSAGE_BYTES];
    if (!error || error->code == TERN_OK)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(prefix, sizeof prefix, format, arguments);
    va_end(arguments);
    memcpy(message, error->message, sizeof message);
    size_t used = (size_t)snprintf(error->message, sizeof error->message, "%s: ", prefix);
    size_t room = sizeof error->message - used - 1;
    size_t length = strnlen(message, sizeof message - 1);
    length = length < room ? length : room;
    memcpy(error->message + used, message, length);
    error->message[used + length] = '\0';
}

const char *tern_status_name(tern_status status)
{
    static const char *const names[] = { "ok",    "shape",  "dtype",  "option", "argument", "state",
                                         "memory", "io",    "format", "data",   "missing",  "device" };
    int count = (int)(sizeof names / sizeof names[0]);
    return (int)status >= 0 && (int)status < count ? names[status] : "unknown";
}

enum { LONGEST_NAME = 63 };

/* Levenshtein distance, one row of the table at a time. */
static int edit_distance(const char *a, const char *b)
{
    int row[LONGEST_NAME + 1];
    int length_a = (int)strnlen(a, LONGEST_NAME), length_b = (int)strnlen(b, LONGEST_NAME);
    for (int j = 0; j <= length_b; j++)
        row[j] = j;
    for (int i = 1; i <= length_a; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= length_b; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[length_b];
}

const char *tern_nearest_name(const char *name, const char *const *names, int count)
{
    const char *nearest = NULL;
    int best = (int)strlen(name) / 3 + 2; /* beyond this it is another word */
    for (int i = 0; i < count; i++) {
        int distance = edit_distance(name, names[i]);
        if (distance < best) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}
