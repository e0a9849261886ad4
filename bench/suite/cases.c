#include "bench/suite/cases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --------------------------------------------------------------- sweeps -- */

static bool add_value(bench_axis *axis, int64_t value, tern_error *error)
{
    if (axis->count == BENCH_AXIS_VALUES)
        return tern_error_set(error, TERN_ERR_ARGUMENT, "--shape %s: at most %d values",
                              *axis->name ? axis->name : "(all axes)", BENCH_AXIS_VALUES);
    axis->values[axis->count++] = value;
    return true;
}

static bool is_number(const char *text, char **end, int64_t *value)
{
    errno = 0;
    *value = strtoll(text, end, 10);
    return *end != text && !errno;
}

/* "8:4096:x2", "8:32:+8", "8:10" or "7". */
static bool add_range(bench_axis *axis, const char *text, tern_error *error)
{
    char *end;
    int64_t first, last, step = 1;
    bool times = false, ok = is_number(text, &end, &first);
    last = first;
    if (ok && *end == ':')
        ok = is_number(end + 1, &end, &last);
    if (ok && *end == ':') {
        times = end[1] == 'x';
        ok = (times || end[1] == '+') && is_number(end + 2, &end, &step);
    }
    if (!ok || *end || first < 0 || last < first || step < 1 + times || (times && first == 0))
        return tern_error_set(error, TERN_ERR_ARGUMENT,
                              "--shape: %s is no size and no range such as 8:4096:x2 or 8:64:+8",
                              text);
    for (int64_t value = first; ok && value <= last; value = times ? value * step : value + step)
        ok = add_value(axis, value, error);
    return ok;
}

bool bench_axes_parse(bench_axes *sweep, const char *text, tern_error *error)
{
    char word[64];
    *sweep = (bench_axes){ 0 };
    for (const char *at = text; *at; at += *at == ',') {
        size_t length = strcspn(at, ",");
        if (length >= sizeof word)
            return tern_error_set(error, TERN_ERR_ARGUMENT, "--shape: %.20s... is too long", at);
        memcpy(word, at, length);
        word[length] = '\0';
        at += length;
        char *equals = strchr(word, '='), *range = equals ? equals + 1 : word;
        if (equals || !sweep->count) {
            if (sweep->count == BENCH_AXES)
                return tern_error_set(error, TERN_ERR_ARGUMENT, "--shape: at most %d axes",
                                      BENCH_AXES);
            bench_axis *axis = &sweep->axes[sweep->count++];
            size_t name = equals ? (size_t)(equals - word) : 0;
            if ((equals && !name) || name >= sizeof axis->name)
                return tern_error_set(error, TERN_ERR_ARGUMENT,
                                      "--shape: %s: an axis has a name such as N or Lq", word);
            memcpy(axis->name, word, name);
        }
        if (!add_range(&sweep->axes[sweep->count - 1], range, error))
            return false;
    }
    return sweep->count ||
           tern_error_set(error, TERN_ERR_ARGUMENT, "--shape: nothing given");
}

/* ---------------------------------------------------------------- cases -- */

bool bench_cases_take(bench_cases *cases, bench_case made, tern_error *error)
{
    bench_case *grown = realloc(cases->of, (size_t)(cases->count + 1) * sizeof *grown);
    if (grown)
        cases->of = grown;
    if (!grown || !made.inputs || !made.options || !made.axes) {
        free(made.inputs);
        free(made.options);
        free(made.axes);
        free(made.gradients);
        return error->code ? false : tern_error_set(error, TERN_ERR_MEMORY,
                                                    "no memory for a list of problems");
    }
    cases->of[cases->count++] = made;
    return true;
}

/* Takes inputs over. */
static bool add(bench_cases *cases, const tern_op *op, char *inputs, const char *options,
                const char *axes, tern_error *error)
{
    bench_case made = { .op = op, .inputs = inputs, .options = strdup(options ? options : ""),
                        .axes = strdup(axes), .count = 1 };
    return bench_cases_take(cases, made, error);
}

static const tern_sample *first_sample(const tern_op *op, const tern_sample *from)
{
    for (const tern_sample *sample = from; sample && sample->uses; sample++)
        if (sample->uses & TERN_SAMPLE_BENCH)
            return sample;
    return from == op->samples ? from : NULL;
}

bool bench_cases_add_samples(bench_cases *cases, const tern_op *op, tern_error *error)
{
    bool ok = true;
    for (const tern_sample *sample = op->samples; ok && sample && sample->uses; sample++)
        if (sample->uses & TERN_SAMPLE_BENCH)
            ok = add(cases, op, strdup(sample->inputs), sample->options, "", error);
    return ok;
}

/* Letters that have a name each: those of a nameless axis are the letters that occur. */
static int letters_of(const bench_axes *sweep, const int64_t *values, const char *inputs,
                      bench_letter *letters, char names[][16])
{
    int count = 0;
    for (int i = 0; i < sweep->count; i++)
        if (*sweep->axes[i].name)
            letters[count++] = (bench_letter){ sweep->axes[i].name, values[i] };
    for (int i = 0; i < sweep->count; i++) {
        if (*sweep->axes[i].name)
            continue;
        for (const char *at = strchr(inputs, '['); at; at = strchr(at, '[')) {
            for (at++; *at && *at != ']';) {
                size_t length = strcspn(at, ",]*/");
                if (length < 16 && count < 2 * BENCH_AXES && (*at < '0' || *at > '9')) {
                    snprintf(names[count], 16, "%.*s", (int)length, at);
                    letters[count] = (bench_letter){ names[count], values[i] };
                    count++;
                }
                at += length + (at[length] != ']' && at[length]);
            }
        }
    }
    return count;
}

static void describe_axes(const bench_axes *sweep, const int64_t *values, char text[128])
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < sweep->count && used < 100; i++)
        used += (size_t)snprintf(text + used, 128 - used, "%s%s=%lld", used ? " " : "",
                                 *sweep->axes[i].name ? sweep->axes[i].name : "size",
                                 (long long)values[i]);
}

static bool add_swept(bench_cases *cases, const tern_op *op, const char *inputs,
                      const char *options, const bench_axes *sweep, tern_error *error)
{
    int at[BENCH_AXES] = { 0 };
    for (;;) {
        int64_t values[BENCH_AXES] = { 0 };
        bench_letter letters[2 * BENCH_AXES];
        char names[2 * BENCH_AXES][16], axes[128];
        for (int i = 0; i < sweep->count; i++)
            values[i] = sweep->axes[i].values[at[i]];
        int count = letters_of(sweep, values, inputs, letters, names);
        describe_axes(sweep, values, axes);
        char *made = bench_put_in(inputs, letters, count, error);
        if (!made || !add(cases, op, made, options, axes, error))
            return false;
        int axis = sweep->count - 1;
        while (axis >= 0 && ++at[axis] == sweep->axes[axis].count)
            at[axis--] = 0;
        if (axis < 0)
            return true;
    }
}

bool bench_cases_add(bench_cases *cases, const tern_op *op, const char *inputs,
                     const char *options, const bench_axes *sweep, tern_error *error)
{
    const bench_axes none = { 0 };
    const tern_sample *sample = inputs ? NULL : first_sample(op, op->samples);
    char *all = NULL, *letters = NULL;
    bool ok = inputs || sample ||
              tern_error_set(error, TERN_ERR_ARGUMENT, "%s has no sample problem: give --inputs",
                             op->name);
    if (ok && asprintf(&all, "%s%s%s", sample ? sample->options : "",
                       sample && *sample->options && options && *options ? " " : "",
                       options ? options : "") < 0)
        ok = tern_error_set(error, TERN_ERR_MEMORY, "no memory for options");
    if (ok && sample && sweep && sweep->count)
        ok = (letters = bench_letters(op, sample->inputs, all, sweep, error));
    if (ok)
        ok = add_swept(cases, op, letters ? letters : inputs ? inputs : sample->inputs, all,
                       sweep ? sweep : &none, error);
    free(letters);
    free(all);
    return ok;
}

void bench_cases_remove(bench_cases *cases, int index)
{
    bench_case *gone = &cases->of[index];
    free(gone->inputs);
    free(gone->options);
    free(gone->axes);
    free(gone->gradients);
    memmove(gone, gone + 1, (size_t)(--cases->count - index) * sizeof *gone);
}

void bench_cases_free(bench_cases *cases)
{
    while (cases->count)
        bench_cases_remove(cases, cases->count - 1);
    free(cases->of);
    *cases = (bench_cases){ 0 };
}
