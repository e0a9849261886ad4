/* Training options in a run's config.json; see options.h. */
#include "train/options_private.h"

#include <stdio.h>
#include <string.h>

/* -------------------------------------------------------------- writing -- */

static json_t *number_json(const tern_train_opts *opts, const tern_field *f)
{
    double value = tern_field_get(opts, f);
    switch (f->kind) {
    case TERN_FIELD_CHOICE: return json_string(f->choices[(int)value]);
    case TERN_FIELD_SWITCH: return json_boolean(value != 0);
    case TERN_FIELD_WHOLE: return json_integer((json_int_t)value);
    default: return json_real(value);
    }
}

static void write_named(json_t *json, const tern_field *f, const tern_named_numbers *numbers)
{
    for (int i = 0; i < numbers->count; i++) {
        char name[2 * TERN_NAMED_BYTES];
        snprintf(name, sizeof name, "%s.%s", f->name, numbers->at[i].name);
        json_object_set_new(json, name, json_real(numbers->at[i].value));
    }
}

json_t *tern_train_opts_to_json(const tern_train_opts *opts)
{
    json_t *json = json_object();
    tern_train_opts copy = *opts;
    for (int i = 0; i < tern_train_field_count; i++) {
        const tern_field *f = &tern_train_fields[i];
        if (f->kind == TERN_FIELD_NAMED)
            write_named(json, f, tern_field_numbers(&copy, f));
        else
            json_object_set_new(json, f->name,
                                f->kind == TERN_FIELD_TEXT ? json_string(tern_field_text(&copy, f))
                                                           : number_json(opts, f));
    }
    return json;
}

/* -------------------------------------------------------------- reading -- */

static bool wrong_type(const char *name, const char *wanted, tern_error *error)
{
    return tern_error_set(error, TERN_ERR_FORMAT, "\"train\".\"%s\" must be %s", name, wanted);
}

static bool read_field(const json_t *json, tern_train_opts *opts, const tern_field *f,
                       tern_error *error)
{
    const json_t *value = json_object_get(json, f->name);
    double number = json_number_value(value);
    if (!value && !f->is_old)
        return true;
    switch (f->kind) {
    case TERN_FIELD_CHOICE:
        if (!json_is_string(value))
            return wrong_type(f->name, "a name", error);
        if (!tern_field_choose(f, json_string_value(value), &number, error))
            return false;
        break;
    case TERN_FIELD_SWITCH:
        if (!json_is_boolean(value))
            return wrong_type(f->name, "true or false", error);
        number = json_is_true(value);
        break;
    case TERN_FIELD_TEXT:
        return json_is_string(value)
                   ? tern_field_put_text(opts, f, json_string_value(value), error)
                   : wrong_type(f->name, "a text", error);
    default:
        if (!json_is_number(value))
            return wrong_type(f->name, "a number", error);
        break;
    }
    tern_field_put(opts, f, number);
    return tern_field_check(f, f->name, number, error);
}

/* Every key is an option, or a named number of one. */
static bool read_named(const json_t *json, tern_train_opts *opts, json_t *others,
                       tern_error *error)
{
    const char *key, *rest;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, key, value) {
        const tern_field *f = tern_field_of_named(key, &rest);
        if (!f)
            json_object_set(others, key, value);
        else if (!json_is_number(value))
            return wrong_type(key, "a number", error);
        else if (!tern_field_put_named(opts, f, key, rest, json_number_value(value), error))
            return false;
    }
    return true;
}

static bool read_fields(const json_t *json, tern_train_opts *opts, tern_error *error)
{
    for (int i = 0; i < tern_train_field_count; i++)
        if (tern_train_fields[i].kind != TERN_FIELD_NAMED &&
            !read_field(json, opts, &tern_train_fields[i], error))
            return false;
    return true;
}

bool tern_train_opts_from_json(const json_t *json, tern_train_opts *opts, tern_error *error)
{
    enum { MOST = 64 };
    const char *keys[MOST] = { NULL };
    for (int i = 0, count = 0; i < tern_train_field_count && count < MOST - 1; i++)
        if (tern_train_fields[i].kind != TERN_FIELD_NAMED)
            keys[count++] = tern_train_fields[i].name;
    *opts = tern_train_opts_default();
    json_t *others = json_object();
    if (!others)
        return tern_error_set(error, TERN_ERR_MEMORY, "no memory to read \"train\"");
    bool ok = read_named(json, opts, others, error) &&
              tern_json_keys(json_is_object(json) ? others : json, "\"train\"", keys, error) &&
              read_fields(json, opts, error);
    json_decref(others);
    return ok;
}
