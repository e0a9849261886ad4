/* tern train: a classifier from a manifest. */
#include "cli/commands.h"
#include "cli/model_flags.h"

#include <stdio.h>
#include <string.h>

static const cli_command command = {
    "train", "--data MANIFEST.tsv --run RUN [options]",
    "Trains a classifier on the train split, chooses the best epoch by the UAR of the valid\n"
    "split, and fills the folder RUN: config.json, metrics.jsonl, best.safetensors,\n"
    "last.safetensors.  A run that was interrupted goes on with --resume.",
    "  tern train --data demo/manifest.tsv --run runs/crossmodal --fusion crossmodal",
};

static void print_result(const tern_train_result *result, const char *run, bool json)
{
    if (json)
        printf("{\"run\": \"%s\", \"epochs\": %lld, \"steps\": %lld, \"best_epoch\": %lld, "
               "\"best_valid_uar\": %.6f, \"parameters\": %lld, \"gflop_per_sample\": %.6f, "
               "\"seconds\": %.2f}\n",
               run, (long long)result->epochs, (long long)result->steps,
               (long long)result->best_epoch, result->best_uar, (long long)result->parameters,
               result->flops_per_sample / 1e9, result->seconds);
    else
        printf("%s: %lld epochs, %lld steps, best validation UAR %.1f %% (epoch %lld), "
               "%lld parameters, %.3f GFLOP a sample, %.0f s\n",
               run, (long long)result->epochs, (long long)result->steps, 100 * result->best_uar,
               (long long)result->best_epoch, (long long)result->parameters,
               result->flops_per_sample / 1e9, result->seconds);
}

/* "lr=3e-4" is a training option, "model.size=64" one of the model. */
static bool set_options(const cli_list *settings, tern_trainer_opts *opts, tern_error *error)
{
    for (int i = 0; i < settings->count; i++) {
        char word[128];
        snprintf(word, sizeof word, "%s", settings->items[i]);
        char *equals = strchr(word, '=');
        if (!equals)
            return tern_error_set(error, TERN_ERR_OPTION, "--set %s: option=value wanted", word);
        *equals = '\0';
        bool ok = strncmp(word, "model.", 6) == 0
                      ? tern_model_config_set(&opts->model, word + 6, equals + 1, error)
                      : tern_train_opts_set(&opts->train, word, equals + 1, error);
        if (!ok)
            return false;
    }
    return true;
}

int cmd_train(int argc, char **argv)
{
    tern_trainer_opts opts = { .train = tern_train_opts_default(), .progress = cli_show_progress };
    const char *modalities = "face,audio,text", *fusion = "concat";
    long epochs = 0, batch = 0, seed = 0, threads = 0;
    bool json = false, quiet = false;
    cli_list settings = { { NULL }, 0 }, init = { { NULL }, 0 }, words;
    const cli_flag flags[] = {
        { "--data", CLI_TEXT, &opts.data, "TSV", "the manifest (docs/data.md)" },
        { "--run", CLI_TEXT, &opts.run, "FOLDER", "where the run goes; must be new" },
        { "--modalities", CLI_TEXT, &modalities, "LIST", "of face,audio,text (default: all)" },
        { "--fusion", CLI_TEXT, &fusion, "NAME", "concat (default), attention, crossmodal" },
        { "--epochs", CLI_INT, &epochs, "N", "default 20" },
        { "--batch", CLI_INT, &batch, "N", "default 32" },
        { "--lr", CLI_REAL, &opts.train.lr, "X", "peak learning rate, default 1e-3" },
        { "--augment", CLI_REAL, &opts.train.augment, "X", "strength: 0 (default) to 1" },
        { "--balance", CLI_FLAG, &opts.train.balance, NULL, "weight classes by their rarity" },
        { "--set", CLI_REPEAT, &settings, "K=V", "any other option: weight_decay, warmup, clip, "
          "model.size, model.face_width ..." },
        { "--init", CLI_REPEAT, &init, "RUN", "start encoders from this run's; may be repeated" },
        { "--seed", CLI_INT, &seed, "N", "default 0" },
        { "--device", CLI_TEXT, &opts.device, "NAME", "cpu (default), ref" },
        { "--threads", CLI_INT, &threads, "N", "default: one per core" },
        { "--resume", CLI_FLAG, &opts.resume, NULL, "go on with RUN after its last epoch" },
        { "--allow-shared-speakers", CLI_FLAG, &opts.allow_shared_speakers, NULL,
          "accept a speaker in two splits" },
        { "--quiet", CLI_FLAG, &quiet, NULL, "no progress" },
        { "--json", CLI_FLAG, &json, NULL, "result as JSON" },
        { 0 },
    };
    int status = cli_parse(&command, flags, argc, argv, &words);
    if (status >= 0)
        return status;
    if (!opts.run || (!opts.data && !opts.resume) || words.count)
        return cli_misused("train", "--data and --run are needed");
    tern_error error = { 0 };
    opts.train.epochs = epochs ? epochs : opts.train.epochs;
    opts.train.batch = batch ? batch : opts.train.batch;
    opts.train.seed = (uint64_t)seed;
    opts.threads = (int)threads;
    opts.init = init.items;
    opts.init_count = init.count;
    if (quiet)
        opts.progress = NULL;
    if (!cli_parse_modalities(modalities, &opts.model.streams, &error) ||
        !cli_parse_fusion(fusion, &opts.model.fusion, &error) ||
        !set_options(&settings, &opts, &error))
        return cli_misused("train", "%s", error.message);
    tern_train_result result;
    if (!tern_train(&opts, &result, &error))
        return cli_fail("train", "%s", error.message);
    print_result(&result, opts.run, json);
    return CLI_OK;
}
