/* tern data synth: the data set that needs no download. */
#include "cli/commands.h"

#include "datasets/synth/synth.h"

#include <stdio.h>

static const cli_command command = {
    "data synth", "DIR [options]",
    "Makes procedural actors act six emotions in face frames, speech-like sound and\n"
    "sentences (docs/synthetic.md), with disjoint actors in train, valid and test, and\n"
    "prints the best accuracy that is possible on the clips made.",
    "  tern data synth demo/data",
    .least = 1, .most = 1,
};

static void print_report(const tern_synth_report *report, const char *folder)
{
    printf("%s: %s\n%-34s %9s %9s %9s %9s\n", folder,
           report->was_there ? "was there already" : "made", "best possible accuracy with",
           "expected", "train", "valid", "test");
    for (int i = 0; i < TERN_SYNTH_EVIDENCES; i++) {
        const tern_synth_ceiling *c = &report->ceiling[i];
        printf("%-34s %7.1f %% %7.1f %% %7.1f %% %7.1f %%\n", c->name, 100 * c->expected,
               100 * c->realised[TERN_TRAIN], 100 * c->realised[TERN_VALID],
               100 * c->realised[TERN_TEST]);
    }
}

int cmd_data_synth(int argc, char **argv)
{
    tern_synth_opts opts = { 0 };
    long seed = 0;
    cli_list words;
    const cli_flag flags[] = {
        { "--train", CLI_COUNT, &opts.clips[TERN_TRAIN], "N", "clips, default 4800" },
        { "--valid", CLI_COUNT, &opts.clips[TERN_VALID], "N", "clips, default 300" },
        { "--test", CLI_COUNT, &opts.clips[TERN_TEST], "N", "clips, default 1200" },
        { "--frames", CLI_COUNT, &opts.frames, "N", "of a clip, default 8" },
        { "--size", CLI_COUNT, &opts.size, "PIXELS", "of a frame's sides, default 32" },
        { "--seconds", CLI_REAL, &opts.seconds, "X", "of sound, default 2" },
        { "--seed", CLI_INT, &seed, "N", "default 0" },
        { "--threads", CLI_COUNT, &opts.threads, "N", "default: one per core" },
        { 0 },
    };
    int status = cli_parse(&command, flags, argc, argv, &words);
    if (status >= 0)
        return status;
    tern_synth_report report;
    tern_error error = { 0 };
    opts.seed = (uint64_t)seed;
    if (!tern_synth_write(words.items[0], &opts, &report, &error))
        return cli_fail("data synth", "%s", error.message);
    print_report(&report, words.items[0]);
    return CLI_OK;
}
