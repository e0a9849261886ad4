/* tern ops: the matrix op x backend, and one op's documentation; both are made
 * from the contracts. */
#include "cli/commands.h"
#include "cli/open.h"

#include "core/registry.h"
#include "kernels/table.h"

#include <stdio.h>
#include <string.h>

static const cli_command command = {
    "ops", "[NAME]",
    "Without NAME: every op, and on which backends it runs forward (f) and backward (b).\n"
    "With NAME: its formula, inputs, outputs, and options with their defaults.",
    "  tern ops linear",
};

static const char *const devices[] = { "ref", "cpu", "cuda-sim", "cuda" };
enum { DEVICES = sizeof devices / sizeof devices[0] };

static void print_row(tern_ctx *const *contexts, const tern_op *op)
{
    printf("%-18s", op->name);
    for (int d = 0; d < DEVICES; d++) {
        const tern_impl *impl = contexts[d] ? tern_find_impl(contexts[d], op) : NULL;
        printf(" %-9s", !contexts[d] ? "absent" : !impl ? "-" : impl->backward ? "f b" : "f");
    }
    printf(" %s\n", op->summary);
}

static void print_matrix(const cli_list *plugins)
{
    tern_ctx *contexts[DEVICES];
    for (int d = 0; d < DEVICES; d++) {
        tern_error error = { 0 };
        contexts[d] = cli_open((tern_ctx_opts){ .device = devices[d], .threads = 1 }, plugins,
                               &error);
    }
    printf("%-18s", "op");
    for (int d = 0; d < DEVICES; d++)
        printf(" %-9s", devices[d]);
    printf("\n");
    for (const tern_op *const *op = tern_op_table(); *op; op++)
        print_row(contexts, *op);
    for (int i = 0; tern_plugin_op(contexts[0], i); i++)
        print_row(contexts, tern_plugin_op(contexts[0], i));
    for (int d = 0; d < DEVICES; d++)
        tern_ctx_free(contexts[d]);
}

static void print_arguments(const char *title, const tern_arg *list, int count)
{
    static const char *const kinds[] = { "", "real", "i32", "u8 mask", "any" };
    for (int i = 0; i < count; i++)
        printf("%-9s %-14s %-8s %s%s%s%s%s\n", i ? "" : title, list[i].name, kinds[list[i].kind],
               list[i].shape, list[i].flags & TERN_OPTIONAL ? ", optional" : "",
               list[i].flags & TERN_DIFF ? ", differentiable" : "",
               list[i].flags & TERN_MUTATED ? ", changed in place" : "",
               list[i].flags & TERN_VARIADIC ? ", one or more" : "");
}

static void print_options(const tern_op *op)
{
    const char *title = "options";
    for (const tern_option *option = op->options; option && option->type; option++) {
        char fallback[64];
        switch (option->type) {
        case TERN_OPTION_CHOICE: snprintf(fallback, sizeof fallback, "%s", option->choices[0]); break;
        case TERN_OPTION_BOOL: snprintf(fallback, sizeof fallback, "false"); break;
        default: snprintf(fallback, sizeof fallback, "%g", option->fallback); break;
        }
        printf("%-9s %-14s default %-8s %s", title, option->name, fallback, option->doc);
        for (int i = 0; option->type == TERN_OPTION_CHOICE && option->choices[i]; i++)
            printf("%s%s", i ? ", " : ": ", option->choices[i]);
        if (option->length > 1)
            printf(" (up to %d numbers)", option->length);
        printf("\n");
        title = "";
    }
}

static void print_op(const tern_op *op)
{
    printf("%s: %s\n\n%s\n\n", op->name, op->summary, op->doc);
    print_arguments("inputs", op->in, tern_op_input_count(op));
    print_arguments("outputs", op->out, tern_op_output_count(op));
    print_options(op);
    printf("\ntry it: tern op %s --in IN.npz --out OUT.npz\n", op->name);
}

int cmd_ops(int argc, char **argv)
{
    cli_list plugins = { { NULL }, 0 }, words;
    const cli_flag flags[] = { CLI_PLUGIN_FLAG(plugins), { 0 } };
    int status = cli_parse(&command, flags, argc, argv, &words);
    if (status >= 0)
        return status;
    if ((status = cli_check_words(&command, &words, 0, 1)) >= 0)
        return status;
    tern_error error = { 0 };
    tern_ctx *ctx = cli_open((tern_ctx_opts){ .device = "ref" }, &plugins, &error);
    if (!ctx)
        return cli_fail("ops", "%s", error.message);
    const tern_op *op = words.count ? tern_ctx_op_find(ctx, words.items[0], &error) : NULL;
    if (words.count == 0)
        print_matrix(&plugins);
    else if (op)
        print_op(op);
    else
        status = cli_fail("ops", "%s", error.message);
    tern_ctx_free(ctx);
    return words.count && !op ? status : CLI_OK;
}
