/* Comparing reports; see compare.h. */
#include "bench/report/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *bench_verdict_name(bench_verdict verdict)
{
    static const char *const names[] = { "slower", "faster", "ambiguous", "same" };
    return names[verdict];
}

bench_verdict bench_verdict_of(bench_ratio ratio, double threshold)
{
    double up = 1 + threshold, down = 1 / up;
    if (ratio.low >= down && ratio.high <= up)
        return BENCH_SAME;
    if (ratio.value >= up && ratio.low > 1)
        return BENCH_SLOWER;
    if (ratio.value <= down && ratio.high < 1)
        return BENCH_FASTER;
    return BENCH_AMBIGUOUS;
}

/* -------------------------------------------------------------- matching -- */

/* All that tells a row from others, in one order for both files. */
static int row_order(const bench_recorded_row *x, const bench_recorded_row *y)
{
    const char *const pairs[][2] = {
        { x->op, y->op }, { x->inputs, y->inputs }, { x->options, y->options },
        { x->pass, y->pass }, { x->gradients, y->gradients }, { x->provider, y->provider },
        { x->device, y->device }, { x->dtype, y->dtype }, { x->simd, y->simd },
        { x->cache, y->cache }, { x->tags, y->tags },
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        int order = strcmp(pairs[i][0], pairs[i][1]);
        if (order)
            return order;
    }
    return (x->threads > y->threads) - (x->threads < y->threads);
}

static int by_key(const void *a, const void *b)
{
    return row_order(*(const bench_recorded_row *const *)a, *(const bench_recorded_row *const *)b);
}

/* The rows of a report, sorted; NULL and an error if two are one. */
static const bench_recorded_row **sort_rows(const bench_recorded *report, tern_error *error)
{
    size_t count = (size_t)report->row_count;
    const bench_recorded_row **sorted = malloc((count + 1) * sizeof *sorted);
    if (!sorted) {
        tern_error_set(error, TERN_ERR_MEMORY, "%s: out of memory", report->file);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        sorted[i] = &report->rows[i];
    qsort(sorted, count, sizeof *sorted, by_key);
    for (size_t i = 0; i + 1 < count; i++)
        if (row_order(sorted[i], sorted[i + 1]) == 0) {
            char name[BENCH_ROW_NAME_BYTES];
            tern_error_set(error, TERN_ERR_DATA, "%s: rows[%d] and rows[%d] are both %s",
                           report->file, (int)(sorted[i] - report->rows),
                           (int)(sorted[i + 1] - report->rows), bench_row_name(sorted[i], name));
            free(sorted);
            return NULL;
        }
    return sorted;
}

static void leave(bench_comparison *c, const bench_recorded_row *a, const bench_recorded_row *b)
{
    c->left[c->left_count++] = (bench_left_row){ a, b };
    c->broken += a && b && bench_row_counts(a) && strcmp(b->verdict, "WRONG VALUES") == 0;
}

static bool compare_pair(bench_comparison *c, const bench_recorded_row *a,
                         const bench_recorded_row *b, tern_error *error)
{
    bench_compared_row *row = &c->rows[c->row_count];
    /* Rows have numbers of their own, whatever other rows the files hold. */
    bench_ratio_opts opts = { .confidence = c->opts.confidence, .seed = c->opts.seed,
                              .stream = (uint32_t)(a - c->a->rows) };
    *row = (bench_compared_row){ .a = a, .b = b };
    if (!bench_ratio_of_medians(b->samples, b->time.count, a->samples, a->time.count, opts,
                                &row->ratio, error))
        return false;
    row->verdict = bench_verdict_of(row->ratio, c->opts.threshold);
    c->counts[row->verdict]++;
    c->row_count++;
    return true;
}

/* Both lists in one order: the smaller head is alone in its file. */
static bool match(bench_comparison *c, const bench_recorded_row **a, const bench_recorded_row **b,
                  tern_error *error)
{
    int i = 0, j = 0, na = c->a->row_count, nb = c->b->row_count;
    while (i < na || j < nb) {
        int order = i == na ? 1 : j == nb ? -1 : row_order(a[i], b[j]);
        if (order < 0)
            leave(c, a[i++], NULL);
        else if (order > 0)
            leave(c, NULL, b[j++]);
        else if (!bench_row_counts(a[i]) || !bench_row_counts(b[j]))
            leave(c, a[i++], b[j++]);
        else if (!compare_pair(c, a[i++], b[j++], error))
            return false;
    }
    return true;
}

static int by_change(const void *a, const void *b)
{
    const bench_compared_row *x = a, *y = b;
    if (x->verdict != y->verdict)
        return (int)x->verdict - (int)y->verdict;
    double dx = fabs(log(x->ratio.value)), dy = fabs(log(y->ratio.value));
    if (dx != dy)
        return dx > dy ? -1 : 1;
    return row_order(x->a, y->a);
}

bool bench_compare(const bench_recorded *a, const bench_recorded *b, bench_compare_opts opts,
                   bench_comparison *comparison, tern_error *error)
{
    size_t most = (size_t)a->row_count + (size_t)b->row_count + 1;
    bench_comparison *c = comparison;
    *c = (bench_comparison){ .a = a, .b = b, .opts = opts };
    c->rows = calloc(most, sizeof *c->rows);
    c->left = calloc(most, sizeof *c->left);
    const bench_recorded_row **sorted_a = sort_rows(a, error), **sorted_b = sort_rows(b, error);
    bool ok = (c->rows && c->left) || tern_error_set(error, TERN_ERR_MEMORY, "out of memory");
    ok = ok && sorted_a && sorted_b && match(c, sorted_a, sorted_b, error);
    free(sorted_a);
    free(sorted_b);
    if (ok && c->row_count + c->broken == 0)
        ok = tern_error_set(error, TERN_ERR_DATA, "no row is measured in both %s and %s", a->file,
                            b->file);
    if (ok)
        qsort(c->rows, (size_t)c->row_count, sizeof *c->rows, by_change);
    else
        bench_comparison_free(c);
    return ok;
}

void bench_comparison_free(bench_comparison *comparison)
{
    free(comparison->rows);
    free(comparison->left);
    *comparison = (bench_comparison){ 0 };
}
