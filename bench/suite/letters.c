/* Letters for the sizes of a problem's inputs, and values for the letters. */
#include "bench/suite/cases.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/problem.h"

enum { WORD = 32, MOST_DIMENSIONS = TERN_MAX_RANK + 1 };

typedef struct word {
    char text[WORD];
} word;

/* A growing text; `failed` once there was no memory. */
typedef struct text {
    char *data;
    size_t length;
    bool failed;
} text;

static void append(text *to, const char *from, size_t length)
{
    char *grown = to->failed ? NULL : realloc(to->data, to->length + length + 1);
    to->failed = !grown;
    if (!grown)
        return;
    to->data = grown;
    memcpy(grown + to->length, from, length);
    to->length += length;
    grown[to->length] = '\0';
}

static char *finish(text *made, bool ok, tern_error *error)
{
    if (ok && !made->failed && made->data)
        return made->data;
    if (ok)
        tern_error_set(error, TERN_ERR_MEMORY, "no memory for a problem's inputs");
    free(made->data);
    return NULL;
}

/* --------------------------------------------------------- the contract -- */

/* "[N, T, 4H] or so" -> N, T, 4H; how many. */
static int split_shape(const char *shape, word *dimensions)
{
    int count = 0;
    const char *at = *shape == '[' ? shape + 1 : "]";
    while (*at && *at != ']' && count < MOST_DIMENSIONS) {
        size_t length = strcspn(at, ",]");
        while (length && *at == ' ') {
            at++;
            length--;
        }
        snprintf(dimensions[count++].text, WORD, "%.*s", (int)length, at);
        at += length;
        at += *at == ',';
    }
    return count;
}

/* What the contract calls axis `axis` of an input of that rank; NULL if nothing. */
static const char *axis_name(const word *dimensions, int count, int rank, int axis)
{
    int dots = -1, last = rank - 1 - axis; /* places from the end */
    for (int i = 0; i < count; i++)
        if (strcmp(dimensions[i].text, "...") == 0)
            dots = i;
    if (dots < 0)
        return count == rank ? dimensions[axis].text : NULL;
    if (axis < dots)
        return dimensions[axis].text;
    return last < count - 1 - dots ? dimensions[count - 1 - last].text : NULL;
}

static bool is_swept(const bench_axes *sweep, const char *name, size_t length)
{
    for (int i = 0; i < sweep->count; i++)
        if (!*sweep->axes[i].name ||
            (strncmp(sweep->axes[i].name, name, length) == 0 && !sweep->axes[i].name[length]))
            return true;
    return false;
}

static const tern_option *find_option(const tern_op *op, const char *name, size_t length)
{
    for (const tern_option *option = op->options; option && option->type; option++)
        if (option->type == TERN_OPTION_INT && strncmp(option->name, name, length) == 0 &&
            !option->name[length])
            return option;
    return NULL;
}

/* The value that an option has: the struct's, or what zero stands for. */
static int64_t option_value(const tern_option *option, const void *options)
{
    int64_t value;
    memcpy(&value, (const char *)options + option->offset, sizeof value);
    return value ? value : (int64_t)option->fallback;
}

/* "heads*D" -> "4*D", "4H" -> "4*H"; false if it has no letter that is swept, or letters
 * besides. */
static bool spell(const tern_op *op, const void *options, const bench_axes *sweep,
                  const char *name, char spelt[WORD])
{
    size_t used = 0;
    int letters = 0;
    for (const char *at = name; *at && used < WORD - 24;) {
        size_t length = strspn(at, "0123456789");
        if (length) {
            used += (size_t)snprintf(spelt + used, WORD - used, "%.*s%s", (int)length, at,
                                     isalpha((unsigned char)at[length]) ? "*" : "");
        } else if (isalpha((unsigned char)*at)) {
            while (isalnum((unsigned char)at[length]) || at[length] == '_')
                length++;
            const tern_option *option = find_option(op, at, length);
            if (option) {
                used += (size_t)snprintf(spelt + used, WORD - used, "%lld",
                                         (long long)option_value(option, options));
            } else if (is_swept(sweep, at, length)) {
                used += (size_t)snprintf(spelt + used, WORD - used, "%.*s", (int)length, at);
                letters++;
            } else {
                return false;
            }
        } else if (*at == '*' || *at == '/') {
            spelt[used++] = *at;
            spelt[used] = '\0';
            length = 1;
        } else {
            return false;
        }
        at += length;
    }
    return letters == 1;
}

static bool all_found(const tern_op *op, const bench_axes *sweep, const char *made,
                      tern_error *error)
{
    for (int i = 0; i < sweep->count; i++) {
        const char *name = sweep->axes[i].name;
        bool found = false;
        for (const char *at = strchr(made, '['); at && !found; at = strchr(at + 1, '['))
            for (const char *in = at; *in && *in != ']' && !found; in++)
                found = isalpha((unsigned char)*in) &&
                        (!*name || (strncmp(in, name, strlen(name)) == 0 &&
                                    !isalnum((unsigned char)in[strlen(name)])));
        if (found)
            continue;
        if (*name)
            return tern_error_set(error, TERN_ERR_ARGUMENT,
                                  "%s has no axis called %s in %s: `tern ops %s` names them, or "
                                  "give --inputs with letters", op->name, name, made, op->name);
        return tern_error_set(error, TERN_ERR_ARGUMENT,
                              "%s has no axes with names: give --inputs with letters, such as "
                              "'%s=[n]', and --shape n=...", op->name, op->in[0].name);
    }
    return true;
}

char *bench_letters(const tern_op *op, const char *inputs, const char *options,
                    const bench_axes *sweep, tern_error *error)
{
    tern_problem problem;
    tern_sample_input spec;
    text made = { NULL, 0, false };
    if (!tern_problem_make(&problem, op, "", options, 0, error))
        return NULL;
    bool ok = true;
    for (const char *at = inputs; ok && (at = tern_sample_next(at, &spec, error));) {
        word dimensions[MOST_DIMENSIONS];
        char part[96], spelt[WORD];
        int input = tern_op_input_index(op, spec.name);
        ok = input >= 0 || tern_error_set(error, TERN_ERR_ARGUMENT, "%s has no input %s", op->name,
                                          spec.name);
        int count = ok ? split_shape(op->in[input].shape, dimensions) : 0;
        append(&made, part, (size_t)snprintf(part, sizeof part, "%s%s=[", made.length ? " " : "",
                                             spec.name));
        for (int axis = 0; axis < spec.rank; axis++) {
            const char *name = axis_name(dimensions, count, spec.rank, axis);
            if (!name || !spell(op, problem.options, sweep, name, spelt))
                snprintf(spelt, sizeof spelt, "%lld", (long long)spec.shape[axis]);
            append(&made, ",", axis > 0);
            append(&made, spelt, strlen(spelt));
        }
        append(&made, "]", 1);
        if (spec.has_range)
            append(&made, part, (size_t)snprintf(part, sizeof part, "{%.9g..%.9g}", spec.low,
                                                 spec.high));
    }
    tern_problem_free(&problem);
    ok = ok && !error->code && (made.failed || all_found(op, sweep, made.data, error));
    return finish(&made, ok, error);
}

/* ---------------------------------------------------------- the values -- */

/* The next factor of a size; false and an error if it is neither number nor known letter. */
static bool factor(const char **at, const bench_letter *letters, int count, int64_t *value,
                   tern_error *error)
{
    size_t length = strspn(*at, "0123456789");
    if (length) {
        *value = strtoll(*at, NULL, 10);
        *at += length;
        return true;
    }
    while (isalnum((unsigned char)(*at)[length]) || (*at)[length] == '_')
        length++;
    for (int i = 0; i < count; i++)
        if (length && strncmp(letters[i].name, *at, length) == 0 && !letters[i].name[length]) {
            *value = letters[i].value;
            *at += length;
            return true;
        }
    return tern_error_set(error, TERN_ERR_ARGUMENT,
                          "size %.*s has no value: --shape %.*s=... gives it one",
                          (int)(length ? length : strcspn(*at, ",]")), *at,
                          (int)(length ? length : 1), length ? *at : "n");
}

/* "4*H" up to the comma or bracket. */
static bool size_of(const char **at, const bench_letter *letters, int count, int64_t *size,
                    tern_error *error)
{
    const char *start = *at;
    int64_t next = 0;
    bool ok = factor(at, letters, count, size, error);
    while (ok && (**at == '*' || **at == '/')) {
        char sign = *(*at)++;
        ok = factor(at, letters, count, &next, error);
        if (ok && sign == '*')
            ok = !__builtin_mul_overflow(*size, next, size) ||
                 tern_error_set(error, TERN_ERR_ARGUMENT, "size %.*s is too large",
                                (int)(*at - start), start);
        else if (ok)
            ok = (next && *size % next == 0 && (*size /= next, true)) ||
                 tern_error_set(error, TERN_ERR_ARGUMENT, "size %.*s is %lld/%lld, which does not "
                                "come out even", (int)(*at - start), start, (long long)*size,
                                (long long)next);
    }
    if (ok && **at != ',' && **at != ']')
        return tern_error_set(error, TERN_ERR_ARGUMENT,
                              "size %.*s: only numbers, letters, * and / are understood",
                              (int)strcspn(start, ",]"), start);
    return ok;
}

char *bench_put_in(const char *inputs, const bench_letter *letters, int count, tern_error *error)
{
    text made = { NULL, 0, false };
    bool ok = true, inside = false;
    for (const char *at = inputs; ok && *at;) {
        if (inside && *at != ' ' && *at != ',' && *at != ']') {
            char number[24];
            int64_t size = 0;
            ok = size_of(&at, letters, count, &size, error);
            append(&made, number, (size_t)snprintf(number, sizeof number, "%lld", (long long)size));
        } else {
            inside = *at == '[' || (inside && *at != ']');
            append(&made, at++, 1);
        }
    }
    return finish(&made, ok, error);
}
