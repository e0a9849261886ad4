#include "bench/report/table.h"

#include <math.h>
#include <string.h>

#include "bench/suite/outline.h"
#include "bench/suite/peers.h"
#include "kernels/matmul/openblas.h"

/* memcpy in L2 was seen 3 % above the copy ceiling: that close means nothing. */
static const double ABOVE_THE_ROOF = 1.05;

const char *bench_result_verdict(const bench_result *result)
{
    if (result->skipped)
        return result->why;
    if (!(result->error[0] <= 1) || !(result->error[1] <= 1))
        return "WRONG VALUES";
    if (result->left_out)
        return "WRONG: left values unwritten";
    if (result->allocations > 0)
        return "WRONG: took memory from the heap in timed runs";
    if (result->summary.median * ABOVE_THE_ROOF < result->roof.seconds)
        return "suspect: faster than the roofline";
    return "ok";
}

/* That of the peer; NULL for other providers. */
static const char *command_of(const bench_settings *settings, const bench_result *result)
{
    for (int i = 0; i < settings->peer_count; i++)
        if (strcmp(settings->peers[i].name, result->provider) == 0)
            return settings->peers[i].command;
    return NULL;
}

void bench_row_command(const bench_suite *suite, const bench_result *result, char *text,
                       size_t size)
{
    const bench_settings *settings = suite->settings;
    const char *pass = bench_pass_name(result->pass), *command = command_of(settings, result);
    size_t used = result->of->model
        ? (size_t)snprintf(text, size, "tern bench --model %s --pass %s --provider %s --threads %d",
                           bench_case_name(result->of), pass, result->provider, result->threads)
        : (size_t)snprintf(text, size, "tern bench %s --inputs '%s' --pass %s --provider %s "
                           "--threads %d --cache %s", bench_case_name(result->of),
                           result->of->inputs, pass, result->provider, result->threads,
                           result->cold ? "cold" : "hot");
    if (command && used < size)
        used += (size_t)snprintf(text + used, size - used, " --peer '%s=%s'", result->provider,
                                 command);
    if (*result->simd && used < size)
        used += (size_t)snprintf(text + used, size - used, " --simd %s", result->simd);
    if (result->of->gradients && used < size)
        used += (size_t)snprintf(text + used, size - used, " --gradients '%s'",
                                 result->of->gradients);
    for (const char *at = result->of->options; *at && used < size;) {
        size_t length = strcspn(at, " ");
        used += (size_t)snprintf(text + used, size - used, " --set %.*s", (int)length, at);
        at += length;
        at += strspn(at, " ");
    }
    if (settings->seed != 1 && used < size)
        used += (size_t)snprintf(text + used, size - used, " --seed %llu",
                                 (unsigned long long)settings->seed);
    if (settings->more && used < size)
        snprintf(text + used, size - used, "%s", settings->more);
}

static void print_time(FILE *to, const bench_result *result)
{
    if (!result || result->skipped) {
        fprintf(to, " %10s %5s", "", "");
        return;
    }
    double error = result->summary.relative_error;
    fprintf(to, " %10.1f", result->summary.median * 1e6);
    if (isfinite(error))
        fprintf(to, " %4.1f%%", error * 100);
    else
        fprintf(to, " %5s", "?");
}

/* The result of the same row with the other state of the caches; NULL if there is none. */
static const bench_result *cold_of(const bench_suite *suite, const bench_result *hot)
{
    const bench_result *next = hot + 1;
    return next < suite->results + suite->count && next->cold && !hot->cold &&
                   next->of == hot->of && next->pass == hot->pass &&
                   next->threads == hot->threads && strcmp(next->simd, hot->simd) == 0 &&
                   strcmp(next->provider, hot->provider) == 0
               ? next : NULL;
}

static void print_line(FILE *to, const bench_result *hot, const bench_result *cold)
{
    const bench_result *any = hot ? hot : cold;
    fprintf(to, "  %-5s %-11s %3d %-6s", bench_pass_name(any->pass), any->provider, any->threads,
            any->simd);
    print_time(to, hot);
    print_time(to, cold);
    if (!any->skipped)
        fprintf(to, " %8.1f %7.1f %4.0f%% %4.0f%% %-6s", any->flops / any->summary.median * 1e-9,
                any->bytes / any->summary.median * 1e-9,
                100 * any->roof.fma_seconds / any->summary.median,
                100 * any->roof.seconds / any->summary.median,
                any->roof.binds ? any->roof.binds : "");
    else
        fprintf(to, " %8s %7s %5s %5s %-6s", "", "", "", "", "");
    if (any->has_ratio)
        fprintf(to, " %5.2f [%4.2f %4.2f]", any->ratio.value, any->ratio.low, any->ratio.high);
    else
        fprintf(to, " %5s  %9s ", "", "");
    if (any->memory_growth >= 0 && !any->skipped)
        fprintf(to, " %6.1f", (double)any->memory_growth / 0x1p20);
    else
        fprintf(to, " %6s", "");
    fprintf(to, " %7.2g  %s\n", fmax(any->error[0], any->error[1]), bench_result_verdict(any));
}

int bench_suite_warnings(const bench_suite *suite, const char *warnings[BENCH_WARNINGS])
{
    int count = 0;
    bool several = false, shared = false, slower = false;
    for (int i = 0; i < suite->count; i++)
        several = several || suite->results[i].threads > 1;
    for (int i = 0; i < suite->ceilings.count; i++) {
        const bench_ceiling *c = &suite->ceilings.ceiling[i];
        bool fell = bench_peak_fell(c->threads, c->per_second, c->worst);
        shared = shared || (fell && c->threads > 1);
        slower = slower || (fell && c->threads == 1);
    }
    if (slower)
        warnings[count++] = BENCH_SLOWER;
    if (several && bench_cores_are_far(&suite->ceilings.core_to_core))
        warnings[count++] = BENCH_DISTURBED BENCH_FAR;
    if (several && shared)
        warnings[count++] = BENCH_DISTURBED BENCH_SHARED;
    return count;
}

static void print_core_to_core(FILE *to, const bench_suite *suite)
{
    char text[BENCH_CORE_TO_CORE_BYTES];
    fprintf(to, "core to core and back: %s\n",
            bench_core_to_core_text(&suite->ceilings.core_to_core, text));
    const char *warnings[BENCH_WARNINGS];
    int count = bench_suite_warnings(suite, warnings);
    for (int i = 0; i < count; i++)
        fprintf(to, "WARNING: %s\n", warnings[i]);
}

static void print_fma_ceiling(FILE *to, const bench_ceiling *c)
{
    fprintf(to, "ceiling  %d thread%s %-7s %8.1f GFLOP/s", c->threads, c->threads > 1 ? "s" : " ",
            c->simd, c->per_second * 1e-9);
    if (bench_peak_fell(c->threads, c->per_second, c->worst))
        fprintf(to, ", at times %.1f", c->worst * 1e-9);
    fputc('\n', to);
}

static void print_host(FILE *to, const bench_suite *suite)
{
    bench_host host = bench_host_read();
    const bench_disturbance *d = &suite->disturbance;
    fprintf(to, "%s; %d cores; %s; governor %s\n", host.cpu, host.cores, host.kernel,
            *host.governor ? host.governor : "not shown");
    fprintf(to, "load %.2f before, %.2f after; other programs had %.1f %% of the cores' time, "
                "the host took %.1f %%; %ld times put off a core\n", d->load_before, d->load_after,
            d->other_percent, d->steal_percent, d->involuntary_switches);
    if (tern_openblas_corename())
        fprintf(to, "OpenBLAS takes its kernels for %s\n", tern_openblas_corename());
    for (int i = 0; suite->peers && i < suite->settings->peer_count; i++) {
        fprintf(to, "%s: %s\n", suite->settings->peers[i].name, suite->peers->about[i]);
        if (*suite->peers->cold[i] && suite->settings->cold)
            fprintf(to, "  cold: %s\n", suite->peers->cold[i]);
    }
    print_core_to_core(to, suite);
    for (int i = 0; i < suite->ceilings.count; i++) {
        const bench_ceiling *c = &suite->ceilings.ceiling[i];
        if (c->kind == BENCH_CEILING_FMA)
            print_fma_ceiling(to, c);
        else
            fprintf(to, "ceiling  %d thread%s %-7s %8.1f GB/s %s\n", c->threads,
                    c->threads > 1 ? "s" : " ", bench_level_name(c->level), c->per_second * 1e-9,
                    bench_ceiling_kind_name(c->kind));
    }
    fprintf(to, "\n");
}

static void print_problem(FILE *to, const bench_case *of)
{
    fprintf(to, "%s %s %s", bench_case_name(of), of->inputs, of->options);
    if (of->gradients)
        fprintf(to, "  for %s", *of->gradients ? of->gradients : "nothing");
    if (of->count != 1)
        fprintf(to, "  x %g", of->count);
    fputc('\n', to);
}

void bench_print_table(FILE *to, const bench_suite *suite)
{
    const bench_case *last = NULL;
    print_host(to, suite);
    fprintf(to, "  %-5s %-11s %3s %-6s %10s %5s %10s %5s %8s %7s %5s %5s %-6s %18s %6s %7s\n",
            "pass", "provider", "thr", "simd", "hot us", "+-", "cold us", "+-", "GFLOP/s", "GB/s",
            "FMA", "roof", "by", "x best other [95%]", "MiB", "error");
    for (int i = 0; i < suite->count; i++) {
        const bench_result *result = &suite->results[i];
        const bench_result *cold = cold_of(suite, result);
        if (result->of != last)
            print_problem(to, result->of);
        last = result->of;
        print_line(to, result->cold ? NULL : result, result->cold ? result : cold);
        i += cold != NULL;
    }
}

/* -------------------------------------------------------------- outlines -- */

static void print_longest(FILE *to, const bench_suite *suite, int rows, int skipped)
{
    int seconds = (int)ceil(bench_suite_longest(suite));
    fprintf(to, "\n%d rows, of which %d would be skipped; at most about ", rows, skipped);
    if (seconds >= 60)
        fprintf(to, "%d min ", seconds / 60);
    fprintf(to, "%d s, less where medians are soon known to %g %%\n", seconds % 60,
            100 * suite->settings->rule.goal);
}

void bench_print_outline(FILE *to, const bench_suite *suite)
{
    const bench_case *last = NULL;
    int skipped = 0;
    fprintf(to, "  %-5s %-11s %3s %-6s %-9s %10s %10s %10s\n", "pass", "provider", "thr", "simd",
            "cache", "MFLOP", "MB", "needs MiB");
    for (int i = 0; i < suite->count; i++) {
        const bench_result *result = &suite->results[i], *cold = cold_of(suite, result);
        skipped += result->skipped * (cold ? 2 : 1);
        if (result->of != last)
            print_problem(to, result->of);
        last = result->of;
        fprintf(to, "  %-5s %-11s %3d %-6s %-9s %10.3f %10.3f %10.1f  %s\n",
                bench_pass_name(result->pass), result->provider, result->threads, result->simd,
                cold ? "hot, cold" : result->cold ? "cold" : "hot", result->flops * 1e-6,
                result->bytes * 1e-6, result->memory / 0x1p20,
                result->skipped ? result->why : "");
        i += cold != NULL;
    }
    print_longest(to, suite, suite->count, skipped);
}
