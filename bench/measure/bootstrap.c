/* The bootstrap of a ratio of medians; see bootstrap.h. */
#include "bench/measure/bootstrap.h"

#include "bench/measure/statistics.h"
#include "core/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The samples of one side.  A resample is how often each place in the sorted order was drawn,
 * so that its median is found by counting. */
typedef struct ranked {
    double *sorted; /* [count]                                     */
    int *rank;      /* [count], of the i-th sample as measured     */
    int *drawn;     /* [count], by rank                            */
    int count;
    double median, correlation_time;
} ranked;

typedef struct placed_sample {
    double seconds;
    int index;
} placed_sample;

static int by_time(const void *a, const void *b)
{
    const placed_sample *x = a, *y = b;
    if (x->seconds != y->seconds)
        return x->seconds < y->seconds ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static bool side_make(ranked *side, const double *samples, int count)
{
    placed_sample *order = malloc((size_t)count * sizeof *order);
    side->count = count;
    side->sorted = malloc((size_t)count * sizeof *side->sorted);
    side->rank = malloc((size_t)count * sizeof *side->rank);
    side->drawn = malloc((size_t)count * sizeof *side->drawn);
    bool ok = order && side->sorted && side->rank && side->drawn;
    for (int i = 0; i < count && ok; i++)
        order[i] = (placed_sample){ samples[i], i };
    if (ok)
        qsort(order, (size_t)count, sizeof *order, by_time);
    for (int i = 0; i < count && ok; i++) {
        side->sorted[i] = order[i].seconds;
        side->rank[order[i].index] = i;
    }
    free(order);
    if (ok) {
        side->median = bench_quantile(side->sorted, count, 0.5);
        side->correlation_time = bench_correlation_time(samples, count, side->median);
    }
    return ok;
}

static void side_free(ranked *side)
{
    free(side->sorted);
    free(side->rank);
    free(side->drawn);
}

/* The median of what was drawn, `draws` in all: the mean of the two in the middle. */
static double drawn_median(const ranked *side, int draws)
{
    int lower = (draws - 1) / 2, upper = draws / 2, seen = 0, i = 0;
    while (seen + side->drawn[i] <= lower)
        seen += side->drawn[i++];
    double below = side->sorted[i];
    while (seen + side->drawn[i] <= upper)
        seen += side->drawn[i++];
    return 0.5 * (below + side->sorted[i]);
}

/* ---------------------------------------------------------------- drawing -- */

/* Four words of a Philox block at a time. */
typedef struct source {
    uint64_t seed, block;
    uint32_t stream, words[4];
    int left;
} source;

static int draw_below(source *from, int n)
{
    if (from->left == 0) {
        uint32_t counter[4] = { (uint32_t)from->block, (uint32_t)(from->block >> 32),
                                TERN_STREAM_BOOTSTRAP, from->stream };
        tern_philox(from->seed, counter, from->words);
        from->block++;
        from->left = 4;
    }
    return (int)((uint64_t)from->words[--from->left] * (uint32_t)n >> 32);
}

static double resampled(ranked *of, int draws, source *from)
{
    memset(of->drawn, 0, (size_t)of->count * sizeof *of->drawn);
    for (int i = 0; i < draws; i++)
        of->drawn[draw_below(from, of->count)]++;
    return drawn_median(of, draws);
}

/* Whole rounds are drawn. */
static double resampled_pairs(ranked *a, ranked *b, int draws, source *from)
{
    memset(a->drawn, 0, (size_t)a->count * sizeof *a->drawn);
    memset(b->drawn, 0, (size_t)b->count * sizeof *b->drawn);
    for (int i = 0; i < draws; i++) {
        int round = draw_below(from, a->count);
        a->drawn[a->rank[round]]++;
        b->drawn[b->rank[round]]++;
    }
    return drawn_median(a, draws) / drawn_median(b, draws);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool interval(ranked *a, ranked *b, bench_ratio_opts opts, bench_ratio *ratio)
{
    double longest = fmax(a->correlation_time, b->correlation_time);
    int from_a = (int)(a->count / (opts.paired ? longest : a->correlation_time));
    int from_b = (int)(b->count / (opts.paired ? longest : b->correlation_time));
    *ratio = (bench_ratio){ a->median / b->median, 0, HUGE_VAL };
    if (from_a < BENCH_LEAST_INDEPENDENT || from_b < BENCH_LEAST_INDEPENDENT)
        return true;

    source numbers = { .seed = opts.seed, .stream = opts.stream };
    int resamples = opts.resamples > 0 ? opts.resamples : 2000;
    double tail = 0.5 * (1 - (opts.confidence > 0 ? opts.confidence : 0.95));
    double *ratios = malloc((size_t)resamples * sizeof *ratios);
    if (!ratios)
        return false;
    for (int i = 0; i < resamples; i++) {
        if (opts.paired) {
            ratios[i] = resampled_pairs(a, b, from_a, &numbers);
        } else {
            double median = resampled(a, from_a, &numbers);
            ratios[i] = median / resampled(b, from_b, &numbers);
        }
    }
    qsort(ratios, (size_t)resamples, sizeof *ratios, compare);
    ratio->low = bench_quantile(ratios, resamples, tail);
    ratio->high = bench_quantile(ratios, resamples, 1 - tail);
    free(ratios);
    return true;
}

bool bench_ratio_of_medians(const double *a, int a_count, const double *b, int b_count,
                            bench_ratio_opts opts, bench_ratio *ratio, tern_error *error)
{
    ranked sides[2] = { 0 };
    if (a_count < 1 || b_count < 1 || (opts.paired && a_count != b_count))
        return tern_error_set(error, TERN_ERR_ARGUMENT,
                              "ratio of medians: of %d and %d samples%s", a_count, b_count,
                              opts.paired ? ", in pairs" : "");
    bool ok = side_make(&sides[0], a, a_count) && side_make(&sides[1], b, b_count) &&
              interval(&sides[0], &sides[1], opts, ratio);
    side_free(&sides[0]);
    side_free(&sides[1]);
    return ok || tern_error_set(error, TERN_ERR_MEMORY, "ratio of medians: out of memory");
}
