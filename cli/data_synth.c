/* tern data synth: the data set that needs no download. */
#include "cli/commands.h"
#include "cli/interrupt.h"

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

static int say_where_it_stopped(const tern_synth_report *report, const char *folder)
{
    const int *clips = report->opts.clips;
    fprintf(stderr, "tern data synth: stopped with %lld of %d clips made; %s holds no data set yet: "
                    "the same command makes it anew\n", (long long)report->clips_written,
            clips[TERN_TRAIN] + clips[TERN_VALID] + clips[TERN_TEST], folder);
    return cli_interrupt_status();
}

static void print_report(const tern_synth_report *report, const char *folder)
{
    const int *clips = report->opts.clips;
    printf("%s: %d train, %d valid and %d test clips %s\n", folder, clips[TERN_TRAIN],
           clips[TERN_VALID], clips[TERN_TEST],
           report->was_there ? "were there already" : "made");
    printf("%-34s %9s %9s %9s %9s\n", "best possible accuracy with", "expected", "train", "valid",
           "test");
    for (int i = 0; i < TERN_SYNTH_EVIDENCES; i++) {
        const tern_synth_ceiling *c = &report->ceiling[i];
        printf("%-34s %7.1f %% %7.1f %% %7.1f %% %7.1f %%\n", c->name, 100 * c->expected,
               100 * c->realised[TERN_TRAIN], 100 * c->realised[TERN_VALID],
               100 * c->realised[TERN_TEST]);
    }
}

int cmd_data_synth(int argc, char **argv)
{
    tern_synth_opts opts = tern_synth_opts_default();
    cli_list words;
    const cli_flag flags[] = {
        { "--train", CLI_NUMBER, &opts.clips[TERN_TRAIN], "N", "clips" },
        { "--valid", CLI_NUMBER, &opts.clips[TERN_VALID], "N", "clips" },
        { "--test", CLI_NUMBER, &opts.clips[TERN_TEST], "N", "clips" },
        { "--frames", CLI_NUMBER, &opts.frames, "N", "of a clip" },
        { "--size", CLI_NUMBER, &opts.size, "PIXELS", "of a frame's sides" },
        { "--seconds", CLI_POSITIVE, &opts.seconds, "X", "of sound" },
        { "--seed", CLI_SEED, &opts.seed, "N", "of all that is drawn" },
        { "--threads", CLI_COUNT, &opts.threads, "N", "default: one per core" },
        { 0 },
    };
    int status = cli_parse(&command, flags, argc, argv, &words);
    if (status >= 0)
        return status;
    tern_synth_report report;
    tern_error error = { 0 };
    opts.stop = cli_is_interrupted;
    cli_catch_interrupts();
    if (!tern_synth_write(words.items[0], &opts, &report, &error))
        return cli_fail("data synth", "%s", error.message);
    if (report.stopped)
        return say_where_it_stopped(&report, words.items[0]);
    print_report(&report, words.items[0]);
    return CLI_OK;
}
