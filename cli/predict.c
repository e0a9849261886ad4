/* tern predict: what a run says of one sample. */
#include "cli/commands.h"

#include "infer/predict.h"

#include <stdio.h>

static const cli_command command = {
    "predict", "--run RUN [--face PNG] [--audio SOUND] [--text SENTENCE]",
    "Prints the probability of each emotion for one sample, the most probable first.  Any\n"
    "of the modalities the run was trained with may be left out.",
    "  tern predict --run runs/crossmodal --audio demo/data/voices/test0000.wav \\\n"
    "      --text \"what a day\"",
    .least = 0, .most = 0,
};

static void print_text(const tern_model_config *config, const double *probability)
{
    bool shown[TERN_MAX_CLASSES] = { false };
    for (int64_t rank = 0; rank < config->classes; rank++) {
        int64_t best = -1;
        for (int64_t c = 0; c < config->classes; c++)
            if (!shown[c] && (best < 0 || probability[c] > probability[best]))
                best = c;
        shown[best] = true;
        printf("%-12s %5.1f %%\n", config->class_names[best], 100 * probability[best]);
    }
}

static void print_json(const tern_model_config *config, const double *probability)
{
    json_t *json = json_object();
    for (int64_t c = 0; c < config->classes; c++)
        json_object_set_new(json, config->class_names[c], json_real(probability[c]));
    json_dumpf(json, stdout, JSON_REAL_PRECISION(6));
    printf("\n");
    json_decref(json);
}

int cli_predict(int argc, char **argv, const tern_observer *observer)
{
    const char *path = NULL, *device = NULL;
    int threads = 0;
    bool json = false;
    tern_sample_files sample = { 0 };
    cli_list words;
    const cli_flag flags[] = {
        { "--run", CLI_TEXT, &path, "FOLDER", "a trained run" },
        { "--face", CLI_TEXT, &sample.face, "PATH", "a PNG, or a folder of PNG frames" },
        { "--audio", CLI_TEXT, &sample.audio, "FILE", "WAV, FLAC ..." },
        { "--text", CLI_TEXT, &sample.text, "SENTENCE", "what was said" },
        { "--device", CLI_TEXT, &device, "NAME", "cpu (default), ref" },
        { "--threads", CLI_COUNT, &threads, "N", "default: one per core" },
        { "--json", CLI_FLAG, &json, NULL, "result as JSON" },
        { 0 },
    };
    int status = cli_parse(&command, flags, argc, argv, &words);
    if (status >= 0)
        return status;
    if (!path)
        return cli_misused("predict", "--run is needed");
    tern_error error = { 0 };
    tern_loaded_run run;
    double probability[TERN_MAX_CLASSES];
    tern_span_begin(observer, "prepare");
    bool opened = tern_run_open(path, device, threads, &run, &error);
    tern_span_end(observer);
    if (!opened)
        return cli_fail("predict", "%s", error.message);
    tern_observe(run.ctx, observer);
    status = CLI_OK;
    if (!tern_predict_sample(&run, &sample, probability, &error))
        status = cli_fail("predict", "%s", error.message);
    else if (json)
        print_json(&run.config.model, probability);
    else
        print_text(&run.config.model, probability);
    tern_run_close(&run);
    return status;
}

int cmd_predict(int argc, char **argv)
{
    return cli_predict(argc, argv, NULL);
}
