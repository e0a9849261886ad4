/* tern train: a classifier from a manifest. */
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/model_flags.h"

#include "train/history.h"

#include <stdio.h>
#include <string.h>

/* What --set knows, from the tables of training and model options. */
static void print_settings(void)
{
    char text[TERN_OPTION_TEXT];
    const char *doc;
    printf("\noptions of --set (docs/training.md):\n");
    for (int i = 0; tern_train_option_help(i, text, &doc); i++)
        printf("  %-24s %s\n", text, doc);
    for (int i = 0; tern_model_option_help(i, text, &doc); i++)
        printf("  %-24s %s\n", text, doc);
}

static const cli_command command = {
    "train", "--data MANIFEST.tsv --run RUN [options]",
    "Trains a classifier on the train split, chooses the best epoch by the UAR of the valid\n"
    "split, and fills the folder RUN: config.json, metrics.jsonl, best.safetensors,\n"
    "last.safetensors.  A run that was interrupted goes on with --resume.",
    "  tern train --data demo/data/manifest.tsv --run runs/crossmodal --fusion crossmodal\n"
    "  tern train --data demo/data/manifest.tsv --run runs/tuned --init runs/face --set freeze=face \\\n"
    "      --set optimizer=sgd --set momentum=0.9 --set nesterov=true --set ema=0.999",
    .least = 0, .most = 0,
};

static void print_json(const tern_train_result *result, const char *run)
{
    json_t *json = json_pack(
        "{s:s, s:I, s:I, s:I, s:o, s:I, s:o, s:f}", "run", run, "epochs",
        (json_int_t)result->epochs, "steps", (json_int_t)result->steps, "best_epoch",
        (json_int_t)result->best_epoch, "best_valid_uar", tern_json_real(result->best_uar),
        "parameters", (json_int_t)result->parameters, "gflop_per_sample",
        result->flops_per_sample > 0 ? json_real(result->flops_per_sample / 1e9) : json_null(),
        "seconds", result->seconds);
    json_dumpf(json, stdout, JSON_REAL_PRECISION(9));
    printf("\n");
    json_decref(json);
}

static void print_text(const tern_train_result *result, const char *run)
{
    printf("%s: %lld epochs, %lld steps, best validation UAR %.1f %% (epoch %lld), "
           "%lld parameters, ",
           run, (long long)result->epochs, (long long)result->steps, 100 * result->best_uar,
           (long long)result->best_epoch, (long long)result->parameters);
    if (result->flops_per_sample > 0) /* not known where nothing was left to train */
        printf("%.3f GFLOP a sample, ", result->flops_per_sample / 1e9);
    printf("%.0f s\n", result->seconds);
}

static int say_where_it_stopped(const tern_train_result *result, const char *run)
{
    if (result->epochs == 0)
        fprintf(stderr, "\ntern train: stopped in the first epoch, of which nothing is kept: the "
                        "same command begins again\n");
    else
        fprintf(stderr, "\ntern train: stopped after epoch %lld, go on with\n"
                        "  tern train --run %s --resume\n", (long long)result->epochs, run);
    return cli_interrupt_status();
}

/* ------------------------------------------------------------- options -- */

/* "lr=3e-4" is a training option, "model.size=64" one of the model. */
static bool set_options(const cli_list *settings, tern_trainer_opts *opts, tern_error *error)
{
    for (int i = 0; i < settings->count; i++) {
        char word[512];
        int length = snprintf(word, sizeof word, "%s", settings->items[i]);
        char *equals = strchr(word, '=');
        if (!equals || length >= (int)sizeof word)
            return tern_error_set(error, TERN_ERR_OPTION, "--set %.60s: option=value wanted%s",
                                  word, equals ? ", of less than 512 characters" : "");
        *equals = '\0';
        bool ok = strncmp(word, "model.", 6) == 0
                      ? tern_model_config_set(&opts->model, word + 6, equals + 1, error)
                      : tern_train_opts_set(&opts->train, word, equals + 1, error);
        if (!ok)
            return false;
    }
    return true;
}

/* An option that has a flag of its own and is given by --set too. */
static const char *set_twice(const cli_list *settings, int argc, char **argv)
{
    for (int i = 0; i < settings->count; i++) {
        char flag[64];
        int length = (int)strcspn(settings->items[i], "=");
        snprintf(flag, sizeof flag, "--%.*s", length, settings->items[i]);
        if (cli_given(argc, argv, flag))
            return settings->items[i];
    }
    return NULL;
}

/* A run keeps the options it was begun with: to be told another one is a mistake. */
static const char *fixed_option(int argc, char **argv)
{
    static const char *const fixed[] = { "--modalities", "--fusion", "--epochs",  "--batch", "--lr",
                                         "--augment",    "--balance", "--set",    "--init",
                                         "--seed" };
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (cli_given(argc, argv, fixed[i]))
            return fixed[i];
    return NULL;
}

static int train(const tern_trainer_opts *opts, bool json)
{
    tern_error error = { 0 };
    tern_train_result result;
    cli_catch_interrupts();
    if (!tern_train(opts, &result, &error))
        return cli_fail("train", "%s", error.message);
    if (result.stopped)
        return say_where_it_stopped(&result, opts->run);
    if (json)
        print_json(&result, opts->run);
    else
        print_text(&result, opts->run);
    return CLI_OK;
}

int cli_train(int argc, char **argv, const tern_observer *observer)
{
    tern_trainer_opts opts = { .train = tern_train_opts_default(), .progress = cli_show_progress,
                               .stop = cli_is_interrupted, .observer = observer };
    const char *modalities = "face,audio,text", *fusion = "concat";
    long epochs = (long)opts.train.epochs, batch = (long)opts.train.batch;
    bool json = false, quiet = false;
    cli_list settings = { { NULL }, 0 }, init = { { NULL }, 0 }, words;
    const cli_flag flags[] = {
        { "--data", CLI_TEXT, &opts.data, "TSV",
          "the manifest (docs/data.md); needed but with --resume" },
        { "--run", CLI_TEXT, &opts.run, "FOLDER", "where the run goes; must be new" },
        { "--modalities", CLI_TEXT, &modalities, "LIST", "of face,audio,text" },
        { "--fusion", CLI_TEXT, &fusion, "NAME", "concat, attention, crossmodal" },
        { "--epochs", CLI_LONG, &epochs, "N", "passes over the train split" },
        { "--batch", CLI_LONG, &batch, "N", "samples a step" },
        { "--lr", CLI_REAL, &opts.train.lr, "X", "peak learning rate" },
        { "--augment", CLI_REAL, &opts.train.augment, "X", "strength: 0 none (default), 1 standard, up to 4" },
        { "--balance", CLI_FLAG, &opts.train.balance, NULL, "weight classes by their rarity" },
        { "--set", CLI_REPEAT, &settings, "K=V", "any option of the list below; may be repeated" },
        { "--init", CLI_REPEAT, &init, "RUN", "start encoders from this run's; may be repeated" },
        { "--seed", CLI_SEED, &opts.train.seed, "N",
          "of initial values, order, augmentation and dropout" },
        { "--device", CLI_TEXT, &opts.device, "NAME", "cpu (default), ref" },
        { "--threads", CLI_COUNT, &opts.threads, "N", "default: one per core" },
        { "--resume", CLI_FLAG, &opts.resume, NULL, "go on with RUN after its last epoch" },
        { "--allow-shared-speakers", CLI_FLAG, &opts.allow_shared_speakers, NULL,
          "accept a speaker in two splits" },
        { "--quiet", CLI_FLAG, &quiet, NULL, "no progress" },
        { "--json", CLI_FLAG, &json, NULL, "result as JSON" },
        { 0 },
    };
    int status = cli_parse(&command, flags, argc, argv, &words);
    if (status == CLI_OK) /* --help */
        print_settings();
    if (status >= 0)
        return status;
    if (!opts.run || (!opts.data && !opts.resume))
        return cli_misused("train", "--data and --run are needed");
    const char *fixed = opts.resume ? fixed_option(argc, argv) : NULL;
    if (fixed)
        return cli_misused("train", "--resume goes on as the run was begun: %s is not to be given",
                           fixed);
    const char *twice = set_twice(&settings, argc, argv);
    if (twice)
        return cli_misused("train", "--%.*s and --set %s are both given: which is meant?",
                           (int)strcspn(twice, "="), twice, twice);
    if ((twice = cli_named_twice(&settings)))
        return cli_misused("train", "--set %.*s is given twice", (int)strcspn(twice, "="), twice);
    tern_error error = { 0 };
    opts.train.epochs = epochs;
    opts.train.batch = batch;
    opts.init = init.items;
    opts.init_count = init.count;
    if (quiet)
        opts.progress = NULL;
    if (!cli_parse_modalities(modalities, &opts.model.streams, &error) ||
        !cli_parse_fusion(fusion, &opts.model.fusion, &error) ||
        !set_options(&settings, &opts, &error) ||
        (!opts.resume && !tern_train_opts_resolve(&opts.train, &error)))
        return cli_misused("train", "%s", error.message);
    return train(&opts, json);
}

int cmd_train(int argc, char **argv)
{
    return cli_train(argc, argv, NULL);
}
