/* Training options: the table, defaults, checks, text; see options.h. */
#include "train/options_private.h"

#include "train/optimiser.h"
#include "train/schedule.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const losses[] = { "cross_entropy", "focal", NULL };

enum {
    ADAMS = 1 << TERN_OPTIMISER_ADAMW | 1 << TERN_OPTIMISER_ADAM,
    SGD = 1 << TERN_OPTIMISER_SGD,
    STEP = 1 << TERN_SCHEDULE_STEP,
    PLATEAU = 1 << TERN_SCHEDULE_PLATEAU,
    CROSS_ENTROPY = 1 << TERN_LOSS_CROSS_ENTROPY,
    FOCAL = 1 << TERN_LOSS_FOCAL
};

#define AT(member) offsetof(tern_train_opts, member)

const tern_field tern_train_fields[] = {
    { "epochs", TERN_FIELD_WHOLE, AT(epochs), 20, 1, 1e6, .is_old = true, .doc = "as --epochs" },
    { "batch", TERN_FIELD_WHOLE, AT(batch), 32, 1, 65536, .is_old = true, .doc = "as --batch" },
    { "seed", TERN_FIELD_WHOLE, AT(seed), 0, 0, 9e15, .is_old = true, .doc = "as --seed" },
    { "optimizer", TERN_FIELD_CHOICE, AT(optimizer), .choices = tern_optimiser_names,
      .doc = "or adam, sgd" },
    { "lr", TERN_FIELD_REAL, AT(lr), 1e-3, 0, 10, .is_old = true, .doc = "as --lr" },
    { "weight_decay", TERN_FIELD_REAL, AT(weight_decay), 0.01, 0, 10, .is_old = true,
      .doc = "of weights (not biases, norms, embeddings); adam, sgd: added to the gradient" },
    { "beta1", TERN_FIELD_REAL, AT(beta1), 0.9, 1e-6, 0.999999, .only_with = "optimizer",
      .only_values = ADAMS, .doc = "adamw, adam: how much of the first moment stays" },
    { "beta2", TERN_FIELD_REAL, AT(beta2), 0.999, 1e-6, 0.999999, .only_with = "optimizer",
      .only_values = ADAMS, .doc = "adamw, adam: how much of the second moment stays" },
    { "eps", TERN_FIELD_REAL, AT(eps), 1e-8, 1e-15, 1, .only_with = "optimizer",
      .only_values = ADAMS, .doc = "adamw, adam: added to the root of the second moment" },
    { "momentum", TERN_FIELD_REAL, AT(momentum), 0, 0, 0.999999, .only_with = "optimizer",
      .only_values = SGD, .doc = "sgd: how much of the velocity stays" },
    { "nesterov", TERN_FIELD_SWITCH, AT(nesterov), .only_with = "optimizer", .only_values = SGD,
      .doc = "sgd: look ahead by a step of momentum" },
    { "clip", TERN_FIELD_REAL, AT(clip), 1, 0, 1e9, .is_old = true,
      .doc = "largest norm of all gradients; 0: any" },
    { "ema", TERN_FIELD_REAL, AT(ema), 0, 0, 0.999999,
      .doc = "evaluate and keep a moving average of weights, of which so much stays; 0: none" },
    { "freeze", TERN_FIELD_TEXT, AT(freeze),
      .doc = "parameters left as they are: face,text.embedding,*.norm1" },
    { "lr_scale", TERN_FIELD_NAMED, AT(lr_scale), 0, 1e-6, 1e6,
      .doc = "multiplies lr for some parameters: lr_scale.face=0.1" },
    { "weight_decay", TERN_FIELD_NAMED, AT(group_decay), 0, 0, 10,
      .doc = "instead of weight_decay for some parameters: weight_decay.text=0" },
    { "schedule", TERN_FIELD_CHOICE, AT(schedule), .choices = tern_schedule_names,
      .doc = "of lr: or constant, step, one_cycle, plateau" },
    { "warmup", TERN_FIELD_REAL, AT(warmup), 0.05, 0, 1, .is_old = true,
      .doc = "part of all steps in which lr rises" },
    { "lr_factor", TERN_FIELD_REAL, AT(lr_factor), 0.1, 0, 1, .only_with = "schedule",
      .only_values = STEP | PLATEAU, .doc = "step, plateau: what a drop multiplies lr by" },
    { "lr_every", TERN_FIELD_WHOLE, AT(lr_every), 10, 1, 1e6, .only_with = "schedule",
      .only_values = STEP, .doc = "step: epochs between two drops" },
    { "patience", TERN_FIELD_WHOLE, AT(patience), 3, 0, 1e6, .only_with = "schedule",
      .only_values = PLATEAU, .doc = "plateau: epochs without a better validation loss" },
    { "loss", TERN_FIELD_CHOICE, AT(loss), .choices = losses, .doc = "or focal" },
    { "label_smoothing", TERN_FIELD_REAL, AT(label_smoothing), 0, 0, 0.99, .only_with = "loss",
      .only_values = CROSS_ENTROPY, .is_old = true,
      .doc = "cross_entropy: part of each label that all classes share" },
    { "gamma", TERN_FIELD_REAL, AT(gamma), 2, 0.01, 100, .only_with = "loss",
      .only_values = FOCAL, .doc = "focal: how little rows count that are already right" },
    { "balance", TERN_FIELD_SWITCH, AT(balance), .is_old = true, .doc = "as --balance" },
    { "class_weight", TERN_FIELD_NAMED, AT(class_weight), 0, 0, 1e6,
      .doc = "multiplies a class's weight in the loss: class_weight.sad=2" },
    { "auxiliary", TERN_FIELD_REAL, AT(auxiliary), 0.3, 0, 100, .is_old = true,
      .doc = "weight of each encoder's own loss" },
    { "modality_dropout", TERN_FIELD_REAL, AT(modality_dropout), 0, 0, 1, .is_old = true,
      .doc = "chance to hide a modality of a sample" },
    { "augment", TERN_FIELD_REAL, AT(augment), 0, 0, 4, .is_old = true, .doc = "as --augment" },
};
enum { FIELDS = sizeof tern_train_fields / sizeof tern_train_fields[0] };
const int tern_train_field_count = FIELDS;

static bool is_number(const tern_field *f)
{
    return f->kind != TERN_FIELD_TEXT && f->kind != TERN_FIELD_NAMED;
}

/* ------------------------------------------------------ fields as numbers -- */

double tern_field_get(const tern_train_opts *opts, const tern_field *f)
{
    const void *at = (const char *)opts + f->offset;
    if (f->kind == TERN_FIELD_REAL)
        return *(const double *)at;
    return f->kind == TERN_FIELD_SWITCH ? *(const bool *)at : (double)*(const int64_t *)at;
}

void tern_field_put(tern_train_opts *opts, const tern_field *f, double value)
{
    void *at = (char *)opts + f->offset;
    if (f->kind == TERN_FIELD_REAL)
        *(double *)at = value;
    else if (f->kind == TERN_FIELD_SWITCH)
        *(bool *)at = value != 0;
    else
        *(int64_t *)at = (int64_t)value;
}

bool tern_field_check(const tern_field *f, const char *name, double value, tern_error *error)
{
    bool whole = f->kind == TERN_FIELD_WHOLE || f->kind == TERN_FIELD_CHOICE;
    double highest = f->highest;
    for (int i = 0; f->kind == TERN_FIELD_CHOICE && f->choices[i]; i++)
        highest = i;
    if (f->kind == TERN_FIELD_SWITCH)
        return true;
    if (!(value >= f->lowest && value <= highest) || (whole && value != floor(value)))
        return tern_error_set(error, TERN_ERR_OPTION, "%s is %g, it must be %s from %g to %g",
                              name, value, whole ? "a whole number" : "a number", f->lowest,
                              highest);
    return true;
}

/* ", did you mean NAME?" or nothing. */
static const char *suggestion(const char *nearest, char text[2 * TERN_NAMED_BYTES])
{
    snprintf(text, 2 * TERN_NAMED_BYTES, "%s%s%s", nearest ? ", did you mean " : "",
             nearest ? nearest : "", nearest ? "?" : "");
    return text;
}

bool tern_field_choose(const tern_field *f, const char *text, double *value, tern_error *error)
{
    char all[256] = "", near[2 * TERN_NAMED_BYTES];
    int count = 0;
    for (; f->choices[count]; count++) {
        size_t length = strlen(all);
        snprintf(all + length, sizeof all - length, "%s%s", count ? ", " : "", f->choices[count]);
        *value = count;
        if (strcmp(f->choices[count], text) == 0)
            return true;
    }
    return tern_error_set(error, TERN_ERR_OPTION, "%s=%s: one of %s wanted%s", f->name, text, all,
                          suggestion(tern_nearest_name(text, f->choices, count), near));
}

/* ------------------------------------------------- texts, named numbers -- */

char *tern_field_text(tern_train_opts *opts, const tern_field *f)
{
    return (char *)opts + f->offset;
}

bool tern_field_put_text(tern_train_opts *opts, const tern_field *f, const char *text,
                         tern_error *error)
{
    if (strlen(text) >= TERN_FREEZE_BYTES)
        return tern_error_set(error, TERN_ERR_OPTION, "%s: %zu characters, %d are possible",
                              f->name, strlen(text), TERN_FREEZE_BYTES - 1);
    memcpy(tern_field_text(opts, f), text, strlen(text) + 1);
    return true;
}

tern_named_numbers *tern_field_numbers(tern_train_opts *opts, const tern_field *f)
{
    return (tern_named_numbers *)(void *)((char *)opts + f->offset);
}

const tern_field *tern_field_of_named(const char *name, const char **rest)
{
    for (int i = 0; i < FIELDS; i++) {
        const tern_field *f = &tern_train_fields[i];
        size_t length = strlen(f->name);
        *rest = name + length + 1;
        if (f->kind == TERN_FIELD_NAMED && strncmp(f->name, name, length) == 0 &&
            name[length] == '.')
            return f;
    }
    return NULL;
}

bool tern_field_put_named(tern_train_opts *opts, const tern_field *f, const char *name,
                          const char *rest, double value, tern_error *error)
{
    tern_named_numbers *numbers = tern_field_numbers(opts, f);
    int i = 0;
    if (!*rest || strlen(rest) >= TERN_NAMED_BYTES)
        return tern_error_set(error, TERN_ERR_OPTION, "%.40s: %s is wanted after %s.", name,
                              *rest ? "a shorter name" : "a name", f->name);
    if (!tern_field_check(f, name, value, error))
        return false;
    while (i < numbers->count && strcmp(numbers->at[i].name, rest) != 0)
        i++;
    if (i == TERN_MAX_NAMED)
        return tern_error_set(error, TERN_ERR_OPTION, "%s: more than %d numbers of %s", name,
                              TERN_MAX_NAMED, f->name);
    snprintf(numbers->at[i].name, TERN_NAMED_BYTES, "%s", rest);
    numbers->at[i].value = value;
    numbers->count += i == numbers->count;
    return true;
}

/* ------------------------------------------------------------------ text -- */

/* The number that a text stands for. */
static bool parse(const tern_field *f, const char *name, const char *text, double *number,
                  tern_error *error)
{
    char *end;
    if (f->kind == TERN_FIELD_CHOICE)
        return tern_field_choose(f, text, number, error);
    if (f->kind == TERN_FIELD_SWITCH) {
        *number = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
        return *number == 1 || strcmp(text, "false") == 0 || strcmp(text, "0") == 0 ||
               tern_error_set(error, TERN_ERR_OPTION, "%s=%s: true or false wanted", name, text);
    }
    *number = strtod(text, &end);
    return (end != text && !*end) ||
           tern_error_set(error, TERN_ERR_OPTION, "%s=%s: a number wanted", name, text);
}

static bool unknown_option(const char *name, tern_error *error)
{
    const char *names[FIELDS], *dot = strchr(name, '.');
    char head[TERN_NAMED_BYTES], near[2 * TERN_NAMED_BYTES];
    int count = 0;
    for (int i = 0; i < FIELDS; i++)
        if (!dot == (tern_train_fields[i].kind != TERN_FIELD_NAMED))
            names[count++] = tern_train_fields[i].name;
    snprintf(head, sizeof head, "%.*s", dot ? (int)(dot - name) : (int)strlen(name), name);
    const char *nearest = tern_nearest_name(head, names, count);
    if (nearest && dot) {
        snprintf(head, sizeof head, "%s%s", nearest, dot);
        nearest = head;
    }
    return tern_error_set(error, TERN_ERR_OPTION, "there is no training option %s%s", name,
                          suggestion(nearest, near));
}

bool tern_train_opts_set(tern_train_opts *opts, const char *name, const char *value,
                         tern_error *error)
{
    const char *rest;
    double number;
    const tern_field *named = tern_field_of_named(name, &rest);
    if (named)
        return parse(named, name, value, &number, error) &&
               tern_field_put_named(opts, named, name, rest, number, error);
    for (int i = 0; i < FIELDS; i++) {
        const tern_field *f = &tern_train_fields[i];
        if (strcmp(f->name, name) != 0)
            continue;
        if (f->kind == TERN_FIELD_NAMED)
            return tern_error_set(error, TERN_ERR_OPTION, "%s: of what? %s.NAME=%s is wanted",
                                  name, name, value);
        if (f->kind == TERN_FIELD_TEXT)
            return tern_field_put_text(opts, f, value, error);
        if (!parse(f, name, value, &number, error) || !tern_field_check(f, name, number, error))
            return false;
        tern_field_put(opts, f, number);
        return true;
    }
    return unknown_option(name, error);
}

bool tern_train_option_help(int i, char text[TERN_OPTION_TEXT], const char **doc)
{
    if (i >= FIELDS)
        return false;
    const tern_field *f = &tern_train_fields[i];
    *doc = f->doc;
    switch (f->kind) {
    case TERN_FIELD_CHOICE:
        snprintf(text, TERN_OPTION_TEXT, "%s=%s", f->name, f->choices[(int)f->fallback]);
        break;
    case TERN_FIELD_SWITCH: snprintf(text, TERN_OPTION_TEXT, "%s=false", f->name); break;
    case TERN_FIELD_TEXT: snprintf(text, TERN_OPTION_TEXT, "%s=NAME,...", f->name); break;
    case TERN_FIELD_NAMED: snprintf(text, TERN_OPTION_TEXT, "%s.NAME=X", f->name); break;
    default: snprintf(text, TERN_OPTION_TEXT, "%s=%g", f->name, f->fallback); break;
    }
    return true;
}

/* ---------------------------------------------------- defaults and checks -- */

tern_train_opts tern_train_opts_default(void)
{
    tern_train_opts opts = { 0 };
    for (int i = 0; i < FIELDS; i++)
        if (is_number(&tern_train_fields[i]))
            tern_field_put(&opts, &tern_train_fields[i], tern_train_fields[i].fallback);
    return opts;
}

static const tern_field *choice_called(const char *name)
{
    const tern_field *f = tern_train_fields;
    while (strcmp(f->name, name) != 0)
        f++;
    return f;
}

/* An option that was set and acts on nothing is a mistake of the caller's. */
static bool check_has_effect(const tern_train_opts *opts, const tern_field *f, tern_error *error)
{
    char wanted[128] = "";
    if (!f->only_with || tern_field_get(opts, f) == f->fallback)
        return true;
    const tern_field *choice = choice_called(f->only_with);
    int chosen = (int)tern_field_get(opts, choice);
    if (f->only_values >> chosen & 1)
        return true;
    for (int i = 0; choice->choices[i]; i++)
        if (f->only_values >> i & 1) {
            size_t length = strlen(wanted);
            snprintf(wanted + length, sizeof wanted - length, "%s%s", length ? " or " : "",
                     choice->choices[i]);
        }
    return tern_error_set(error, TERN_ERR_OPTION, "%s is for %s=%s, it is %s", f->name,
                          choice->name, wanted, choice->choices[chosen]);
}

static bool check_named(tern_train_opts *opts, const tern_field *f, tern_error *error)
{
    const tern_named_numbers *numbers = tern_field_numbers(opts, f);
    for (int i = 0; i < numbers->count; i++) {
        char name[2 * TERN_NAMED_BYTES];
        snprintf(name, sizeof name, "%s.%s", f->name, numbers->at[i].name);
        if (!tern_field_check(f, name, numbers->at[i].value, error))
            return false;
    }
    return true;
}

bool tern_train_opts_resolve(tern_train_opts *opts, tern_error *error)
{
    for (int i = 0; i < FIELDS; i++) {
        const tern_field *f = &tern_train_fields[i];
        bool ok = f->kind == TERN_FIELD_NAMED  ? check_named(opts, f, error)
                  : f->kind == TERN_FIELD_TEXT ? true
                                               : tern_field_check(f, f->name,
                                                                  tern_field_get(opts, f), error) &&
                                                     check_has_effect(opts, f, error);
        if (!ok)
            return false;
    }
    return !opts->nesterov || opts->momentum > 0 ||
           tern_error_set(error, TERN_ERR_OPTION, "nesterov needs a momentum above 0");
}
