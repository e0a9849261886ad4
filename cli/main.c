/* tern: the program.  A table of subcommands and nothing else. */
#include "cli/commands.h"

#include "core/error.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

typedef struct subcommand {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} subcommand;

static const subcommand subcommands[] = {
    { "demo", "six models on synthetic data beside the best that is possible", cmd_demo },
    { "data", "make data sets: synth, paired", cmd_data },
    { "train", "train a classifier from a manifest", cmd_train },
    { "eval", "evaluate a run on a split of any manifest", cmd_eval },
    { "predict", "what a run says of one sample", cmd_predict },
    { "profile", "where the time and memory of train, eval or predict go", cmd_profile },
    { "ops", "the ops, where they run, and their documentation", cmd_ops },
    { "op", "run one op on tensors of a file, forward and backward", cmd_op },
    { "gradcheck", "check every op's gradient against differences", cmd_gradcheck },
    { "bench", "time ops beside the vendors', each result checked", cmd_bench },
};
enum { SUBCOMMANDS = sizeof subcommands / sizeof subcommands[0] };

static void print_usage(FILE *to)
{
    fprintf(to, "usage: tern COMMAND [ARGUMENTS]\n\ncommands:\n");
    for (int i = 0; i < SUBCOMMANDS; i++)
        fprintf(to, "  %-12s %s\n", subcommands[i].name, subcommands[i].summary);
    fprintf(to, "\nexample:\n"
                "  tern data synth demo/data\n"
                "  tern train --data demo/data/manifest.tsv --run runs/first\n"
                "  tern eval --run runs/first --data demo/data/manifest.tsv\n"
                "\n`tern COMMAND --help` tells more; `tern --version` says what is built in.\n");
}

static int run_command(int argc, char **argv)
{
    const char *names[SUBCOMMANDS];
    for (int i = 0; i < SUBCOMMANDS; i++) {
        if (strcmp(argv[1], subcommands[i].name) == 0)
            return subcommands[i].run(argc - 1, argv + 1);
        names[i] = subcommands[i].name;
    }
    const char *nearest = tern_nearest_name(argv[1], names, SUBCOMMANDS);
    fprintf(stderr, "tern: there is no command %s%s%s%s\ntry: tern --help\n", argv[1],
            nearest ? ", did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    return CLI_USAGE;
}

/* What was printed must have arrived: a result in a full disk's file is none. */
static int check_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "tern: the output cannot be written: %s\n", strerror(errno));
    return status ? status : CLI_FAILED;
}

int main(int argc, char **argv)
{
    signal(SIGXFSZ, SIG_IGN); /* a file grown too large is an error like a full disk */
    if (argc < 2) {
        print_usage(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return check_output(CLI_OK);
    }
    if (strcmp(argv[1], "--version") == 0)
        return check_output(cmd_version(argc - 1, argv + 1));
    return check_output(run_command(argc, argv));
}
