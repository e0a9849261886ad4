/* tern op: one op on the arrays of a file. */
#include "cli/commands.h"
#include "cli/open.h"

#include "core/registry.h"
#include "kernels/op_file.h"
#include "kernels/table.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const cli_command command = {
    "op", "NAME --in IN --out OUT [options]",
    "Runs one op.  IN holds its inputs under the names that `tern ops NAME` shows; what is\n"
    "optional may be missing.  OUT receives its outputs and the inputs that it changes.  With\n"
    "--grad, IN also holds grad_OUTPUT for each output and OUT receives grad_INPUT for each\n"
    "differentiable input.  Files are .safetensors or .npz; .npy will do for one array.\n"
    "Numbers are f64, f32, i64, i32 or u8; they become what the op wants, or it is told which\n"
    "one cannot.",
    "  tern op linear --in in.npz --out out.npz --set activation=gelu --grad",
    .least = 1, .most = 1,
};

/* JSON has no infinities. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *array_json(const tern_op_array *array, bool with_values)
{
    json_t *shape = json_array();
    for (int axis = 0; axis < array->rank; axis++)
        json_array_append_new(shape, json_integer((json_int_t)array->shape[axis]));
    json_t *json = json_pack("{s:s, s:o}", "dtype", tern_dtype_name(array->dtype), "shape", shape);
    if (with_values) {
        json_object_set_new(json, "lowest", number(array->lowest));
        json_object_set_new(json, "highest", number(array->highest));
        json_object_set_new(json, "mean", number(array->mean));
        json_object_set_new(json, "not_finite", json_integer((json_int_t)array->not_finite));
    }
    return json;
}

static json_t *list_json(const tern_op_array *list, int count, bool with_values)
{
    json_t *json = json_object();
    for (int i = 0; i < count; i++)
        json_object_set_new(json, list[i].name, array_json(&list[i], with_values));
    return json;
}

static void print_json(const tern_ctx *ctx, const tern_op *op, const tern_op_report *report)
{
    json_t *json = json_pack("{s:s, s:s, s:s, s:f, s:o, s:o}", "op", op->name, "device",
                             tern_device(ctx), "provider", tern_find_impl(ctx, op)->provider,
                             "flops", report->flops, "in",
                             list_json(report->in, report->in_count, false), "out",
                             list_json(report->out, report->out_count, true));
    json_dumpf(json, stdout, JSON_REAL_PRECISION(9));
    printf("\n");
    json_decref(json);
}

static void print_report(const tern_op_report *report)
{
    for (int i = 0; i < report->out_count; i++) {
        const tern_op_array *array = &report->out[i];
        char shape[TERN_SHAPE_TEXT];
        tern_tensor header = { .rank = array->rank };
        for (int axis = 0; axis < array->rank; axis++)
            header.shape[axis] = array->shape[axis];
        printf("%-16s %-4s %-16s", array->name, tern_dtype_name(array->dtype),
               tern_shape_text(&header, shape));
        if (array->count > array->not_finite)
            printf(" %.6g to %.6g, mean %.6g", array->lowest, array->highest, array->mean);
        if (array->not_finite)
            printf(" (%lld not finite)", (long long)array->not_finite);
        printf("\n");
    }
}

static bool needs_input(const tern_op *op)
{
    for (int i = 0; i < tern_op_input_count(op); i++)
        if (!(op->in[i].flags & TERN_OPTIONAL))
            return true;
    return false;
}

static int run(tern_ctx *ctx, const char *name, const char *provider, const tern_op_file *file,
               bool json)
{
    tern_error error = { 0 };
    tern_op_report report;
    const tern_op *op = tern_ctx_op_find(ctx, name, &error);
    if (!op)
        return cli_fail("op", "%s", error.message);
    if (!file->out || (!file->in && needs_input(op)))
        return cli_misused("op", "--in and --out are needed");
    if (provider)
        tern_set_provider(ctx, op->name, provider);
    if (!tern_ok(ctx) || !tern_op_run_file(ctx, op, file, &report))
        return cli_fail("op", "%s", tern_ctx_error(ctx)->message);
    if (json)
        print_json(ctx, op, &report);
    else
        print_report(&report);
    return CLI_OK;
}

int cmd_op(int argc, char **argv)
{
    const char *device = "cpu", *provider = NULL;
    int threads = 0;
    uint64_t seed = 0;
    bool json = false;
    tern_op_file file = { 0 };
    cli_list options = { { NULL }, 0 }, plugins = { { NULL }, 0 }, words;
    const cli_flag flags[] = {
        { "--in", CLI_TEXT, &file.in, "FILE", "the inputs: .safetensors, .npz or .npy" },
        { "--out", CLI_TEXT, &file.out, "FILE", "what to write: .safetensors, .npz or .npy" },
        { "--set", CLI_REPEAT, &options, "OPTION=VALUE", "set an option; may be repeated" },
        { "--device", CLI_TEXT, &device, "NAME", "cpu, ref, cuda, cuda-sim" },
        { "--provider", CLI_TEXT, &provider, "NAME", "another implementation, e.g. openblas" },
        { "--grad", CLI_FLAG, &file.grad, NULL, "run backward too" },
        { "--train", CLI_FLAG, &file.training, NULL, "training behaviour (dropout, batch norm)" },
        { "--threads", CLI_COUNT, &threads, "N", "cpu threads (default: one per core)" },
        { "--seed", CLI_SEED, &seed, "N", "of random numbers (dropout)" },
        { "--json", CLI_FLAG, &json, NULL, "what was read and written, as JSON" },
        CLI_PLUGIN_FLAG(plugins),
        { 0 },
    };
    int status = cli_parse(&command, flags, argc, argv, &words);
    if (status >= 0)
        return status;
    const char *twice = cli_named_twice(&options);
    if (twice)
        return cli_misused("op", "--set %.*s is given twice", (int)strcspn(twice, "="), twice);
    tern_error error = { 0 };
    tern_ctx *ctx = cli_open((tern_ctx_opts){ .device = device, .threads = threads,
                                              .seed = seed }, &plugins, &error);
    if (!ctx)
        return cli_fail("op", "%s", error.message);
    file.options = options.items;
    file.option_count = options.count;
    status = run(ctx, words.items[0], provider, &file, json);
    tern_ctx_free(ctx);
    return status;
}
