/* An op's options as the text from which tern_option_parse would set them. */
#include "core/op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text that may be longer than its room: it is cut off, its length goes on. */
typedef struct line {
    char *text;
    size_t size, length;
} line;

static void add(line *to, const char *word)
{
    for (; *word; word++, to->length++)
        if (to->length + 1 < to->size)
            to->text[to->length] = *word;
}

/* With as few digits as give the same number again. */
static void add_number(line *to, double value)
{
    char word[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(word, sizeof word, "%.*g", digits, value);
        if (strtod(word, NULL) == value)
            break;
    }
    add(to, word);
}

static double number_at(const tern_option *option, const char *field, int i)
{
    return option->type == TERN_OPTION_INT ? (double)((const int64_t *)(const void *)field)[i]
                                           : ((const double *)(const void *)field)[i];
}

/* How many numbers of the field were given; 0 if all are as if none had been.  In options
 * that tern_apply has resolved, a default stands in place of a zero. */
static int numbers_given(const tern_option *option, const char *options)
{
    const char *field = options + option->offset;
    int length = option->length > 1 ? option->length : 1, given = 0;
    if (option->count_offset)
        return (int)*(const int64_t *)(const void *)(options + option->count_offset);
    if (option->has_offset && *(const bool *)(const void *)(options + option->has_offset))
        return length;
    for (int i = 0; i < length; i++) {
        double value = number_at(option, field, i);
        if (value != 0 && value != option->fallback)
            given = i + 1;
    }
    return given && !option->list ? length : given;
}

static void add_numbers(line *to, const tern_option *option, const char *options)
{
    const char *field = options + option->offset;
    int given = numbers_given(option, options);
    for (int i = 0; i < given; i++) {
        double value = number_at(option, field, i);
        bool is_default = value == 0 && option->fallback != 0 && !option->has_offset;
        add(to, i ? "," : "");
        add_number(to, is_default ? option->fallback : value);
    }
}

static bool is_given(const tern_option *option, const char *options)
{
    const char *field = options + option->offset;
    switch (option->type) {
    case TERN_OPTION_CHOICE: return *(const int *)(const void *)field != 0;
    case TERN_OPTION_BOOL: return *(const bool *)(const void *)field;
    case TERN_OPTION_INT:
    case TERN_OPTION_REAL: return numbers_given(option, options) > 0;
    case TERN_OPTION_END: break;
    }
    return false;
}

size_t tern_options_text(const tern_op *op, const void *options, char *text, size_t size)
{
    line to = { text, size, 0 };
    for (const tern_option *option = op->options; option && option->type; option++) {
        const char *field = (const char *)options + option->offset;
        if (!is_given(option, options))
            continue;
        add(&to, to.length ? " " : "");
        add(&to, option->name);
        add(&to, "=");
        if (option->type == TERN_OPTION_CHOICE)
            add(&to, option->choices[*(const int *)(const void *)field]);
        else if (option->type == TERN_OPTION_BOOL)
            add(&to, "true");
        else
            add_numbers(&to, option, options);
    }
    if (size)
        text[to.length < size ? to.length : size - 1] = '\0';
    return to.length;
}
