/* Metrics of a classifier.
 *
 * Everything is computed from samples that count 0, 1 or more times, so that a
 * bootstrap resample is nothing but another list of multiplicities: scores are
 * sorted once, and each resample takes one walk through each class's order.
 */
#include "train/metrics.h"

#include "core/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------- what is sorted -- */

typedef struct ranking {
    double score;
    int64_t sample;
} ranking;

/* The samples of `scored` with what all evaluations share. */
typedef struct prepared {
    const tern_scored *scored;
    int32_t *predicted; /* [count]                                        */
    ranking *order;     /* [classes, count], by rising score of the class */
    int64_t *times;     /* [count], how often each sample counts          */
} prepared;

static int by_score(const void *left, const void *right)
{
    const ranking *a = left, *b = right;
    if (a->score != b->score)
        return a->score < b->score ? -1 : 1;
    return a->sample < b->sample ? -1 : a->sample > b->sample;
}

static bool check(const tern_scored *scored, tern_error *error)
{
    if (scored->count < 1 || scored->classes < 1)
        return tern_error_set(error, TERN_ERR_DATA, "metrics: %lld samples of %d classes",
                              (long long)scored->count, scored->classes);
    for (int64_t i = 0; i < scored->count; i++) {
        if (scored->labels[i] < 0 || scored->labels[i] >= scored->classes)
            return tern_error_set(error, TERN_ERR_DATA,
                                  "metrics: label %d of row %lld is not in 0..%d",
                                  scored->labels[i], (long long)i, scored->classes - 1);
        for (int c = 0; c < scored->classes; c++)
            if (isnan(scored->probabilities[i * scored->classes + c]))
                return tern_error_set(error, TERN_ERR_DATA,
                                      "metrics: probability of row %lld, class %d is not a number",
                                      (long long)i, c);
    }
    return true;
}

static void release(prepared *all)
{
    free(all->predicted);
    free(all->order);
    free(all->times);
}

static bool prepare(const tern_scored *scored, prepared *all, tern_error *error)
{
    if (!check(scored, error))
        return false;
    size_t count = (size_t)scored->count, classes = (size_t)scored->classes;
    *all = (prepared){ .scored = scored,
                       .predicted = malloc(count * sizeof *all->predicted),
                       .order = calloc(count * classes, sizeof *all->order),
                       .times = malloc(count * sizeof *all->times) };
    if (!all->predicted || !all->order || !all->times) {
        release(all);
        return tern_error_set(error, TERN_ERR_MEMORY, "metrics: no memory for %zu samples", count);
    }
    for (size_t i = 0; i < count; i++) {
        const double *row = scored->probabilities + i * classes;
        int32_t best = 0;
        for (size_t c = 0; c < classes; c++) {
            best = row[c] > row[best] ? (int32_t)c : best;
            all->order[c * count + i] = (ranking){ row[c], (int64_t)i };
        }
        all->predicted[i] = best;
        all->times[i] = 1;
    }
    for (size_t c = 0; c < classes; c++)
        qsort(all->order + c * count, count, sizeof *all->order, by_score);
    return true;
}

/* ----------------------------------------------------------- evaluation -- */

static bool allocate(tern_metrics *metrics, int classes, tern_error *error)
{
    size_t n = (size_t)classes;
    *metrics = (tern_metrics){ .classes = classes,
                               .confusion = calloc(n * n, sizeof *metrics->confusion),
                               .recall = calloc(n, sizeof *metrics->recall),
                               .f1 = calloc(n, sizeof *metrics->f1),
                               .class_auc = calloc(n, sizeof *metrics->class_auc) };
    if (metrics->confusion && metrics->recall && metrics->f1 && metrics->class_auc)
        return true;
    tern_metrics_free(metrics);
    return tern_error_set(error, TERN_ERR_MEMORY, "metrics: no memory for %d classes", classes);
}

/* Pairs of a sample of class c and one of another class in which the former has
 * the higher score, ties counting one half, over all pairs (Mann and Whitney). */
static double area_under_curve(const prepared *all, int c)
{
    const ranking *order = all->order + c * all->scored->count;
    double lower_others = 0, won = 0, members = 0;
    for (int64_t i = 0; i < all->scored->count;) {
        double tied_members = 0, tied_others = 0, score = order[i].score;
        for (; i < all->scored->count && order[i].score == score; i++) {
            int64_t sample = order[i].sample;
            if (all->scored->labels[sample] == c)
                tied_members += (double)all->times[sample];
            else
                tied_others += (double)all->times[sample];
        }
        won += tied_members * (lower_others + 0.5 * tied_others);
        members += tied_members;
        lower_others += tied_others;
    }
    return won / (members * lower_others); /* NAN if either is 0 */
}

/* The mean of the values that are numbers; NAN if there are none. */
static double mean_of_numbers(const double *values, int count)
{
    double sum = 0;
    int numbers = 0;
    for (int i = 0; i < count; i++)
        if (!isnan(values[i])) {
            sum += values[i];
            numbers++;
        }
    return numbers ? sum / numbers : NAN;
}

static void evaluate(const prepared *all, tern_metrics *metrics)
{
    const tern_scored *scored = all->scored;
    int classes = scored->classes;
    int64_t total = 0, right = 0;

    memset(metrics->confusion, 0, (size_t)classes * (size_t)classes * sizeof(int64_t));
    for (int64_t i = 0; i < scored->count; i++) {
        metrics->confusion[scored->labels[i] * classes + all->predicted[i]] += all->times[i];
        total += all->times[i];
    }
    for (int c = 0; c < classes; c++) {
        int64_t truth = 0, predicted = 0, both = metrics->confusion[c * classes + c];
        for (int other = 0; other < classes; other++) {
            truth += metrics->confusion[c * classes + other];
            predicted += metrics->confusion[other * classes + c];
        }
        right += both;
        metrics->recall[c] = truth ? (double)both / (double)truth : NAN;
        metrics->f1[c] =
            truth + predicted ? 2 * (double)both / (double)(truth + predicted) : NAN;
        metrics->class_auc[c] = area_under_curve(all, c);
    }
    metrics->accuracy = (double)right / (double)total;
    metrics->uar = mean_of_numbers(metrics->recall, classes);
    metrics->macro_f1 = mean_of_numbers(metrics->f1, classes);
    metrics->auc = mean_of_numbers(metrics->class_auc, classes);
}

bool tern_metrics_of(const tern_scored *scored, tern_metrics *metrics, tern_error *error)
{
    prepared all;
    *metrics = (tern_metrics){ 0 };
    if (!prepare(scored, &all, error))
        return false;
    bool ok = allocate(metrics, scored->classes, error);
    if (ok)
        evaluate(&all, metrics);
    release(&all);
    return ok;
}

void tern_metrics_free(tern_metrics *metrics)
{
    free(metrics->confusion);
    free(metrics->recall);
    free(metrics->f1);
    free(metrics->class_auc);
    *metrics = (tern_metrics){ 0 };
}

/* ------------------------------------------------------------ bootstrap -- */

typedef struct member {
    int64_t group, sample;
} member;

static int by_group(const void *left, const void *right)
{
    const member *a = left, *b = right;
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    return a->sample < b->sample ? -1 : a->sample > b->sample;
}

/* Number the groups 0,1,... by rising id; returns how many there are. */
static int64_t number_groups(const int64_t *groups, int64_t count, member *members,
                             int64_t *group_of)
{
    for (int64_t i = 0; i < count; i++)
        members[i] = (member){ groups ? groups[i] : i, i };
    qsort(members, (size_t)count, sizeof *members, by_group);
    int64_t number = 0;
    for (int64_t i = 0; i < count; i++) {
        number += i > 0 && members[i].group != members[i - 1].group;
        group_of[members[i].sample] = number;
    }
    return number + 1;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static double quantile(const double *sorted, int count, double q)
{
    double position = q * (count - 1);
    int below = (int)floor(position);
    int above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
}

/* Sorts `values`. */
static tern_interval percentile_interval(double *values, int count, double confidence)
{
    int numbers = 0;
    for (int i = 0; i < count; i++)
        if (!isnan(values[i]))
            values[numbers++] = values[i];
    if (numbers == 0)
        return (tern_interval){ NAN, NAN };
    qsort(values, (size_t)numbers, sizeof *values, by_value);
    return (tern_interval){ quantile(values, numbers, (1 - confidence) / 2),
                            quantile(values, numbers, (1 + confidence) / 2) };
}

enum { ACCURACY, UAR, MACRO_F1, AUC, METRICS };

/* drawn [METRICS, resamples] receives each resample's metrics. */
static void resample(prepared *all, const int64_t *group_of, int64_t groups, int64_t *drawn_times,
                     const tern_bootstrap_opts *opts, tern_metrics *metrics, double *drawn)
{
    for (int r = 0; r < opts->resamples; r++) {
        tern_rng rng = tern_rng_make(opts->seed, TERN_STREAM_BOOTSTRAP, (uint32_t)r);
        memset(drawn_times, 0, (size_t)groups * sizeof *drawn_times);
        for (int64_t draw = 0; draw < groups; draw++)
            drawn_times[tern_rng_below(&rng, (uint32_t)groups)]++;
        for (int64_t i = 0; i < all->scored->count; i++)
            all->times[i] = drawn_times[group_of[i]];
        evaluate(all, metrics);
        drawn[ACCURACY * opts->resamples + r] = metrics->accuracy;
        drawn[UAR * opts->resamples + r] = metrics->uar;
        drawn[MACRO_F1 * opts->resamples + r] = metrics->macro_f1;
        drawn[AUC * opts->resamples + r] = metrics->auc;
    }
}

static bool resolve(tern_bootstrap_opts *opts, tern_error *error)
{
    opts->resamples = opts->resamples ? opts->resamples : 1000;
    opts->confidence = opts->confidence != 0 ? opts->confidence : 0.95;
    if (opts->resamples < 1 || !(opts->confidence > 0 && opts->confidence < 1))
        return tern_error_set(error, TERN_ERR_OPTION,
                              "bootstrap: %d resamples at confidence %g; wanted are 1 or more, and "
                              "between 0 and 1",
                              opts->resamples, opts->confidence);
    return true;
}

bool tern_metrics_bootstrap(const tern_scored *scored, const int64_t *groups,
                            tern_bootstrap_opts opts, tern_metric_intervals *intervals,
                            tern_error *error)
{
    prepared all;
    tern_metrics metrics;
    *intervals = (tern_metric_intervals){ 0 };
    if (!resolve(&opts, error) || !prepare(scored, &all, error))
        return false;
    size_t count = (size_t)scored->count, resamples = (size_t)opts.resamples;
    member *members = malloc(count * sizeof *members);
    int64_t *group_of = malloc(count * sizeof *group_of);
    int64_t *drawn_times = malloc(count * sizeof *drawn_times);
    double *drawn = malloc(METRICS * resamples * sizeof *drawn);
    bool ok = members && group_of && drawn_times && drawn;
    if (!ok)
        tern_error_set(error, TERN_ERR_MEMORY, "bootstrap: no memory for %zu samples", count);
    if (ok && (ok = allocate(&metrics, scored->classes, error))) {
        int64_t distinct = number_groups(groups, scored->count, members, group_of);
        resample(&all, group_of, distinct, drawn_times, &opts, &metrics, drawn);
        tern_interval *of[METRICS] = { &intervals->accuracy, &intervals->uar,
                                       &intervals->macro_f1, &intervals->auc };
        for (int m = 0; m < METRICS; m++)
            *of[m] = percentile_interval(drawn + m * opts.resamples, opts.resamples,
                                         opts.confidence);
        tern_metrics_free(&metrics);
    }
    free(members);
    free(group_of);
    free(drawn_times);
    free(drawn);
    release(&all);
    return ok;
}
