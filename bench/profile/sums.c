/* Sums over a recorded run; see report.h. */
#include "bench/profile/report.h"

#include <stdlib.h>
#include <string.h>

static int longer_part(const void *left, const void *right)
{
    const bench_part *a = left, *b = right;
    return (a->ns < b->ns) - (a->ns > b->ns);
}

static void add_part(bench_part *parts, int *count, const char *name, int64_t ns)
{
    int at = 0;
    while (at < *count && strcmp(parts[at].name, name) != 0)
        at++;
    if (at == BENCH_MOST_PARTS)
        at--; /* there are far fewer names of spans; none is lost from the sum */
    if (at == *count)
        parts[(*count)++] = (bench_part){ name, 0 };
    parts[at].ns += ns;
}

/* Spans in which ops were applied, with nothing but layers between. */
static bool *spans_of_ops(const bench_recorder *r)
{
    bool *has = calloc((size_t)r->node_count + 1, sizeof *has);
    for (int i = 0; has && i < r->node_count; i++) {
        int at = i;
        while (r->nodes[i].kind == BENCH_NODE_OP && r->nodes[at].kind != BENCH_NODE_SPAN)
            at = r->nodes[at].parent;
        has[at] = has[at] || at != i;
    }
    return has;
}

int bench_profile_parts(const bench_recorder *r, bench_part parts[BENCH_MOST_PARTS])
{
    int count = 0;
    bool *has_ops = spans_of_ops(r);
    for (int i = 0; has_ops && i < r->node_count; i++) {
        const bench_node *node = &r->nodes[i];
        if (node->kind == BENCH_NODE_OP)
            add_part(parts, &count, node->first ? "kernels, first steps" : "kernels",
                     node->total_ns);
        else if (node->kind == BENCH_NODE_SPAN)
            add_part(parts, &count, i == 0 ? "everything else" : has_ops[i] ? "between kernels"
                                                                            : node->name,
                     bench_node_own_ns(node));
    }
    add_part(parts, &count, "the profiler itself", r->recorder_ns);
    free(has_ops);
    qsort(parts, (size_t)count, sizeof *parts, longer_part);
    return count;
}

static int longer_op(const void *left, const void *right)
{
    const bench_op_sum *a = left, *b = right;
    return (a->total_ns < b->total_ns) - (a->total_ns > b->total_ns);
}

static bench_op_sum *sum_of(bench_op_sum *sums, int *count, const bench_problem_seen *problem)
{
    for (int i = 0; i < *count; i++)
        if (sums[i].op == problem->op && sums[i].pass == problem->pass &&
            strcmp(sums[i].provider, problem->provider) == 0)
            return &sums[i];
    sums[*count] = (bench_op_sum){ .op = problem->op, .pass = problem->pass,
                                   .provider = problem->provider };
    return &sums[(*count)++];
}

bench_op_sum *bench_profile_ops(const bench_profile *profile, int *count)
{
    const bench_recorder *r = profile->recorder;
    bench_op_sum *sums = calloc((size_t)r->use_count + 1, sizeof *sums);
    *count = 0;
    for (int i = 0; sums && i < r->use_count; i++) {
        const bench_use *use = &r->uses[i];
        const bench_problem_seen *problem = &r->problems.seen[use->problem];
        if (r->nodes[use->node].first)
            continue;
        bench_op_sum *sum = sum_of(sums, count, problem);
        sum->calls += use->calls;
        sum->total_ns += use->total_ns;
        sum->flops += problem->cost.flops * (double)use->calls;
        sum->bytes += problem->cost.bytes * (double)use->calls;
        sum->at_most = sum->at_most || problem->at_most;
        if (profile->ceilings) {
            double compute = problem->cost.flops / profile->ceilings->flops * (double)use->calls;
            sum->compute_seconds += compute;
            sum->roof_seconds += bench_ceilings_seconds(profile->ceilings, &problem->cost) *
                                 (double)use->calls;
        }
    }
    if (sums)
        qsort(sums, (size_t)*count, sizeof *sums, longer_op);
    return sums;
}
