/* tern bench: how fast ops are, each beside the vendor's, checked in the same run. */
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/open.h"

#include "bench/report/table.h"
#include "bench/report/write.h"
#include "bench/suite/suite.h"
#include "core/registry.h"
#include "kernels/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const cli_command command = {
    "bench", "[OP|GROUP]...",
    "Times ops on the sample problems of their contracts, or on --inputs, by every provider\n"
    "there is, by turns; checks every result against the float64 loops of ref before and\n"
    "after.  A group is a folder of kernels/, such as elementwise; none: all ops.",
    "  tern bench matmul --shape M=1:128:x2,K=512,N=512 --pass fwd,bwd\n"
    "  tern bench conv2d --inputs 'x=[16,32,32,64] weight=[64,3,3,64]' --set pad=1,1",
    .least = 0, .most = CLI_MAX_REPEAT,
};

typedef struct bench_flags {
    const char *inputs, *shape, *passes, *providers, *threads, *simd, *caches, *filter;
    cli_list set, plugins, out, tags;
    double percent;
    bool list;
} bench_flags;

/* ---------------------------------------------------------------- flags -- */

/* "a,b,c" into an array of texts, which lie in `room`; how many, or -1 if there are more. */
static int split(const char *text, char *room, size_t size, const char **items, int most)
{
    int count = 0;
    snprintf(room, size, "%s", text ? text : "");
    for (char *rest = room, *item; (item = strsep(&rest, ","));)
        if (*item) {
            if (count == most)
                return -1;
            items[count++] = item;
        }
    return count;
}

static int choose(const char *flag, const char *text, const char *const *names, bool *chosen,
                  int count)
{
    char room[64];
    const char *items[BENCH_LIST];
    int given = split(text, room, sizeof room, items, BENCH_LIST);
    for (int i = 0; i < given; i++) {
        int found = -1;
        for (int j = 0; j < count; j++)
            if (strcmp(items[i], names[j]) == 0)
                found = j;
        if (found < 0) {
            const char *nearest = tern_nearest_name(items[i], names, count);
            return cli_misused("bench", "%s: there is no %s%s%s%s", flag, items[i],
                               nearest ? ", did you mean " : "", nearest ? nearest : "",
                               nearest ? "?" : "");
        }
        chosen[found] = true;
    }
    return given > 0 ? CLI_OK : cli_misused("bench", "%s: nothing given", flag);
}

static int parse_threads(const char *text, bench_settings *settings)
{
    char room[64];
    const char *items[BENCH_LIST];
    int count = split(text, room, sizeof room, items, BENCH_LIST);
    for (int i = 0; i < count; i++) {
        char *end;
        long threads = strtol(items[i], &end, 10);
        if (*end || threads < 1 || threads > 1024)
            return cli_misused("bench", "--threads wants numbers such as 1,2");
        settings->threads[settings->thread_counts++] = (int)threads;
    }
    return count > 0 ? CLI_OK : cli_misused("bench", "--threads wants up to %d numbers",
                                            BENCH_LIST);
}

/* ---------------------------------------------------------------- cases -- */

static bool add_op(bench_cases *cases, const tern_op *op, const bench_flags *flags,
                   tern_error *error)
{
    bench_axes axes = { 0 };
    char options[512] = "";
    for (int i = 0; i < flags->set.count; i++)
        snprintf(options + strlen(options), sizeof options - strlen(options), "%s%s",
                 i ? " " : "", flags->set.items[i]);
    if (!flags->inputs && !flags->shape && !flags->set.count)
        return bench_cases_add_samples(cases, op, error);
    return (!flags->shape || bench_axes_parse(&axes, flags->shape, error)) &&
           bench_cases_add(cases, op, flags->inputs, options, &axes, error);
}

/* The ops of that folder; how many. */
static int add_group(bench_cases *cases, const char *folder, const bench_flags *flags,
                     tern_error *error)
{
    int found = 0;
    for (const tern_op *const *op = tern_op_table(); *op && !error->code; op++)
        if (!folder || strcmp(tern_op_folder(*op), folder) == 0) {
            found++;
            add_op(cases, *op, flags, error);
        }
    return found;
}

static bool add_word(tern_ctx *ctx, bench_cases *cases, const char *word,
                     const bench_flags *flags, tern_error *error)
{
    tern_error unknown = { 0 };
    const tern_op *op = tern_ctx_op_find(ctx, word, &unknown);
    if (op)
        return add_op(cases, op, flags, error);
    if (add_group(cases, word, flags, error))
        return !error->code;
    *error = unknown;
    return false;
}

static void filter(bench_cases *cases, const char *text)
{
    int kept = 0;
    for (int i = 0; i < cases->count; i++) {
        char line[512];
        snprintf(line, sizeof line, "%s %s %s", cases->of[i].op->name, cases->of[i].inputs,
                 cases->of[i].options);
        if (strstr(line, text)) {
            bench_case held = cases->of[kept];
            cases->of[kept++] = cases->of[i];
            cases->of[i] = held;
        }
    }
    bench_cases dropped = { cases->of + kept, cases->count - kept };
    for (int i = 0; i < dropped.count; i++) {
        free(dropped.of[i].inputs);
        free(dropped.of[i].options);
        free(dropped.of[i].axes);
    }
    cases->count = kept;
}

static bool collect(bench_cases *cases, const cli_list *words, const bench_flags *flags,
                    tern_error *error)
{
    tern_ctx *ctx = cli_open((tern_ctx_opts){ .device = "meta" }, &flags->plugins, error);
    for (int i = 0; ctx && i < words->count && !error->code; i++)
        add_word(ctx, cases, words->items[i], flags, error);
    if (ctx && !words->count && !error->code)
        add_group(cases, NULL, flags, error);
    tern_ctx_free(ctx);
    if (!error->code && flags->filter)
        filter(cases, flags->filter);
    return !error->code;
}

/* -------------------------------------------------------------- running -- */

static void load_plugins(tern_ctx *ctx, void *user)
{
    const cli_list *plugins = user;
    for (int i = 0; i < plugins->count; i++)
        tern_load_plugin(ctx, plugins->items[i]);
}

static void show_progress(int problem, int problems, const char *text, void *user)
{
    (void)user;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K%d/%d  %.90s", problem + 1, problems, text);
}

/* NAME=VALUE; false if one has no name or value. */
static bool split_tags(const cli_list *given, bench_tag *tags, char room[][64])
{
    for (int i = 0; i < given->count; i++) {
        const char *equals = strchr(given->items[i], '=');
        if (!equals || equals == given->items[i] || equals - given->items[i] >= 64)
            return false;
        snprintf(room[i], 64, "%.*s", (int)(equals - given->items[i]), given->items[i]);
        tags[i] = (bench_tag){ room[i], equals + 1 };
    }
    return true;
}

static int write_reports(const bench_suite *suite, const bench_flags *flags, const char *typed)
{
    static char room[CLI_MAX_REPEAT][64];
    bench_tag tags[CLI_MAX_REPEAT];
    tern_error error = { 0 };
    split_tags(&flags->tags, tags, room);
    bench_about about = { .command = typed, .tags = tags, .tag_count = flags->tags.count };
    for (int i = 0; i < flags->out.count; i++)
        if (!bench_report_write(suite, &about, flags->out.items[i], &error))
            return cli_fail("bench", "%s", error.message);
    return CLI_OK;
}

static int run(const bench_settings *settings, const bench_cases *cases, const bench_flags *flags,
               const char *typed)
{
    tern_error error = { 0 };
    bench_suite suite;
    cli_catch_interrupts();
    bool ok = bench_suite_run(&suite, settings, cases, &error);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    bench_print_table(stdout, &suite);
    int written = ok ? write_reports(&suite, flags, typed) : CLI_OK;
    bool interrupted = suite.interrupted, wrong = false;
    for (int i = 0; i < suite.count; i++)
        wrong = wrong || (!suite.results[i].skipped &&
                          strcmp(bench_result_verdict(&suite.results[i]), "ok") != 0);
    bench_suite_free(&suite);
    if (!ok)
        return cli_fail("bench", "%s", error.message);
    if (written != CLI_OK)
        return written;
    if (interrupted)
        return cli_interrupt_status();
    return wrong ? cli_fail("bench", "some rows are wrong or suspect: see the last column") : CLI_OK;
}

/* The command line once more, for the report. */
static void join(int argc, char **argv, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "tern");
    for (int i = 0; i < argc && used < size; i++) {
        const char *quote = strpbrk(argv[i], " []{}*") ? "'" : "";
        used += (size_t)snprintf(text + used, size - used, " %s%s%s", quote, argv[i], quote);
    }
}

static void print_cases(const bench_cases *cases)
{
    for (int i = 0; i < cases->count; i++)
        printf("%-20s %s%s%s\n", cases->of[i].op->name, cases->of[i].inputs,
               *cases->of[i].options ? "  " : "", cases->of[i].options);
}

int cmd_bench(int argc, char **argv)
{
    static const char *const passes[] = { "fwd", "bwd", "both" }, *const caches[] = { "hot", "cold" };
    bench_flags given = { .passes = "fwd", .threads = "1", .caches = "hot,cold", .percent = 1 };
    bench_settings settings = { .rule = bench_stop_rule_default(), .ceilings = 1, .seed = 1,
                                .stop = cli_is_interrupted, .progress = show_progress };
    char provider_room[128], simd_room[64], typed[2048];
    bool cache[2] = { false };
    const cli_flag flags[] = {
        { "--inputs", CLI_TEXT, &given.inputs, "TEXT", "shapes, in which letters may stand for sizes" },
        { "--set", CLI_REPEAT, &given.set, "OPTION=VALUE", "of the op" },
        { "--shape", CLI_TEXT, &given.shape, "LIST", "sizes of letters: M=8:4096:x2,K=512" },
        { "--pass", CLI_TEXT, &given.passes, "LIST", "fwd, bwd, both" },
        { "--provider", CLI_TEXT, &given.providers, "LIST", "only these (all)" },
        { "--threads", CLI_TEXT, &given.threads, "LIST", "numbers of threads" },
        { "--simd", CLI_TEXT, &given.simd, "LIST", "avx512, avx2, base (the best there is)" },
        { "--device", CLI_TEXT, &settings.device, "NAME", "cpu, ref, cuda-sim, cuda (cpu)" },
        { "--cache", CLI_TEXT, &given.caches, "LIST", "hot, cold" },
        { "--error", CLI_POSITIVE, &given.percent, "PERCENT", "stop when the median is known so well" },
        { "--least", CLI_NUMBER, &settings.rule.least, "N", "timed runs of a row" },
        { "--most", CLI_NUMBER, &settings.rule.most, "N", "timed runs of a row" },
        { "--seconds", CLI_POSITIVE, &settings.rule.seconds, "S", "the most for one row, others run by turns" },
        { "--warm-up", CLI_POSITIVE, &settings.rule.warm_up_seconds, "S", "before a problem is timed" },
        { "--time-budget", CLI_REAL, &settings.budget, "S", "for everything; 0: no end" },
        { "--filter", CLI_TEXT, &given.filter, "TEXT", "only problems whose line has it" },
        { "--out", CLI_REPEAT, &given.out, "FILE", "also write a report: .json (all samples), .csv, .md" },
        { "--tags", CLI_REPEAT, &given.tags, "NAME=VALUE", "to tell this report's rows by" },
        { "--seed", CLI_SEED, &settings.seed, "N", "of values and order" },
        { "--list", CLI_FLAG, &given.list, NULL, "print the problems and end" },
        { "--profile", CLI_FLAG, &settings.once, NULL, "run each once, unchecked, for a profiler" },
        CLI_PLUGIN_FLAG(given.plugins), { 0 } };
    cli_list words;
    bench_cases cases = { 0 };
    tern_error error = { 0 };
    int status = cli_parse(&command, flags, argc, argv, &words);
    if (status >= 0)
        return status;
    if ((status = choose("--pass", given.passes, passes, settings.passes, 3)) != CLI_OK ||
        (status = choose("--cache", given.caches, caches, cache, 2)) != CLI_OK ||
        (status = parse_threads(given.threads, &settings)) != CLI_OK)
        return status;
    settings.prepare = load_plugins;
    settings.user = &given.plugins;
    settings.hot = cache[0];
    settings.cold = cache[1];
    settings.rule.goal = given.percent / 100;
    if (split(given.providers, provider_room, sizeof provider_room, settings.providers, BENCH_LIST - 1) < 0 ||
        split(given.simd, simd_room, sizeof simd_room, settings.simd, BENCH_LIST - 1) < 0)
        return cli_misused("bench", "--provider and --simd take up to %d names", BENCH_LIST - 1);
    static char tag_room[CLI_MAX_REPEAT][64];
    bench_tag tags[CLI_MAX_REPEAT];
    if (!split_tags(&given.tags, tags, tag_room))
        return cli_misused("bench", "--tags wants NAME=VALUE");
    for (int i = 0; i < given.out.count; i++)
        if (!bench_report_knows(given.out.items[i], &error))
            return cli_misused("bench", "--out: %s", error.message);
    join(argc, argv, typed, sizeof typed);
    if (!collect(&cases, &words, &given, &error))
        status = cli_fail("bench", "%s", error.message);
    else if (!cases.count)
        status = cli_fail("bench", "no problem is left%s%s", given.filter ? " that has " : "", given.filter ? given.filter : "");
    else if (given.list)
        print_cases(&cases);
    else
        status = run(&settings, &cases, &given, typed);
    bench_cases_free(&cases);
    return status < 0 ? CLI_OK : status;
}
