/* tern data: making data sets. */
#include "cli/commands.h"

#include "core/error.h"
#include "datasets/paired.h"

#include <stdio.h>
#include <string.h>

static const cli_command paired = {
    "data paired", "OUT --faces DIR --audio DIR --text TRAIN.tsv [options]",
    "Joins three unimodal data sets on the emotion label (docs/data.md): faces as FER-2013\n"
    "(DIR/CLASS/*.png), speech as RAVDESS (official names), sentences as GoEmotions.  Writes\n"
    "OUT/manifest.tsv, which names the media where they are.",
    "  tern data paired pairs --faces fer2013 --audio ravdess --text goemotions_train.tsv",
    .least = 1, .most = 1,
};

static void print_counts(const tern_paired_counts *counts, const char *folder)
{
    static const char *const splits[] = { "train", "valid", "test" };
    printf("%s: %s\n", folder, counts->was_there ? "was there already" : "made");
    printf("%-10s %7s %7s %7s %7s\n", "split", "faces", "sounds", "texts", "pairs");
    for (int s = 0; s < 3; s++) {
        long long sums[4] = { 0 };
        for (int c = 0; c < TERN_PAIRED_CLASSES; c++) {
            sums[0] += counts->faces[s][c];
            sums[1] += counts->audio[s][c];
            sums[2] += counts->text[s][c];
            sums[3] += counts->pairs[s][c];
        }
        printf("%-10s %7lld %7lld %7lld %7lld\n", splits[s], sums[0], sums[1], sums[2], sums[3]);
    }
    printf("duplicates dropped: %lld faces, %lld texts\n", (long long)counts->faces_dropped,
           (long long)counts->text_dropped);
}

static int make_paired(int argc, char **argv)
{
    tern_paired_opts opts = tern_paired_opts_default();
    long epoch_samples = 0;
    cli_list words;
    const cli_flag flags[] = {
        { "--faces", CLI_TEXT, &opts.faces, "DIR", "CLASS/NAME.png" },
        { "--audio", CLI_TEXT, &opts.audio, "DIR", "RAVDESS speech" },
        { "--text", CLI_TEXT, &opts.text, "TSV", "sentences with labels" },
        { "--text-test", CLI_TEXT, &opts.text_test, "TSV", "sentences of the test split" },
        { "--text-labels", CLI_TEXT, &opts.text_labels, "FILE", "label names, one a line" },
        { "--train-actors", CLI_TEXT, &opts.train_actors, "LIST", "of RAVDESS" },
        { "--valid-actors", CLI_TEXT, &opts.valid_actors, "LIST", "of RAVDESS" },
        { "--test-actors", CLI_TEXT, &opts.test_actors, "LIST", "of RAVDESS" },
        { "--valid-fraction", CLI_POSITIVE, &opts.valid_fraction, "X", "of images and sentences" },
        { "--test-fraction", CLI_POSITIVE, &opts.test_fraction, "X", "of images and sentences" },
        { "--valid-pairs", CLI_NUMBER, &opts.valid_pairs, "N", "in all, as many of each class" },
        { "--test-pairs", CLI_NUMBER, &opts.test_pairs, "N", "in all, as many of each class" },
        { "--epoch-samples", CLI_LONG, &epoch_samples, "N", "training samples an epoch" },
        { "--seed", CLI_SEED, &opts.seed, "N", "of the pairing" },
        { 0 },
    };
    int status = cli_parse(&paired, flags, argc, argv, &words);
    if (status >= 0)
        return status;
    if (!opts.faces || !opts.audio || !opts.text)
        return cli_misused("data paired", "--faces, --audio and --text are needed");
    tern_paired_counts counts;
    tern_error error = { 0 };
    opts.out = words.items[0];
    opts.epoch_samples = epoch_samples;
    if (!tern_paired_write(opts, &counts, &error))
        return cli_fail("data paired", "%s", error.message);
    print_counts(&counts, opts.out);
    return CLI_OK;
}

typedef struct maker {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} maker;

static const maker makers[] = {
    { "synth", "procedural actors; needs no download", cmd_data_synth },
    { "paired", "three unimodal data sets joined on the label", make_paired },
};
enum { MAKERS = sizeof makers / sizeof makers[0] };

static int print_usage(FILE *to, int status)
{
    fprintf(to, "usage: tern data WHAT [ARGUMENTS]\n\n");
    for (int i = 0; i < MAKERS; i++)
        fprintf(to, "  %-10s %s\n", makers[i].name, makers[i].summary);
    fprintf(to, "\nexample:\n%s\n\n`tern data WHAT --help` tells more.\n", paired.example);
    return status;
}

int cmd_data(int argc, char **argv)
{
    const char *names[MAKERS];
    if (argc < 2)
        return print_usage(stderr, CLI_USAGE);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_usage(stdout, CLI_OK);
    for (int i = 0; i < MAKERS; i++) {
        if (strcmp(argv[1], makers[i].name) == 0)
            return makers[i].run(argc - 1, argv + 1);
        names[i] = makers[i].name;
    }
    const char *nearest = tern_nearest_name(argv[1], names, MAKERS);
    return cli_misused("data", "there is no data set %s%s%s%s", argv[1],
                       nearest ? ", did you mean " : "", nearest ? nearest : "",
                       nearest ? "?" : "");
}
