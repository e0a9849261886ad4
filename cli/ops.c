/* tern ops: the matrix op x backend x direction, and one op's documentation; all of it is
 * made from the contracts and what is registered. */
#include "cli/commands.h"
#include "cli/open.h"
#include "cli/ops_json.h"

#include "core/registry.h"
#include "kernels/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const cli_command command = {
    "ops", "[NAME]",
    "Without NAME: every op, and on which backends it runs forward (f) and backward (b).\n"
    "With NAME: its formula, inputs, outputs, options with their defaults, and providers.",
    "  tern ops linear",
    .least = 0, .most = 1,
};

static const char *const devices[] = { "ref", "cpu", "cuda-sim", "cuda" };
enum { DEVICES = sizeof devices / sizeof devices[0] };

/* A context for each device that is there, with the user's plugins; ref always is. */
static void open_devices(const cli_list *plugins, tern_ctx **contexts)
{
    for (int d = 0; d < DEVICES; d++) {
        tern_error error = { 0 };
        contexts[d] = cli_open((tern_ctx_opts){ .device = devices[d], .threads = 1 }, plugins,
                               &error);
        if (d == 0 && !contexts[d])
            cli_fail("ops", "%s", error.message);
    }
}

static const char *directions(const tern_impl *impl)
{
    return !impl ? "-" : impl->backward ? "f b" : "f";
}

static void print_row(tern_ctx *const *contexts, const tern_op *op)
{
    printf("%-20s", op->name);
    for (int d = 0; d < DEVICES; d++)
        printf(" %-9s", contexts[d] ? directions(tern_find_impl(contexts[d], op)) : "absent");
    printf(" %s\n", op->summary);
}

static void print_matrix(tern_ctx *const *contexts)
{
    printf("%-20s", "op");
    for (int d = 0; d < DEVICES; d++)
        printf(" %-9s", devices[d]);
    printf("\n");
    for (const tern_op *const *op = tern_op_table(); *op; op++)
        print_row(contexts, *op);
    for (int i = 0; tern_plugin_op(contexts[0], i); i++)
        print_row(contexts, tern_plugin_op(contexts[0], i));
}

static json_t *matrix_json(tern_ctx *const *contexts)
{
    json_t *rows = json_array();
    for (const tern_op *const *op = tern_op_table(); *op; op++)
        json_array_append_new(rows, cli_op_row_json(*op, contexts, DEVICES));
    for (int i = 0; tern_plugin_op(contexts[0], i); i++)
        json_array_append_new(rows, cli_op_row_json(tern_plugin_op(contexts[0], i), contexts,
                                                    DEVICES));
    return rows;
}

static void print_arguments(const char *title, const tern_arg *list, int count)
{
    static const char *const kinds[] = { "", "real", "i32", "u8 mask", "any" };
    for (int i = 0; i < count; i++) {
        printf("%-9s %-14s %-8s %s%s%s%s", i ? "" : title, list[i].name, kinds[list[i].kind],
               list[i].shape, list[i].flags & TERN_OPTIONAL ? ", optional" : "",
               list[i].flags & TERN_DIFF ? ", differentiable" : "",
               list[i].flags & TERN_MUTATED ? ", changed in place" : "");
        if (list[i].flags & TERN_VARIADIC)
            printf(", one or more: %s0, %s1 ...", list[i].name, list[i].name);
        printf("\n");
    }
}

/* Limits that are there to keep sizes sane are not worth telling. */
static void print_limits(const tern_option *option)
{
    const double worth_telling = 1e6;
    bool low = fabs(option->lowest) < worth_telling, high = option->highest < worth_telling;
    if (option->lowest >= option->highest || option->type > TERN_OPTION_REAL || (!low && !high))
        return;
    /* Zero is the lowest that is allowed, but stands for the default. */
    bool above = low && option->lowest == 0 && option->fallback != 0 && !option->has_offset;
    const char *from = above ? "above " : high ? "" : "from ";
    if (low)
        printf(" (%s%g", from, option->lowest);
    if (high)
        printf("%s%g", low ? " to " : " (to ", option->highest);
    printf(")");
}

static void print_options(const tern_op *op)
{
    const char *title = "options";
    for (const tern_option *option = op->options; option && option->type; option++) {
        char fallback[64];
        switch (option->type) {
        case TERN_OPTION_CHOICE: snprintf(fallback, sizeof fallback, "%s", option->choices[0]); break;
        case TERN_OPTION_BOOL: snprintf(fallback, sizeof fallback, "false"); break;
        default:
            if ((option->has_offset || option->list) && option->fallback == 0)
                snprintf(fallback, sizeof fallback, "none");
            else
                snprintf(fallback, sizeof fallback, "%g", option->fallback);
        }
        printf("%-9s %-14s default %-8s %s", title, option->name, fallback, option->doc);
        for (int i = 0; option->type == TERN_OPTION_CHOICE && option->choices[i]; i++)
            printf("%s%s", i ? ", " : ": ", option->choices[i]);
        print_limits(option);
        if (option->length > 1)
            printf(" (up to %d numbers)", option->length);
        printf("\n");
        title = "";
    }
}

static void print_backends(tern_ctx *const *contexts, const tern_op *op)
{
    const char *title = "runs on";
    for (int d = 0; d < DEVICES; d++) {
        const tern_impl *used = contexts[d] ? tern_find_impl(contexts[d], op) : NULL, *impl;
        if (!used)
            continue;
        printf("%-9s %-14s %-8s by %s", title, devices[d], directions(used), used->provider);
        for (int i = 0; (impl = tern_impl_at(contexts[d], i)); i++)
            if (impl != used && strcmp(impl->op, op->name) == 0 &&
                strcmp(impl->backend, devices[d]) == 0)
                printf(", or %s", impl->provider);
        printf("\n");
        title = "";
    }
}

static void print_op(tern_ctx *const *contexts, const tern_op *op)
{
    printf("%s: %s\n\n%s\n\n", op->name, op->summary, op->doc);
    print_arguments("inputs", op->in, tern_op_input_count(op));
    print_arguments("outputs", op->out, tern_op_output_count(op));
    print_options(op);
    print_backends(contexts, op);
    printf("\ntry it: tern op %s --in IN.npz --out OUT.npz\n", op->name);
}

static void print_json(json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    printf("\n");
    json_decref(json);
}

/* NAME is NULL for all ops. */
static int show(tern_ctx *const *contexts, const char *name, bool json)
{
    tern_error error = { 0 };
    const tern_op *op = name ? tern_ctx_op_find(contexts[0], name, &error) : NULL;
    if (name && !op)
        return cli_fail("ops", "%s", error.message);
    if (json)
        print_json(op ? cli_op_json(op, contexts, DEVICES) : matrix_json(contexts));
    else if (op)
        print_op(contexts, op);
    else
        print_matrix(contexts);
    return CLI_OK;
}

int cmd_ops(int argc, char **argv)
{
    bool json = false;
    cli_list plugins = { { NULL }, 0 }, words;
    const cli_flag flags[] = { { "--json", CLI_FLAG, &json, NULL, "the same as JSON" },
                               CLI_PLUGIN_FLAG(plugins), { 0 } };
    int status = cli_parse(&command, flags, argc, argv, &words);
    if (status >= 0)
        return status;
    tern_ctx *contexts[DEVICES];
    open_devices(&plugins, contexts);
    status = contexts[0] ? show(contexts, words.count ? words.items[0] : NULL, json) : CLI_FAILED;
    for (int d = 0; d < DEVICES; d++)
        tern_ctx_free(contexts[d]);
    return status;
}
