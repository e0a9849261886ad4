/* tern eval: how good a run is on a split of any manifest. */
#include "cli/commands.h"

#include "datasets/file.h"
#include "infer/score.h"
#include "train/history.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const cli_command command = {
    "eval", "--run RUN --data MANIFEST.tsv [options]",
    "Evaluates a run's best checkpoint: accuracy, unweighted average recall (UAR), macro F1,\n"
    "macro AUC-ROC with 95 % bootstrap intervals clustered by recording, and the confusion\n"
    "matrix.  The manifest may be any that uses the run's classes, e.g. of new speakers.",
    "  tern eval --run runs/crossmodal --data demo/data/manifest.tsv --split test",
    .least = 0, .most = 0,
};

static void print_metric(const char *name, double value, const tern_interval *interval)
{
    if (isnan(value)) {
        printf("%-10s needs two classes\n", name);
        return;
    }
    printf("%-10s %6.2f %%", name, 100 * value);
    if (interval)
        printf("   95 %% interval %.2f to %.2f", 100 * interval->low, 100 * interval->high);
    printf("\n");
}

static void print_text(const tern_score *score)
{
    const tern_metrics *m = &score->metrics;
    const tern_metric_intervals *in = score->has_intervals ? &score->intervals : NULL;
    printf("%lld samples\n", (long long)score->predictions.count);
    print_metric("accuracy", m->accuracy, in ? &in->accuracy : NULL);
    print_metric("UAR", m->uar, in ? &in->uar : NULL);
    print_metric("macro F1", m->macro_f1, in ? &in->macro_f1 : NULL);
    print_metric("AUC-ROC", m->auc, in ? &in->auc : NULL);
    printf("\nconfusion (rows: truth, columns: prediction)\n%12s", "");
    for (int c = 0; c < m->classes; c++)
        printf(" %8.8s", score->model.class_names[c]);
    printf("   recall\n");
    for (int t = 0; t < m->classes; t++) {
        printf("%12.12s", score->model.class_names[t]);
        for (int p = 0; p < m->classes; p++)
            printf(" %8lld", (long long)m->confusion[t * m->classes + p]);
        if (isnan(m->recall[t]))
            printf("   absent\n");
        else
            printf("   %5.1f %%\n", 100 * m->recall[t]);
    }
}

static json_t *interval_json(double value, const tern_interval *interval)
{
    if (!interval)
        return json_pack("{s:o}", "value", tern_json_real(value));
    return json_pack("{s:o, s:o, s:o}", "value", tern_json_real(value), "low",
                     tern_json_real(interval->low), "high", tern_json_real(interval->high));
}

static void print_json(const tern_score *score)
{
    const tern_metrics *m = &score->metrics;
    const tern_metric_intervals *in = score->has_intervals ? &score->intervals : NULL;
    json_t *confusion = json_array(), *classes = json_array();
    for (int t = 0; t < m->classes; t++) {
        json_t *row = json_array();
        for (int p = 0; p < m->classes; p++)
            json_array_append_new(row, json_integer((json_int_t)m->confusion[t * m->classes + p]));
        json_array_append_new(confusion, row);
        json_array_append_new(classes, json_string(score->model.class_names[t]));
    }
    json_t *json = json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "samples",
                             (json_int_t)score->predictions.count, "loss",
                             tern_json_real(score->predictions.loss),
                             "accuracy", interval_json(m->accuracy, in ? &in->accuracy : NULL),
                             "uar", interval_json(m->uar, in ? &in->uar : NULL),
                             "macro_f1", interval_json(m->macro_f1, in ? &in->macro_f1 : NULL),
                             "auc", interval_json(m->auc, in ? &in->auc : NULL),
                             "classes", classes, "confusion", confusion);
    json_dumpf(json, stdout, JSON_REAL_PRECISION(9));
    printf("\n");
    json_decref(json);
}

/* One line a sample: id, truth, then the probability of each class. */
static void print_predictions(FILE *file, const tern_score *score)
{
    int classes = score->metrics.classes;
    fprintf(file, "id\tlabel");
    for (int c = 0; c < classes; c++)
        fprintf(file, "\t%s", score->model.class_names[c]);
    for (int64_t i = 0; i < score->predictions.count; i++) {
        fprintf(file, "\n%s\t%s", score->id[i],
                score->model.class_names[score->predictions.label[i]]);
        for (int c = 0; c < classes; c++)
            fprintf(file, "\t%.9g", score->predictions.probability[i * classes + c]);
    }
    fprintf(file, "\n");
}

/* Whole or not at all: the predictions of an earlier evaluation may be there. */
static bool write_predictions(const char *path, const tern_score *score, tern_error *error)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (stream)
        print_predictions(stream, score);
    bool ok = (stream && fclose(stream) == 0) ||
              tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory to write it", path);
    ok = ok && tern_file_replace(path, text, size, error);
    free(text);
    return ok;
}

int cli_eval(int argc, char **argv, const tern_observer *observer)
{
    tern_score_opts opts = { .resamples = 1000, .split = "test", .batch = 32,
                             .observer = observer };
    const char *predictions = NULL;
    bool json = false;
    cli_list runs = { { NULL }, 0 }, words;
    const cli_flag flags[] = {
        { "--run", CLI_REPEAT, &runs, "FOLDER",
          "a trained run; several: their log-probabilities are averaged" },
        { "--data", CLI_TEXT, &opts.data, "TSV", "any manifest with the run's classes" },
        { "--split", CLI_TEXT, &opts.split, "NAME", "train, valid or test" },
        { "--predictions", CLI_TEXT, &predictions, "FILE", "write each sample's probabilities" },
        { "--resamples", CLI_COUNT, &opts.resamples, "N", "of the bootstrap; 0: none" },
        { "--batch", CLI_NUMBER, &opts.batch, "N", "samples at once" },
        { "--device", CLI_TEXT, &opts.device, "NAME", "cpu (default), ref" },
        { "--threads", CLI_COUNT, &opts.threads, "N", "default: one per core" },
        { "--allow-shared-speakers", CLI_FLAG, &opts.allow_shared_speakers, NULL,
          "accept a speaker in two splits" },
        { "--json", CLI_FLAG, &json, NULL, "result as JSON" },
        { 0 },
    };
    int status = cli_parse(&command, flags, argc, argv, &words);
    if (status >= 0)
        return status;
    if (!runs.count || !opts.data)
        return cli_misused("eval", "--run and --data are needed");
    opts.runs = runs.items;
    opts.run_count = runs.count;
    tern_error error = { 0 };
    tern_score score;
    if (!tern_score_runs(&opts, &score, &error))
        return cli_fail("eval", "%s", error.message);
    if (json)
        print_json(&score);
    else
        print_text(&score);
    status = CLI_OK;
    if (predictions && !write_predictions(predictions, &score, &error))
        status = cli_fail("eval", "%s", error.message);
    tern_score_free(&score);
    return status;
}

int cmd_eval(int argc, char **argv)
{
    return cli_eval(argc, argv, NULL);
}
