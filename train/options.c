/* Training options: defaults, checks, text and JSON, from one table. */
#include "train/options.h"

#include "train/schedule.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct field {
    const char *name;
    size_t offset;
    bool whole; /* int64_t or uint64_t, else double */
    double fallback, lowest, highest;
    const char *const *choices; /* names of 0, 1 ...; NULL: a number              */
    bool optional; /* configurations of older runs do not have it: the fallback */
} field;

#define FIELD(name, whole, fallback, lowest, highest)                                             \
    { #name, offsetof(tern_train_opts, name), whole, fallback, lowest, highest, NULL, false }

static const field fields[] = {
    FIELD(epochs, true, 20, 1, 1e6),
    FIELD(batch, true, 32, 1, 65536),
    FIELD(seed, true, 0, 0, 9e15),
    FIELD(lr, false, 1e-3, 0, 10),
    FIELD(weight_decay, false, 0.01, 0, 10),
    FIELD(warmup, false, 0.05, 0, 1),
    { "schedule", offsetof(tern_train_opts, schedule), true, TERN_SCHEDULE_COSINE, 0,
      TERN_SCHEDULE_PLATEAU, tern_schedule_names, true },
    { "lr_factor", offsetof(tern_train_opts, lr_factor), false, 0.1, 0, 1, NULL, true },
    { "lr_every", offsetof(tern_train_opts, lr_every), true, 10, 1, 1e6, NULL, true },
    { "patience", offsetof(tern_train_opts, patience), true, 3, 0, 1e6, NULL, true },
    FIELD(clip, false, 1, 0, 1e9),
    FIELD(label_smoothing, false, 0, 0, 0.99),
    FIELD(auxiliary, false, 0.3, 0, 100),
    FIELD(modality_dropout, false, 0, 0, 1),
    FIELD(augment, false, 0, 0, 10),
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

static double get(const tern_train_opts *opts, const field *f)
{
    const void *at = (const char *)opts + f->offset;
    return f->whole ? (double)*(const int64_t *)at : *(const double *)at;
}

static void put(tern_train_opts *opts, const field *f, double value)
{
    void *at = (char *)opts + f->offset;
    if (f->whole)
        *(int64_t *)at = (int64_t)value;
    else
        *(double *)at = value;
}

static bool check(const field *f, double value, tern_error *error)
{
    if (!(value >= f->lowest && value <= f->highest) || (f->whole && value != floor(value)))
        return tern_error_set(error, TERN_ERR_OPTION, "%s is %g, it must be %s from %g to %g",
                              f->name, value, f->whole ? "a whole number" : "a number", f->lowest,
                              f->highest);
    return true;
}

bool tern_train_opts_resolve(tern_train_opts *opts, tern_error *error)
{
    for (int i = 0; i < FIELDS; i++)
        if (!check(&fields[i], get(opts, &fields[i]), error))
            return false;
    return true;
}

/* The number that a text stands for. */
static bool parse(const field *f, const char *text, double *number, tern_error *error)
{
    char *end;
    char all[256] = "";
    if (!f->choices) {
        *number = strtod(text, &end);
        return (end != text && !*end) || tern_error_set(error, TERN_ERR_OPTION,
                                                        "%s=%s: a number wanted", f->name, text);
    }
    for (int i = 0; f->choices[i]; i++) {
        size_t length = strlen(all);
        snprintf(all + length, sizeof all - length, "%s%s", i ? ", " : "", f->choices[i]);
        *number = i;
        if (strcmp(f->choices[i], text) == 0)
            return true;
    }
    return tern_error_set(error, TERN_ERR_OPTION, "%s=%s: one of %s wanted", f->name, text, all);
}

bool tern_train_opts_set(tern_train_opts *opts, const char *name, const char *value,
                         tern_error *error)
{
    const char *names[FIELDS];
    for (int i = 0; i < FIELDS; i++) {
        names[i] = fields[i].name;
        if (strcmp(names[i], name) != 0)
            continue;
        double number;
        if (!parse(&fields[i], value, &number, error) || !check(&fields[i], number, error))
            return false;
        put(opts, &fields[i], number);
        return true;
    }
    const char *nearest = tern_nearest_name(name, names, FIELDS);
    return tern_error_set(error, TERN_ERR_OPTION, "there is no training option %s%s%s%s", name,
                          nearest ? ", did you mean " : "", nearest ? nearest : "",
                          nearest ? "?" : "");
}

json_t *tern_train_opts_to_json(const tern_train_opts *opts)
{
    json_t *json = json_object();
    for (int i = 0; i < FIELDS; i++) {
        const field *f = &fields[i];
        double value = get(opts, f);
        json_object_set_new(json, f->name,
                            f->choices ? json_string(f->choices[(int)value])
                            : f->whole ? json_integer((json_int_t)value)
                                       : json_real(value));
    }
    json_object_set_new(json, "balance", json_boolean(opts->balance));
    return json;
}

static bool read_field(const json_t *json, const field *f, double *number, tern_error *error)
{
    const json_t *value = json_object_get(json, f->name);
    *number = f->fallback;
    if (!value && f->optional)
        return true;
    if (f->choices ? !json_is_string(value) : !json_is_number(value))
        return tern_error_set(error, TERN_ERR_FORMAT, "\"train\".\"%s\" must be a %s", f->name,
                              f->choices ? "name" : "number");
    if (f->choices && !parse(f, json_string_value(value), number, error))
        return false;
    if (!f->choices)
        *number = json_number_value(value);
    return check(f, *number, error);
}

bool tern_train_opts_from_json(const json_t *json, tern_train_opts *opts, tern_error *error)
{
    const char *keys[FIELDS + 2] = { "balance" };
    *opts = (tern_train_opts){ 0 };
    for (int i = 0; i < FIELDS; i++)
        keys[i + 1] = fields[i].name;
    if (!tern_json_keys(json, "\"train\"", keys, error))
        return false;
    for (int i = 0; i < FIELDS; i++) {
        double number;
        if (!read_field(json, &fields[i], &number, error))
            return false;
        put(opts, &fields[i], number);
    }
    const json_t *balance = json_object_get(json, "balance");
    opts->balance = json_is_true(balance);
    return json_is_boolean(balance) ||
           tern_error_set(error, TERN_ERR_FORMAT, "\"train\".\"balance\" must be true or false");
}

tern_train_opts tern_train_opts_default(void)
{
    tern_train_opts opts = { 0 };
    for (int i = 0; i < FIELDS; i++)
        put(&opts, &fields[i], fields[i].fallback);
    return opts;
}
