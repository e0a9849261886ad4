/* The report on the terminal; see report.h. */
#include "bench/profile/report.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_COLUMNS = 44, BAR_CELLS = 20 };

static const double NS = 1e-9, MIB = 1 << 20;

static void print_bar(FILE *out, double share)
{
    int cells = (int)(share * BAR_CELLS + 0.5);
    fprintf(out, "  %.*s", cells < BAR_CELLS ? cells : BAR_CELLS, "####################");
}

/* "  12.3", or with "<" where gradients were counted that nobody asked for; 7 columns. */
static void print_roof(FILE *out, double roof_seconds, double seconds, bool at_most)
{
    char text[32];
    if (roof_seconds <= 0 || seconds <= 0) {
        fprintf(out, " %7s", "-");
        return;
    }
    snprintf(text, sizeof text, "%s%.1f", at_most ? "<" : "", 100 * roof_seconds / seconds);
    fprintf(out, " %7s", text);
}

static void print_rate(FILE *out, double amount, double seconds)
{
    if (amount > 0 && seconds > 0)
        fprintf(out, " %8.1f", 1e-9 * amount / seconds);
    else
        fprintf(out, " %8s", "-");
}

/* ---------------------------------------------------------------- parts -- */

static void print_parts(const profile_report *p, FILE *out)
{
    profile_part parts[PROFILE_MOST_PARTS];
    const profile_recorder *r = p->recorder;
    int count = profile_parts(r, parts), small = 0;
    int64_t sum = 0, small_ns = 0;
    fprintf(out, "\n%-*s %9s %6s\n", NAME_COLUMNS, "where the time went", "ms", "%");
    for (int i = 0; i < count; i++) {
        double share = (double)parts[i].ns / (double)r->wall_ns;
        sum += parts[i].ns;
        if (share < 0.001) {
            small++;
            small_ns += parts[i].ns;
            continue;
        }
        fprintf(out, "  %-*s %9.2f %6.1f", NAME_COLUMNS - 2, parts[i].name,
                1e-6 * (double)parts[i].ns, 100 * share);
        print_bar(out, share);
        fputc('\n', out);
    }
    if (small)
        fprintf(out, "  (%d more)%*s %9.2f %6.1f\n", small,
                NAME_COLUMNS - 10 - (small > 9), "", 1e-6 * (double)small_ns,
                100 * (double)small_ns / (double)r->wall_ns);
    fprintf(out, "%-*s %9.2f %6.1f\n", NAME_COLUMNS, "sum", 1e-6 * (double)sum,
            100 * (double)sum / (double)r->wall_ns);
}

/* ----------------------------------------------------------------- tree -- */

static void print_node(const profile_report *p, FILE *out, const profile_node *node, int depth,
                       const char *name)
{
    const profile_recorder *r = p->recorder;
    double share = (double)node->total_ns / (double)r->wall_ns;
    char text[256], calls[24] = "", own[32] = "";
    snprintf(text, sizeof text, "%*s%s%s", 2 * depth, "", name,
             node->first && !r->nodes[node->parent].first ? " (first of its shape)" : "");
    if (node->calls)
        snprintf(calls, sizeof calls, "%lld", (long long)node->calls);
    if (node->kind != PROFILE_NODE_LAYER)
        snprintf(own, sizeof own, "%.2f", 1e-6 * (double)profile_node_own_ns(node));
    fprintf(out, "%-*s %9.2f %6.1f %9s %7s", NAME_COLUMNS, text, 1e-6 * (double)node->total_ns,
            100 * share, own, calls);
    print_rate(out, node->flops, node->costed_seconds);
    print_roof(out, node->roof_seconds, node->costed_seconds, node->at_most);
    print_bar(out, share);
    fputc('\n', out);
}

static bool is_long(const profile_report *p, int64_t ns)
{
    return (double)ns >= p->least * (double)p->recorder->wall_ns;
}

/* The only child of a layer; -1 if it has none or several. */
static int only_child(const profile_recorder *r, int parent)
{
    int found = -1;
    for (int i = parent + 1; i < r->node_count; i++)
        if (r->nodes[i].parent == parent) {
            if (found >= 0)
                return -1;
            found = i;
        }
    return found;
}

/* A layer that holds one thing alone takes no line of its own: "conv1.conv2d". */
static int skip_single(const profile_recorder *r, int node, char *name, size_t size)
{
    snprintf(name, size, "%s", r->nodes[node].name);
    for (int child; r->nodes[node].kind == PROFILE_NODE_LAYER && (child = only_child(r, node)) >= 0;
         node = child) {
        size_t used = strlen(name);
        bool is_op = r->nodes[child].kind == PROFILE_NODE_OP;
        snprintf(name + used, size - used, "%s%s", is_op ? ": " : ".", r->nodes[child].name);
    }
    return node;
}

/* First steps are told of in one line: where their time goes says little of the rest. */
static void print_below(const profile_report *p, FILE *out, int parent, int depth)
{
    const profile_recorder *r = p->recorder;
    char name[192];
    int64_t small_ns = 0;
    int small = 0, shown = 0;
    for (int i = parent + 1; i < r->node_count && !r->nodes[parent].first; i++) {
        if (r->nodes[i].parent != parent)
            continue;
        if (is_long(p, r->nodes[i].total_ns)) {
            int node = skip_single(r, i, name, sizeof name);
            print_node(p, out, &r->nodes[node], depth, name);
            print_below(p, out, node, depth + 1);
            shown++;
        } else {
            small++;
            small_ns += r->nodes[i].total_ns;
        }
    }
    if (shown && small && is_long(p, small_ns)) {
        snprintf(name, sizeof name, "%*s(%d more)", 2 * depth, "", small);
        fprintf(out, "%-*s %9.2f %6.1f\n", NAME_COLUMNS, name, 1e-6 * (double)small_ns,
                100 * (double)small_ns / (double)r->wall_ns);
    }
}

static void print_tree(const profile_report *p, FILE *out)
{
    fprintf(out, "\n%-*s %9s %6s %9s %7s %8s %7s\n", NAME_COLUMNS, "by layer", "total ms", "%",
            "self ms", "calls", "GFLOP/s", "% roof");
    print_node(p, out, &p->recorder->nodes[0], 0, p->recorder->nodes[0].name);
    print_below(p, out, 0, 1);
}

/* ------------------------------------------------------------------ ops -- */

static void print_op(const profile_report *p, FILE *out, const profile_op_sum *sum)
{
    double seconds = NS * (double)sum->total_ns;
    fprintf(out, "%-22s %-7s %-9s %7lld %9.2f %6.1f %9.1f", sum->op->name,
            profile_pass_name(sum->pass), sum->provider, (long long)sum->calls, 1e3 * seconds,
            100 * (double)sum->total_ns / (double)p->recorder->wall_ns,
            1e6 * seconds / (double)sum->calls);
    print_rate(out, sum->flops, seconds);
    print_rate(out, sum->bytes, seconds);
    print_roof(out, sum->roof_seconds, seconds, sum->at_most);
    fprintf(out, "  %s\n", profile_bound_name(sum));
}

static void print_ops(const profile_report *p, FILE *out)
{
    int count, hidden = 0;
    int64_t hidden_ns = 0;
    profile_op_sum *sums = profile_ops(p, &count);
    fprintf(out, "\n%-22s %-7s %-9s %7s %9s %6s %9s %8s %8s %7s  %s\n", "by op", "pass", "provider",
            "calls", "total ms", "%", "mean us", "GFLOP/s", "GB/s", "% roof", "bound by");
    for (int i = 0; sums && i < count; i++) {
        if (is_long(p, sums[i].total_ns)) {
            print_op(p, out, &sums[i]);
        } else {
            hidden++;
            hidden_ns += sums[i].total_ns;
        }
    }
    if (hidden)
        fprintf(out, "(%d more) %37s %9.2f %6.1f\n", hidden, "", 1e-6 * (double)hidden_ns,
                100 * (double)hidden_ns / (double)p->recorder->wall_ns);
    free(sums);
}

/* ----------------------------------------------------------- the report -- */

static void print_ceilings(const profile_roof *roof, FILE *out)
{
    fprintf(out, "roofline, measured just now: %.1f GFLOP/s in registers; GB/s:",
            1e-9 * bench_fma_ceiling(&roof->ceilings, roof->simd, roof->threads));
    for (int i = BENCH_L1; i < BENCH_LEVELS; i++) {
        double rate = bench_bandwidth_ceiling(&roof->ceilings, (bench_level)i, roof->threads);
        if (rate > 0)
            fprintf(out, " %s %.1f", bench_level_name((bench_level)i), 1e-9 * rate);
    }
    char text[BENCH_CORE_TO_CORE_BYTES];
    fprintf(out, "; core to core and back %s\n",
            bench_core_to_core_text(&roof->ceilings.core_to_core, text));
}

static void print_head(const profile_report *p, FILE *out)
{
    const profile_recorder *r = p->recorder;
    fprintf(out, "%s: %.3f s, %lld steps", r->command, NS * (double)r->wall_ns,
            (long long)r->steps);
    fprintf(out, ", of which %lld the first of their shape (these are kept apart), and %lld that "
                 "only planned memory\n", (long long)r->first_steps, (long long)r->dry_steps);
    fprintf(out, "device %s, SIMD level %s, %d thread%s", r->device, r->simd, r->threads,
            r->threads == 1 ? "" : "s");
    fputc('\n', out);
    if (p->roof)
        print_ceilings(p->roof, out);
    if (r->failed)
        fprintf(out, "the profiler ran out of memory: what came after that is not counted\n");
}

static void print_memory(const profile_report *p, FILE *out)
{
    const profile_recorder *r = p->recorder;
    const tern_memory_report *m = &r->memory;
    fprintf(out, "\nmost memory, MiB\n  steps          %9.2f  planned; %.2f without reuse; the "
                 "largest workspace %.2f\n", (double)m->arena_bytes / MIB,
            (double)m->unplanned_bytes / MIB, (double)r->workspace_bytes / MIB);
    fprintf(out, "  parameters     %9.2f  with gradients, moments and averages\n",
            (double)m->param_bytes / MIB);
    fprintf(out, "  packed weights %9.2f\n  kept tensors   %9.2f\n",
            (double)m->packed_bytes / MIB, (double)m->kept_bytes / MIB);
    fprintf(out, "  process        %9.2f  resident, with data and the profiler itself\n",
            (double)p->process_bytes / MIB);
}

void profile_print(const profile_report *p, FILE *out)
{
    const profile_recorder *r = p->recorder;
    print_head(p, out);
    print_parts(p, out);
    print_tree(p, out);
    print_ops(p, out);
    if (p->roof)
        fprintf(out, "%% roof: of what FLOPs in registers or the least traffic, from the cache in "
                     "which it can lie, allow;\n  <: at most, for gradients are counted that were "
                     "not asked for\n");
    print_memory(p, out);
    fprintf(out, "\nthe profiler heard of %lld spans and kernels and took %.2f ms (%.2f %%), "
                 "%.2f us each\n", (long long)r->heard, 1e-6 * (double)r->recorder_ns,
            100 * (double)r->recorder_ns / (double)r->wall_ns,
            r->heard ? 1e-3 * (double)r->recorder_ns / (double)r->heard : 0.0);
}
