/* tern op: one op on tensors of a safetensors file. */
#include "cli/commands.h"
#include "cli/open.h"

#include "kernels/op_file.h"
#include "kernels/table.h"

static const cli_command command = {
    "op", "NAME --in IN.safetensors --out OUT.safetensors [options]",
    "Runs one op.  IN holds its inputs under the names that `tern ops NAME` shows.  With\n"
    "--grad, IN also holds grad_OUTPUT for each output and OUT receives grad_INPUT for\n"
    "each differentiable input.",
    "  tern op linear --in in.safetensors --out out.safetensors --set activation=gelu --grad",
};

int cmd_op(int argc, char **argv)
{
    const char *device = "cpu", *provider = NULL;
    int threads = 0;
    long seed = 0;
    tern_op_file file = { 0 };
    cli_list options = { { NULL }, 0 }, plugins = { { NULL }, 0 }, words;
    const cli_flag flags[] = {
        { "--in", CLI_TEXT, &file.in, "FILE", "safetensors file with the inputs" },
        { "--out", CLI_TEXT, &file.out, "FILE", "safetensors file to write" },
        { "--set", CLI_REPEAT, &options, "OPTION=VALUE", "set an option; may be repeated" },
        { "--device", CLI_TEXT, &device, "NAME", "cpu (default), ref, cuda, cuda-sim" },
        { "--provider", CLI_TEXT, &provider, "NAME", "another implementation, e.g. openblas" },
        { "--grad", CLI_FLAG, &file.grad, NULL, "run backward too" },
        { "--train", CLI_FLAG, &file.training, NULL, "training behaviour (dropout, batch norm)" },
        { "--threads", CLI_COUNT, &threads, "N", "cpu threads (default: one per core)" },
        { "--seed", CLI_INT, &seed, "N", "of random numbers (dropout)" },
        CLI_PLUGIN_FLAG(plugins),
        { 0 },
    };
    int status = cli_parse(&command, flags, argc, argv, &words);
    if (status >= 0)
        return status;
    if ((status = cli_check_words(&command, &words, 1, 1)) >= 0)
        return status;
    if (!file.in || !file.out)
        return cli_misused("op", "--in and --out are needed");
    tern_error error = { 0 };
    tern_ctx *ctx = cli_open((tern_ctx_opts){ .device = device, .threads = threads,
                                              .seed = (uint64_t)seed }, &plugins, &error);
    if (!ctx)
        return cli_fail("op", "%s", error.message);
    const tern_op *op = tern_ctx_op_find(ctx, words.items[0], &error);
    if (!op) {
        tern_ctx_free(ctx);
        return cli_fail("op", "%s", error.message);
    }
    file.options = options.items;
    file.option_count = options.count;
    if (provider)
        tern_set_provider(ctx, op->name, provider);
    status = CLI_OK;
    if (!tern_ok(ctx) || !tern_op_run_file(ctx, op, &file))
        status = cli_fail("op", "%s", tern_ctx_error(ctx)->message);
    tern_ctx_free(ctx);
    return status;
}
