/* The table of training options, from which everything about them is made; for the files
 * of train/options.h only. */
#ifndef TERN_TRAIN_OPTIONS_PRIVATE_H
#define TERN_TRAIN_OPTIONS_PRIVATE_H

#include "train/options.h"

typedef enum tern_field_kind {
    TERN_FIELD_REAL,   /* double                                    */
    TERN_FIELD_WHOLE,  /* int64_t, or uint64_t that fits            */
    TERN_FIELD_CHOICE, /* int64_t, an index into choices            */
    TERN_FIELD_SWITCH, /* bool                                      */
    TERN_FIELD_TEXT,   /* char[TERN_FREEZE_BYTES]                   */
    TERN_FIELD_NAMED   /* tern_named_numbers, set as name.NAME      */
} tern_field_kind;

typedef struct tern_field {
    const char *name;
    tern_field_kind kind;
    size_t offset;
    double fallback, lowest, highest;
    const char *const *choices; /* NULL at the end                                       */
    const char *only_with;      /* the choice among whose ...                            */
    unsigned only_values;       /* ... values, bits 1 << value, this has anything to do  */
    bool is_old;                /* the configurations of all runs have it                */
    const char *doc;
} tern_field;

extern const tern_field tern_train_fields[];
extern const int tern_train_field_count;

/* Fields that are one number (all kinds but TEXT and NAMED). */
double tern_field_get(const tern_train_opts *opts, const tern_field *field);
void tern_field_put(tern_train_opts *opts, const tern_field *field, double value);
/* In range?  name is that of the option, or of one of its named numbers. */
bool tern_field_check(const tern_field *field, const char *name, double value, tern_error *error);
/* The index of a choice; false and an error that suggests the nearest. */
bool tern_field_choose(const tern_field *field, const char *text, double *value,
                       tern_error *error);

char *tern_field_text(tern_train_opts *opts, const tern_field *field);
bool tern_field_put_text(tern_train_opts *opts, const tern_field *field, const char *text,
                         tern_error *error);

tern_named_numbers *tern_field_numbers(tern_train_opts *opts, const tern_field *field);
/* "lr_scale.face" -> the field lr_scale, and "face"; NULL if it is no such name. */
const tern_field *tern_field_of_named(const char *name, const char **rest);
bool tern_field_put_named(tern_train_opts *opts, const tern_field *field, const char *name,
                          const char *rest, double value, tern_error *error);

#endif
