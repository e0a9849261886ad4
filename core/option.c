/* Options of an op as text and as struct fields, driven by the contract. */
#include "core/op.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAMES = 32, MAX_NUMBERS = 16 };

static const tern_option *find_option(const tern_op *op, const char *name, tern_error *error)
{
    const char *names[MAX_NAMES];
    int count = 0;
    for (const tern_option *option = op->options; option && option->type; option++) {
        if (strcmp(option->name, name) == 0)
            return option;
        if (count < MAX_NAMES)
            names[count++] = option->name;
    }
    const char *nearest = tern_nearest_name(name, names, count);
    tern_error_set(error, TERN_ERR_OPTION, "%s has no option %s%s%s%s", op->name, name,
                   nearest ? ", did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    return NULL;
}

static bool parse_choice(const tern_option *option, const char *text, int *value, tern_error *error)
{
    char list[256] = "";
    for (int i = 0; option->choices[i]; i++) {
        if (strcmp(option->choices[i], text) == 0) {
            *value = i;
            return true;
        }
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", option->choices[i]);
    }
    return tern_error_set(error, TERN_ERR_OPTION, "%s=%s: it must be one of %s", option->name, text,
                          list);
}

static bool parse_bool(const tern_option *option, const char *text, bool *value, tern_error *error)
{
    bool yes = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    if (!yes && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
        return tern_error_set(error, TERN_ERR_OPTION, "%s=%s: it must be true or false",
                              option->name, text);
    *value = yes;
    return true;
}

/* The numbers in "2,1"; how many there are, or 0 and an error. */
static int read_numbers(const tern_option *option, const char *text, double *values,
                        tern_error *error)
{
    int length = option->length > 1 ? option->length : 1, given = 0;
    length = length < MAX_NUMBERS ? length : MAX_NUMBERS;
    const char *at = text;
    for (;;) {
        char *end;
        errno = 0;
        double value = strtod(at, &end);
        if (end == at || errno == ERANGE || (*end && *end != ',')) {
            tern_error_set(error, TERN_ERR_OPTION, "%s=%s: %s wanted", option->name, text,
                           length > 1 ? "numbers with commas between them" : "a number");
            return 0;
        }
        if (given == length) {
            tern_error_set(error, TERN_ERR_OPTION, "%s=%s: at most %d number%s wanted",
                           option->name, text, length, length > 1 ? "s" : "");
            return 0;
        }
        values[given++] = value;
        if (!*end)
            return given;
        at = end + 1;
    }
}

/* Zero, which in a field stands for the default, is not taken for it where somebody wrote it. */
static bool check_number(const tern_option *option, const char *text, double value,
                         tern_error *error)
{
    const double beyond_int64 = 9223372036854775808.0;
    if (option->type == TERN_OPTION_INT &&
        !(fabs(value) < beyond_int64 && value == (double)(int64_t)value))
        return tern_error_set(error, TERN_ERR_OPTION, "%s=%s: a whole number wanted",
                              option->name, text);
    if (value == 0 && option->fallback != 0 && !option->has_offset)
        return tern_error_set(error, TERN_ERR_OPTION, "%s=%s: it cannot be 0; the default is %g",
                              option->name, text, option->fallback);
    return true;
}

/* "2,1" for an array of length 2; one number sets all of them, unless it is a list. */
static bool parse_numbers(const tern_option *option, const char *text, char *options,
                          tern_error *error)
{
    char *field = options + option->offset;
    int length = option->length > 1 ? option->length : 1;
    double values[MAX_NUMBERS];
    int given = read_numbers(option, text, values, error);
    for (int i = 0; i < given; i++)
        if (!check_number(option, text, values[i], error))
            return false;
    for (int i = 0; given && i < length; i++) {
        double rest = given == 1 && !option->list ? values[0] : 0;
        double value = i < given ? values[i] : rest;
        if (option->type == TERN_OPTION_INT)
            ((int64_t *)(void *)field)[i] = (int64_t)value;
        else
            ((double *)(void *)field)[i] = value;
    }
    if (given && option->count_offset)
        *(int64_t *)(void *)(options + option->count_offset) = given;
    if (given && option->has_offset)
        *(bool *)(void *)(options + option->has_offset) = true;
    return given > 0;
}

bool tern_option_parse(const tern_op *op, void *options, const char *name, const char *value,
                       tern_error *error)
{
    const tern_option *option = find_option(op, name, error);
    if (!option)
        return false;
    char *field = (char *)options + option->offset;
    bool fits;
    switch (option->type) {
    case TERN_OPTION_CHOICE: fits = parse_choice(option, value, (int *)(void *)field, error); break;
    case TERN_OPTION_BOOL: fits = parse_bool(option, value, (bool *)(void *)field, error); break;
    default: fits = parse_numbers(option, value, options, error); break;
    }
    if (!fits)
        tern_error_prefix(error, "%s", op->name);
    return fits;
}

int tern_op_input_count(const tern_op *op)
{
    int count = 0;
    while (count < TERN_MAX_ARGS && op->in[count].kind != TERN_KIND_END)
        count++;
    return count;
}

int tern_op_output_count(const tern_op *op)
{
    int count = 0;
    while (count < TERN_MAX_SAVED && op->out[count].kind != TERN_KIND_END)
        count++;
    return count;
}

int tern_op_saved_count(const tern_op *op)
{
    int count = 0;
    while (count < TERN_MAX_SAVED && op->saved[count].kind != TERN_KIND_END)
        count++;
    return count;
}

/* ------------------------------------------------------ sample problems -- */

static const char *sample_error(const char *at, tern_error *error)
{
    tern_error_set(error, TERN_ERR_FORMAT, "inputs are name=[2,3] or name=[2,3]{low..high}: %s", at);
    return NULL;
}

const char *tern_sample_next(const char *text, tern_sample_input *input, tern_error *error)
{
    while (isspace((unsigned char)*text))
        text++;
    if (!*text)
        return NULL;
    *input = (tern_sample_input){ 0 };
    const char *at = strchr(text, '=');
    if (!at || at[1] != '[' || (size_t)(at - text) >= sizeof input->name)
        return sample_error(text, error);
    memcpy(input->name, text, (size_t)(at - text));
    for (at += 2; *at != ']';) {
        char *end;
        if (input->rank == TERN_MAX_RANK)
            return sample_error(text, error);
        input->shape[input->rank++] = strtoll(at, &end, 10);
        if (end == at || (*end != ',' && *end != ']'))
            return sample_error(text, error);
        at = *end == ',' ? end + 1 : end;
    }
    at++;
    if (*at == '{') {
        char *end;
        input->low = strtod(at + 1, &end);
        /* strtod reads "1." of "1..5": step back to the two dots */
        const char *dots = strstr(at, "..");
        if (!dots)
            return sample_error(text, error);
        input->high = strtod(dots + 2, &end);
        if (*end != '}')
            return sample_error(text, error);
        input->has_range = true;
        at = end + 1;
    }
    return at;
}
