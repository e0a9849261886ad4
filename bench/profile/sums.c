/* Sums over a recorded run; see report.h. */
#include "bench/profile/report.h"

#include <stdlib.h>
#include <string.h>

static int longer_part(const void *left, const void *right)
{
    const profile_part *a = left, *b = right;
    return (a->ns < b->ns) - (a->ns > b->ns);
}

static void add_part(profile_part *parts, int *count, const char *name, int64_t ns)
{
    int at = 0;
    while (at < *count && strcmp(parts[at].name, name) != 0)
        at++;
    if (at == PROFILE_MOST_PARTS)
        at--; /* there are far fewer names of spans; none is lost from the sum */
    if (at == *count)
        parts[(*count)++] = (profile_part){ name, 0 };
    parts[at].ns += ns;
}

/* Spans in which ops were applied, with nothing but layers between. */
static bool *spans_of_ops(const profile_recorder *r)
{
    bool *has = calloc((size_t)r->node_count + 1, sizeof *has);
    for (int i = 0; has && i < r->node_count; i++) {
        int at = i;
        while (r->nodes[i].kind == PROFILE_NODE_OP && r->nodes[at].kind != PROFILE_NODE_SPAN)
            at = r->nodes[at].parent;
        has[at] = has[at] || at != i;
    }
    return has;
}

int profile_parts(const profile_recorder *r, profile_part parts[PROFILE_MOST_PARTS])
{
    int count = 0;
    bool *has_ops = spans_of_ops(r);
    for (int i = 0; has_ops && i < r->node_count; i++) {
        const profile_node *node = &r->nodes[i];
        if (node->kind == PROFILE_NODE_OP)
            add_part(parts, &count, node->first ? "kernels, first steps" : "kernels",
                     node->total_ns);
        else if (node->kind == PROFILE_NODE_SPAN)
            add_part(parts, &count, i == 0 ? "everything else" : has_ops[i] ? "between kernels"
                                                                            : node->name,
                     profile_node_own_ns(node));
    }
    add_part(parts, &count, "the profiler itself", r->recorder_ns);
    free(has_ops);
    qsort(parts, (size_t)count, sizeof *parts, longer_part);
    return count;
}

static int longer_op(const void *left, const void *right)
{
    const profile_op_sum *a = left, *b = right;
    return (a->total_ns < b->total_ns) - (a->total_ns > b->total_ns);
}

static profile_op_sum *sum_of(profile_op_sum *sums, int *count, const profile_problem *problem)
{
    for (int i = 0; i < *count; i++)
        if (sums[i].op == problem->op && sums[i].pass == problem->pass &&
            strcmp(sums[i].provider, problem->provider) == 0)
            return &sums[i];
    sums[*count] = (profile_op_sum){ .op = problem->op, .pass = problem->pass,
                                   .provider = problem->provider };
    return &sums[(*count)++];
}

/* FLOPs are the last of the bounds, behind the levels of memory. */
static void add_roof(profile_op_sum *sum, const profile_roof *roof, const tern_cost *cost,
                     int64_t calls)
{
    bench_roof least = profile_roof_of(roof, cost);
    int bound = least.fma_seconds >= least.traffic_seconds ? BENCH_LEVELS : (int)least.level;
    sum->roof_seconds += least.seconds * (double)calls;
    sum->bound_seconds[bound] += least.seconds * (double)calls;
}

const char *profile_bound_name(const profile_op_sum *sum)
{
    int most = BENCH_LEVELS;
    for (int i = 0; i < BENCH_LEVELS; i++)
        if (sum->bound_seconds[i] > sum->bound_seconds[most])
            most = i;
    return sum->roof_seconds <= 0 ? "-" : most == BENCH_LEVELS ? "fma"
                                                               : bench_level_name((bench_level)most);
}

profile_op_sum *profile_ops(const profile_report *profile, int *count)
{
    const profile_recorder *r = profile->recorder;
    profile_op_sum *sums = calloc((size_t)r->use_count + 1, sizeof *sums);
    *count = 0;
    for (int i = 0; sums && i < r->use_count; i++) {
        const profile_use *use = &r->uses[i];
        const profile_problem *problem = &r->problems.seen[use->problem];
        if (r->nodes[use->node].first)
            continue;
        profile_op_sum *sum = sum_of(sums, count, problem);
        sum->calls += use->calls;
        sum->total_ns += use->total_ns;
        sum->flops += problem->cost.flops * (double)use->calls;
        sum->bytes += problem->cost.bytes * (double)use->calls;
        sum->at_most = sum->at_most || problem->at_most;
        if (profile->roof)
            add_roof(sum, profile->roof, &problem->cost, use->calls);
    }
    if (sums)
        qsort(sums, (size_t)*count, sizeof *sums, longer_op);
    return sums;
}
