#include "infer/demo.h"

#include "infer/score.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct demo_model {
    const char *name;
    unsigned streams;
    tern_fusion fusion;
    const char *ceiling; /* name of the evidence */
    int64_t epochs;
} demo_model;

enum { FACE = 1 << TERN_STREAM_FACE, AUDIO = 1 << TERN_STREAM_AUDIO, TEXT = 1 << TERN_STREAM_TEXT };

static const demo_model models[TERN_DEMO_MODELS] = {
    { "face", FACE, TERN_FUSION_CONCAT, "face", 8 },
    { "voice", AUDIO, TERN_FUSION_CONCAT, "voice", 10 },
    { "text", TEXT, TERN_FUSION_CONCAT, "text", 8 },
    { "concat", FACE | AUDIO | TEXT, TERN_FUSION_CONCAT, "independent fusion", 8 },
    { "attention", FACE | AUDIO | TEXT, TERN_FUSION_ATTENTION, "independent fusion", 8 },
    { "crossmodal", FACE | AUDIO | TEXT, TERN_FUSION_CROSSMODAL, "all cues", 8 },
};

static bool path_in(const char *folder, const char *name, char *path, tern_error *error)
{
    int length = snprintf(path, TERN_PATH_BYTES, "%s/%s", folder, name);
    return (length > 0 && length < TERN_PATH_BYTES) ||
           tern_error_set(error, TERN_ERR_ARGUMENT, "the path %.60s... is too long", folder);
}

/* Trains the model, or goes on with a run that was interrupted. */
static bool train_model(const tern_demo_opts *opts, const demo_model *model, const char *data,
                        const char *run, tern_train_result *result, tern_error *error)
{
    char last[TERN_PATH_BYTES];
    tern_trainer_opts trainer = {
        .data = data, .run = run, .threads = opts->threads,
        .model = { .streams = model->streams, .fusion = model->fusion, .size = 64,
                   .height = 32, .width = 32, .face_stride = 1, .seconds = 2, .tokens = 10 },
        .train = tern_train_opts_default(),
        .progress = opts->progress, .stop = opts->stop, .user = opts->user,
    };
    trainer.train.epochs = model->epochs;
    trainer.train.seed = opts->seed;
    trainer.train.lr = 2e-3;
    if (!path_in(run, "last.safetensors", last, error))
        return false;
    trainer.resume = access(last, F_OK) == 0;
    return tern_train(&trainer, result, error);
}

static bool score_model(const tern_demo_opts *opts, const char *data, const char *run,
                        tern_demo_result *result, tern_demo_row *row, tern_error *error)
{
    tern_score score;
    const tern_score_opts score_opts = { .runs = &run, .run_count = 1, .data = data,
                                         .threads = opts->threads };
    if (!tern_score_runs(&score_opts, &score, error))
        return false;
    row->accuracy = score.metrics.accuracy;
    row->uar = score.metrics.uar;
    result->test_clips = score.predictions.count;
    tern_score_free(&score);
    return true;
}

static void measure_way(const tern_synth_report *data, tern_demo_row *row)
{
    const double chance = 1.0 / TERN_SYNTH_EMOTIONS;
    for (int i = 0; i < TERN_SYNTH_EVIDENCES; i++)
        if (strcmp(data->ceiling[i].name, row->ceiling_of) == 0)
            row->ceiling = data->ceiling[i].realised[TERN_TEST];
    row->way = (row->accuracy - chance) / (row->ceiling - chance);
}

bool tern_demo_run(const tern_demo_opts *opts, tern_demo_result *result, tern_error *error)
{
    char data[TERN_PATH_BYTES], manifest[TERN_PATH_BYTES], runs[TERN_PATH_BYTES];
    const tern_synth_opts synth = { .threads = opts->threads, .stop = opts->stop,
                                    .user = opts->user };
    *result = (tern_demo_result){ 0 };
    if (!path_in(opts->folder, "data", data, error) ||
        !path_in(data, "manifest.tsv", manifest, error) ||
        !path_in(opts->folder, "runs", runs, error))
        return false;
    if (opts->begun)
        opts->begun("data", opts->user);
    bool ok = tern_synth_write(data, &synth, &result->data, error);
    result->stopped = result->data.stopped;
    for (int m = 0; ok && m < TERN_DEMO_MODELS && !result->stopped; m++) {
        char run[TERN_PATH_BYTES];
        tern_train_result trained = { 0 };
        tern_demo_row *row = &result->row[m];
        row->model = models[m].name;
        row->ceiling_of = models[m].ceiling;
        if (opts->begun)
            opts->begun(row->model, opts->user);
        ok = path_in(runs, row->model, run, error) &&
             train_model(opts, &models[m], manifest, run, &trained, error) &&
             (trained.stopped || score_model(opts, manifest, run, result, row, error));
        row->seconds = trained.seconds;
        result->stopped = trained.stopped;
        if (ok && !trained.stopped)
            measure_way(&result->data, row);
    }
    return ok;
}
