/* tern eval: how good a run is on a split of any manifest. */
#include "cli/commands.h"

#include "infer/score.h"

#include <stdio.h>

static const cli_command command = {
    "eval", "--run RUN --data MANIFEST.tsv [options]",
    "Evaluates a run's best checkpoint: accuracy, unweighted average recall (UAR), macro F1,\n"
    "macro AUC-ROC with 95 % bootstrap intervals clustered by recording, and the confusion\n"
    "matrix.  The manifest may be any that uses the run's classes, e.g. of new speakers.",
    "  tern eval --run runs/crossmodal --data demo/manifest.tsv --split test",
};

static void print_metric(const char *name, double value, const tern_interval *interval)
{
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
        printf("   %5.1f %%\n", 100 * m->recall[t]);
    }
}

static json_t *interval_json(double value, const tern_interval *interval)
{
    if (!interval)
        return json_pack("{s:f}", "value", value);
    return json_pack("{s:f, s:f, s:f}", "value", value, "low", interval->low, "high",
                     interval->high);
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
    json_t *json = json_pack("{s:I, s:f, s:o, s:o, s:o, s:o, s:o, s:o}", "samples",
                             (json_int_t)score->predictions.count, "loss", score->predictions.loss,
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
static bool write_predictions(const char *path, const tern_score *score)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    fprintf(file, "id\tlabel");
    for (int c = 0; c < score->metrics.classes; c++)
        fprintf(file, "\t%s", score->model.class_names[c]);
    for (int64_t i = 0; i < score->predictions.count; i++) {
        fprintf(file, "\n%s\t%s", score->id[i],
                score->model.class_names[score->predictions.label[i]]);
        for (int c = 0; c < score->metrics.classes; c++)
            fprintf(file, "\t%.9g",
                    score->predictions.probability[i * score->metrics.classes + c]);
    }
    fprintf(file, "\n");
    bool ok = !ferror(file);
    return fclose(file) == 0 && ok;
}

int cmd_eval(int argc, char **argv)
{
    tern_score_opts opts = { .resamples = 1000 };
    const char *predictions = NULL;
    long threads = 0, batch = 0, resamples = 1000;
    bool json = false;
    cli_list words;
    const cli_flag flags[] = {
        { "--run", CLI_TEXT, &opts.run, "FOLDER", "a trained run" },
        { "--data", CLI_TEXT, &opts.data, "TSV", "any manifest with the run's classes" },
        { "--split", CLI_TEXT, &opts.split, "NAME", "train, valid or test (default)" },
        { "--predictions", CLI_TEXT, &predictions, "FILE", "write each sample's probabilities" },
        { "--resamples", CLI_INT, &resamples, "N", "of the bootstrap, default 1000; 0: none" },
        { "--batch", CLI_INT, &batch, "N", "default 32" },
        { "--device", CLI_TEXT, &opts.device, "NAME", "cpu (default), ref" },
        { "--threads", CLI_INT, &threads, "N", "default: one per core" },
        { "--allow-shared-speakers", CLI_FLAG, &opts.allow_shared_speakers, NULL,
          "accept a speaker in two splits" },
        { "--json", CLI_FLAG, &json, NULL, "result as JSON" },
        { 0 },
    };
    int status = cli_parse(&command, flags, argc, argv, &words);
    if (status >= 0)
        return status;
    if (!opts.run || !opts.data || words.count)
        return cli_misused("eval", "--run and --data are needed");
    opts.threads = (int)threads;
    opts.batch = batch;
    opts.resamples = (int)resamples;
    tern_error error = { 0 };
    tern_score score;
    if (!tern_score_run(&opts, &score, &error))
        return cli_fail("eval", "%s", error.message);
    if (json)
        print_json(&score);
    else
        print_text(&score);
    status = CLI_OK;
    if (predictions && !write_predictions(predictions, &score))
        status = cli_fail("eval", "cannot write %s", predictions);
    tern_score_free(&score);
    return status;
}
