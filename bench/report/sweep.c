/* Finding sweeps; see sweep.h. */
#include "bench/report/sweep.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NUMBERS = 32 };

/* A row's inputs and options with their numbers taken out: "a=[#,#] b=[#,#]". */
typedef struct problem {
    double numbers[MOST_NUMBERS];
    int count;
    char pattern[BENCH_ROW_NAME_BYTES];
    int family; /* rows that may be compared number by number have the same */
} problem;

typedef uint32_t places_set; /* bit i: the i-th number is swept */

static bool begins_number(const char *text, const char *at)
{
    bool in_name = at > text && (isalnum((unsigned char)at[-1]) || at[-1] == '_');
    return isdigit((unsigned char)*at) && !in_name;
}

static void parse(const bench_recorded_row *row, problem *p)
{
    char text[BENCH_ROW_NAME_BYTES], *end;
    int length = 0;
    snprintf(text, sizeof text, "%s%s%s", row->inputs, *row->options ? " " : "", row->options);
    p->count = 0;
    for (const char *at = text; *at;) {
        if (begins_number(text, at) && p->count < MOST_NUMBERS) {
            p->numbers[p->count++] = strtod(at, &end);
            p->pattern[length++] = '#';
            at = end;
        } else {
            p->pattern[length++] = *at++;
        }
    }
    p->pattern[length] = '\0';
}

static bool is_family(const bench_recorded_row *a, const problem *pa, const bench_recorded_row *b,
                      const problem *pb)
{
    return !strcmp(a->op, b->op) && !strcmp(a->device, b->device) && !strcmp(a->dtype, b->dtype) &&
           !strcmp(a->cache, b->cache) && !strcmp(a->tags, b->tags) && pa->count == pb->count &&
           !strcmp(pa->pattern, pb->pattern);
}

static void find_families(const bench_recorded_row *const *rows, problem *problems, int count)
{
    for (int i = 0; i < count; i++) {
        int same = 0;
        parse(rows[i], &problems[i]);
        while (same < i && !is_family(rows[same], &problems[same], rows[i], &problems[i]))
            same++;
        problems[i].family = same < i ? problems[same].family : i;
    }
}

/* ---------------------------------------------------------------- members -- */

static int first_place(places_set set)
{
    int place = 0;
    while (!(set >> place & 1))
        place++;
    return place;
}

/* Is b what a becomes if the numbers in these places are multiplied by one factor? */
static bool is_scaled(const problem *a, const problem *b, places_set set)
{
    int n = first_place(set);
    if (a->family != b->family)
        return false;
    for (int i = 0; i < a->count; i++) {
        bool fits = set >> i & 1 ? a->numbers[i] * b->numbers[n] == b->numbers[i] * a->numbers[n]
                                 : a->numbers[i] == b->numbers[i];
        if (!fits)
            return false;
    }
    return true;
}

/* Where two problems of a family differ. */
static places_set difference(const problem *a, const problem *b)
{
    places_set set = 0;
    for (int i = 0; i < a->count && i < MOST_NUMBERS; i++)
        set |= (places_set)(a->numbers[i] != b->numbers[i]) << i;
    return set;
}

/* Different sizes among the rows of no sweep yet that are scaled from `seed`. */
static int count_sizes(const problem *problems, const bench_sweep_place *places, int count,
                       int seed, places_set set)
{
    int sizes = 0, n = first_place(set);
    for (int i = 0; i < count; i++) {
        bool counts = places[i].sweep < 0 && is_scaled(&problems[seed], &problems[i], set);
        for (int j = 0; j < i && counts; j++)
            counts = !(places[j].sweep < 0 && is_scaled(&problems[seed], &problems[j], set) &&
                       problems[j].numbers[n] == problems[i].numbers[n]);
        sizes += counts;
    }
    return sizes;
}

typedef struct candidate {
    int seed, sizes;
    places_set set;
} candidate;

/* The sweep with most sizes that begins at a row. */
static void best_from(const problem *problems, const bench_sweep_place *places, int count, int seed,
                      candidate *best)
{
    places_set tried[MOST_NUMBERS];
    int tries = 0;
    for (int i = seed + 1; i < count && tries < MOST_NUMBERS; i++) {
        bool is_new = places[i].sweep < 0 && problems[i].family == problems[seed].family;
        places_set set = is_new ? difference(&problems[seed], &problems[i]) : 0;
        for (int t = 0; t < tries; t++)
            is_new = is_new && tried[t] != set;
        if (!is_new || !set || !is_scaled(&problems[seed], &problems[i], set))
            continue;
        tried[tries++] = set;
        int sizes = count_sizes(problems, places, count, seed, set);
        if (sizes > best->sizes)
            *best = (candidate){ seed, sizes, set };
    }
}

/* ----------------------------------------------------------------- titles -- */

/* The pattern with n, or a multiple of n, where the sweep is. */
static void write_title(const bench_recorded_row *row, const problem *p, places_set set,
                        bench_sweep *sweep)
{
    int length = snprintf(sweep->title, sizeof sweep->title, "%s ", row->op), number = 0;
    double n = p->numbers[first_place(set)];
    for (const char *at = p->pattern; *at && length < (int)sizeof sweep->title - 32; at++) {
        char *to = sweep->title + length;
        if (*at != '#')
            length += snprintf(to, 32, "%c", *at);
        else if (!(set >> number & 1))
            length += snprintf(to, 32, "%g", p->numbers[number]);
        else if (p->numbers[number] == n)
            length += snprintf(to, 32, "n");
        else
            length += snprintf(to, 32, "%.4gn", p->numbers[number] / n);
        number += *at == '#';
    }
}

static void take(const bench_recorded_row *const *rows, const problem *problems, int count,
                 const candidate *found, int index, bench_sweep_place *places, bench_sweep *sweep)
{
    *sweep = (bench_sweep){ .sizes = found->sizes };
    for (int i = 0; i < count; i++) {
        if (places[i].sweep >= 0 || !is_scaled(&problems[found->seed], &problems[i], found->set))
            continue;
        places[i] =
            (bench_sweep_place){ index, problems[i].numbers[first_place(found->set)] };
        sweep->rows++;
    }
    write_title(rows[found->seed], &problems[found->seed], found->set, sweep);
}

int bench_sweeps_find(const bench_recorded_row *const *rows, int count,
                      bench_sweep_place *places, bench_sweep sweeps[BENCH_MOST_SWEEPS],
                      tern_error *error)
{
    problem *problems = calloc((size_t)count + 1, sizeof *problems);
    int found = 0;
    if (!problems) {
        tern_error_set(error, TERN_ERR_MEMORY, "looking for sizes: out of memory");
        return -1;
    }
    find_families(rows, problems, count);
    for (int i = 0; i < count; i++)
        places[i] = (bench_sweep_place){ -1, 0 };
    while (found < BENCH_MOST_SWEEPS) {
        candidate best = { 0 };
        for (int seed = 0; seed < count; seed++)
            if (places[seed].sweep < 0)
                best_from(problems, places, count, seed, &best);
        if (best.sizes < BENCH_LEAST_SIZES)
            break;
        take(rows, problems, count, &best, found, places, &sweeps[found]);
        found++;
    }
    free(problems);
    return found;
}
