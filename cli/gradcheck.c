/* tern gradcheck: signed directional derivatives of every op, on ref. */
#include "cli/commands.h"
#include "cli/open.h"

#include "core/registry.h"
#include "kernels/gradcheck.h"
#include "kernels/table.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>

static const cli_command command = {
    "gradcheck", "[NAME]...",
    "Compares backward with four-point differences of forward in float64, along several\n"
    "random directions of each differentiable input, on all sample problems of the op.\n"
    "Names op, options and input where a gradient is wrong, and exits with 1.",
    "  tern gradcheck linear",
    .least = 0, .most = CLI_MAX_REPEAT,
};

static bool has_gradient(const tern_op *op)
{
    for (int i = 0; i < tern_op_input_count(op); i++)
        if (op->in[i].flags & TERN_DIFF)
            return true;
    return false;
}

static void print_text(const tern_op *op, const tern_gradcheck_result *result)
{
    if (!has_gradient(op)) {
        printf("%-20s has no differentiable input\n", op->name);
        return;
    }
    printf("%-20s %4d directions, worst relative error %.1e%s\n", op->name, result->checked,
           result->worst, result->failed ? "  WRONG" : "");
    if (result->failed)
        printf("    %d of %d directions are wrong:\n", result->failed, result->checked);
    for (int i = 0; i < result->failures; i++)
        printf("    %s\n", result->failure[i]);
}

/* One line. */
static void print_json(const tern_op *op, const tern_gradcheck_result *result)
{
    json_t *failures = json_array();
    for (int i = 0; i < result->failures; i++)
        json_array_append_new(failures, json_string(result->failure[i]));
    json_t *json = json_pack("{s:s, s:i, s:i, s:o, s:o}", "op", op->name, "directions",
                             result->checked, "wrong", result->failed, "worst",
                             isfinite(result->worst) ? json_real(result->worst) : json_null(),
                             "failures", failures);
    json_dumpf(json, stdout, JSON_REAL_PRECISION(6));
    printf("\n");
    json_decref(json);
}

/* False if a gradient is wrong or could not be checked. */
static bool check_one(tern_ctx *ctx, const tern_op *op, bool json)
{
    tern_gradcheck_result result = { 0 };
    if (has_gradient(op) && !tern_gradcheck(ctx, op, &result)) {
        cli_fail("gradcheck", "%s", tern_ctx_error(ctx)->message);
        tern_clear_error(ctx);
        return false;
    }
    if (json)
        print_json(op, &result);
    else
        print_text(op, &result);
    if (has_gradient(op) && !result.checked) {
        cli_fail("gradcheck", "%s has no sample problem to check", op->name);
        return false;
    }
    return !result.failed;
}

int cmd_gradcheck(int argc, char **argv)
{
    cli_list plugins = { { NULL }, 0 }, words;
    bool json = false;
    const cli_flag flags[] = { { "--json", CLI_FLAG, &json, NULL, "a line of JSON for each op" },
                               CLI_PLUGIN_FLAG(plugins), { 0 } };
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
        wrong = !check_one(ctx, op, json) || wrong;
    }
    for (const tern_op *const *op = tern_op_table(); !words.count && *op; op++)
        wrong = !check_one(ctx, *op, json) || wrong;
    for (int i = 0; !words.count && tern_plugin_op(ctx, i); i++)
        wrong = !check_one(ctx, tern_plugin_op(ctx, i), json) || wrong;
    tern_ctx_free(ctx);
    return wrong ? CLI_FAILED : CLI_OK;
}
