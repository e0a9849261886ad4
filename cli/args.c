/* Parsing a table of flags; see args.h. */
#include "cli/args.h"

#include "core/error.h"

#include <errno.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FLAGS = 48 };

static int complain(const char *command, int status, const char *format, va_list arguments)
{
    fprintf(stderr, "tern %s: error: ", command);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    if (status == CLI_USAGE)
        fprintf(stderr, "try: tern %s --help\n", command);
    return status;
}

int cli_fail(const char *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int status = complain(command, CLI_FAILED, format, arguments);
    va_end(arguments);
    return status;
}

int cli_misused(const char *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int status = complain(command, CLI_USAGE, format, arguments);
    va_end(arguments);
    return status;
}

/* What the target holds before anything is parsed; "" where that says nothing. */
static const char *default_text(const cli_flag *flag, char text[64])
{
    double number = 0;
    const char *word = flag->kind == CLI_TEXT ? *(const char **)flag->target : NULL;
    if (flag->kind == CLI_COUNT || flag->kind == CLI_NUMBER)
        number = *(const int *)flag->target;
    else if (flag->kind == CLI_LONG)
        number = (double)*(const long *)flag->target;
    else if (flag->kind == CLI_REAL || flag->kind == CLI_POSITIVE)
        number = *(const double *)flag->target;
    text[0] = '\0';
    if (word)
        snprintf(text, 64, " (default %s)", word);
    else if (flag->kind == CLI_SEED)
        snprintf(text, 64, " (default %llu)",
                 (unsigned long long)*(const uint64_t *)flag->target);
    else if (number != 0)
        snprintf(text, 64, " (default %g)", number);
    return text;
}

static void print_help(const cli_command *command, const cli_flag *flags)
{
    printf("usage: tern %s %s\n\n%s\n", command->name, command->usage, command->summary);
    printf("\noptions:\n");
    for (const cli_flag *flag = flags; flag && flag->kind; flag++) {
        char left[64], fallback[64];
        snprintf(left, sizeof left, "%s %s", flag->name, flag->value ? flag->value : "");
        printf("  %-24s %s%s\n", left, flag->doc, default_text(flag, fallback));
    }
    printf("  %-24s %s\n", "--help", "show this");
    if (command->example)
        printf("\nexample:\n%s\n", command->example);
}

static const cli_flag *find_flag(const cli_flag *flags, const char *name, size_t length)
{
    for (const cli_flag *flag = flags; flag && flag->kind; flag++)
        if (strlen(flag->name) == length && strncmp(flag->name, name, length) == 0)
            return flag;
    return NULL;
}

static int unknown_flag(const cli_command *command, const cli_flag *flags, const char *argument,
                        size_t length)
{
    const char *names[MAX_FLAGS];
    char name[64];
    int count = 0;
    snprintf(name, sizeof name, "%.*s", (int)length, argument);
    for (const cli_flag *flag = flags; flag && flag->kind && count < MAX_FLAGS; flag++)
        names[count++] = flag->name;
    const char *nearest = tern_nearest_name(name, names, count);
    return cli_misused(command->name, "unknown option %s%s%s%s", name,
                       nearest ? ", did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

static int store_repeated(const cli_command *command, const cli_flag *flag, const char *value)
{
    cli_list *list = flag->target;
    if (list->count == CLI_MAX_REPEAT)
        return cli_misused(command->name, "%s is given more than %d times", flag->name,
                           CLI_MAX_REPEAT);
    list->items[list->count++] = value;
    return -1;
}

/* What a number must be, by kind. */
static const struct number_rule {
    bool whole;
    double lowest, highest;
    const char *wanted;
} number_rules[] = {
    [CLI_COUNT] = { true, 0, INT_MAX, "a whole number from 0 on" },
    [CLI_NUMBER] = { true, 1, INT_MAX, "a whole number from 1 on" },
    [CLI_LONG] = { true, 1, (double)LONG_MAX, "a whole number from 1 on" },
    [CLI_SEED] = { true, 0, (double)LONG_MAX, "a whole number from 0 on" },
    [CLI_REAL] = { false, -HUGE_VAL, HUGE_VAL, "a number" },
    [CLI_POSITIVE] = { false, DBL_TRUE_MIN, HUGE_VAL, "a number above 0" },
};

static int store(const cli_command *command, const cli_flag *flag, const char *value)
{
    char *end = NULL;
    if (flag->kind == CLI_FLAG)
        *(bool *)flag->target = true;
    else if (flag->kind == CLI_TEXT)
        *(const char **)flag->target = value;
    else if (flag->kind == CLI_REPEAT)
        return store_repeated(command, flag, value);
    if (flag->kind == CLI_FLAG || flag->kind == CLI_TEXT)
        return -1;

    const struct number_rule *rule = &number_rules[flag->kind];
    errno = 0;
    long whole = rule->whole ? strtol(value, &end, 10) : 0;
    double number = rule->whole ? (double)whole : strtod(value, &end);
    if (end == value || *end || errno ||
        !(number >= rule->lowest && number <= rule->highest))
        return cli_misused(command->name, "%s wants %s, not %s", flag->name, rule->wanted, value);
    switch (flag->kind) {
    case CLI_COUNT:
    case CLI_NUMBER: *(int *)flag->target = (int)whole; break;
    case CLI_LONG: *(long *)flag->target = whole; break;
    case CLI_SEED: *(uint64_t *)flag->target = (uint64_t)whole; break;
    default: *(double *)flag->target = number; break;
    }
    return -1;
}

static bool looks_like_flag(const char *argument)
{
    return argument[0] == '-' && argument[1] != '\0';
}

/* The value after = or in the next argument, which must not be a flag: what is forgotten
 * is to be told, not taken from the next flag. */
static int take_value(const cli_command *command, const cli_flag *flag, const char *equals,
                      int argc, char **argv, int *at, const char **value)
{
    *value = equals ? equals + 1 : NULL;
    if (flag->kind == CLI_FLAG && equals)
        return cli_misused(command->name, "%s takes no value", flag->name);
    if (flag->kind == CLI_FLAG || equals)
        return -1;
    const char *wanted = flag->value ? flag->value : "a value";
    const char *next = *at + 1 < argc ? argv[*at + 1] : NULL;
    if (!next)
        return cli_misused(command->name, "%s wants %s", flag->name, wanted);
    if (strncmp(next, "--", 2) == 0)
        return cli_misused(command->name, "%s wants %s, not %s; what begins with -- is given as "
                           "%s=VALUE", flag->name, wanted, next, flag->name);
    *value = argv[++*at];
    return -1;
}

int cli_parse(const cli_command *command, const cli_flag *flags, int argc, char **argv,
              cli_list *words)
{
    words->count = 0;
    for (int i = 1; i < argc; i++) /* before anything is parsed: it shows the defaults */
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(command, flags);
            return CLI_OK;
        }
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        if (!looks_like_flag(argument)) {
            if (words->count == command->most)
                return cli_misused(command->name, "unexpected argument %s", argument);
            words->items[words->count++] = argument;
            continue;
        }
        const char *equals = strchr(argument, '='), *value;
        size_t length = equals ? (size_t)(equals - argument) : strlen(argument);
        const cli_flag *flag = find_flag(flags, argument, length);
        if (!flag)
            return unknown_flag(command, flags, argument, length);
        int status = take_value(command, flag, equals, argc, argv, &i, &value);
        if (status < 0)
            status = store(command, flag, value);
        if (status >= 0)
            return status;
    }
    if (words->count < command->least)
        return cli_misused(command->name, "wanted: tern %s %s", command->name, command->usage);
    return -1;
}

const char *cli_named_twice(const cli_list *settings)
{
    for (int i = 1; i < settings->count; i++) {
        size_t length = strcspn(settings->items[i], "=");
        for (int before = 0; before < i; before++)
            if (strcspn(settings->items[before], "=") == length &&
                strncmp(settings->items[before], settings->items[i], length) == 0)
                return settings->items[i];
    }
    return NULL;
}

bool cli_given(int argc, char **argv, const char *flag)
{
    size_t length = strlen(flag);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], flag, length) == 0 && (!argv[i][length] || argv[i][length] == '='))
            return true;
    return false;
}
