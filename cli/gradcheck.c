/* tern gradcheck: signed directional derivatives of every op, on ref. */
#include "cli/commands.h"
#include "cli/open.h"
#include "core/registry.h"

#include "kernels/gradcheck.h"
#include "kernels/table.h"

#include <stdio.h>

static const cli_command command = {
    "gradcheck", "[NAME]...",
    "Compares backward with four-point differences of forward in float64, along several\n"
    "random directions of each differentiable input, on all sample problems of the op.\n"
    "Exits with 1 if a gradient is wrong.",
    "  tern gradcheck linear\n"
    "  linear               66 directions, worst relative error 3.5e-10",
};

static bool has_gradient(const tern_op *op)
{
    for (int i = 0; i < tern_op_input_count(op); i++)
        if (op->in[i].flags & TERN_DIFF)
            return true;
    return false;
}

/* 0 if right, 1 if wrong, -1 if it could not be checked. */
static int check_one(tern_ctx *ctx, const tern_op *op)
{
    tern_gradcheck_result result = { 0 };
    if (!has_gradient(op)) {
        printf("%-18s has no differentiable input\n", op->name);
        return 0;
    }
    if (!tern_gradcheck(ctx, op, &result)) {
        cli_fail("gradcheck", "%s", tern_ctx_error(ctx)->message);
        tern_clear_error(ctx);
        return -1;
    }
    printf("%-18s %4d directions, worst relative error %.1e%s\n", op->name, result.checked,
           result.worst, result.failed ? "  WRONG" : "");
    if (result.failed)
        printf("    %d of %d: %s\n", result.failed, result.checked, result.worst_at);
    if (!result.checked)
        cli_fail("gradcheck", "%s has no sample problem to check", op->name);
    return result.failed ? 1 : result.checked ? 0 : -1;
}

int cmd_gradcheck(int argc, char **argv)
{
    cli_list plugins = { { NULL }, 0 }, words;
    const cli_flag flags[] = { CLI_PLUGIN_FLAG(plugins), { 0 } };
    tern_error error = { 0 };
    int status = cli_parse(&command, flags, argc, argv, &words);
    if (status >= 0)
        return status;
    tern_ctx *ctx = cli_open((tern_ctx_opts){ .device = "ref" }, &plugins, &error);
    if (!ctx)
        return cli_fail("gradcheck", "%s", error.message);
    bool wrong = false;
    for (int i = 0; i < words.count; i++) {
        const tern_op *op = tern_ctx_op_find(ctx, words.items[i], &error);
        if (!op) {
            tern_ctx_free(ctx);
            return cli_fail("gradcheck", "%s", error.message);
        }
        wrong = check_one(ctx, op) != 0 || wrong;
    }
    for (const tern_op *const *op = tern_op_table(); !words.count && *op; op++)
        wrong = check_one(ctx, *op) != 0 || wrong;
    for (int i = 0; !words.count && tern_plugin_op(ctx, i); i++)
        wrong = check_one(ctx, tern_plugin_op(ctx, i)) != 0 || wrong;
    tern_ctx_free(ctx);
    return wrong ? CLI_FAILED : CLI_OK;
}
