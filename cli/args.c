/* Parsing a table of flags; see args.h. */
#include "cli/args.h"

#include "core/error.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
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

static void print_help(const cli_command *command, const cli_flag *flags)
{
    printf("usage: tern %s %s\n\n%s\n", command->name, command->usage, command->summary);
    printf("\noptions:\n");
    for (const cli_flag *flag = flags; flag && flag->kind; flag++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", flag->name, flag->value ? flag->value : "");
        printf("  %-24s %s\n", left, flag->doc);
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

static int store(const cli_command *command, const cli_flag *flag, const char *value)
{
    char *end = NULL;
    long count;
    errno = 0;
    switch (flag->kind) {
    case CLI_FLAG: *(bool *)flag->target = true; return -1;
    case CLI_TEXT: *(const char **)flag->target = value; return -1;
    case CLI_COUNT:
        count = strtol(value, &end, 10);
        if (count < 0 || count > INT_MAX)
            errno = ERANGE;
        *(int *)flag->target = (int)count;
        break;
    case CLI_INT: *(long *)flag->target = strtol(value, &end, 10); break;
    case CLI_REAL: *(double *)flag->target = strtod(value, &end); break;
    case CLI_REPEAT: {
        cli_list *list = flag->target;
        if (list->count == CLI_MAX_REPEAT)
            return cli_misused(command->name, "%s is given more than %d times", flag->name,
                               CLI_MAX_REPEAT);
        list->items[list->count++] = value;
        return -1;
    }
    case CLI_END: break;
    }
    if (!end || end == value || *end || errno)
        return cli_misused(command->name, "%s wants %s, not %s", flag->name,
                           flag->kind == CLI_REAL    ? "a number"
                           : flag->kind == CLI_COUNT ? "a whole number from 0 on"
                                                     : "a whole number", value);
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
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            print_help(command, flags);
            return CLI_OK;
        }
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

bool cli_given(int argc, char **argv, const char *flag)
{
    size_t length = strlen(flag);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], flag, length) == 0 && (!argv[i][length] || argv[i][length] == '='))
            return true;
    return false;
}
