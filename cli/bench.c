/* tern bench: how fast ops are, each beside other libraries, checked in the same run; and
 * what is done with its reports. */
#include "cli/bench_flags.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/open.h"

#include "bench/report/table.h"
#include "bench/suite/outline.h"
#include "bench/workload/serve.h"
#include "core/registry.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void load_plugins(tern_ctx *ctx, void *user)
{
    const bench_flags *flags = user;
    for (int i = 0; i < flags->plugins.count; i++)
        tern_load_plugin(ctx, flags->plugins.items[i]);
}

static void show_progress(int problem, int problems, const char *text, void *user)
{
    (void)user;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K%d/%d  %.90s", problem + 1, problems, text);
}

static int write_reports(const bench_suite *suite, const bench_flags *flags)
{
    tern_error error = { 0 };
    bench_about about = { flags->typed, flags->tag, flags->tags.count };
    for (int i = 0; i < flags->out.count; i++)
        if (!bench_report_write(suite, &about, flags->out.items[i], &error))
            return cli_fail("bench", "%s", error.message);
    return CLI_OK;
}

static bool all_ok(const bench_suite *suite)
{
    for (int i = 0; i < suite->count; i++)
        if (suite->results[i].failed ||
            (!suite->results[i].skipped &&
             strcmp(bench_result_verdict(&suite->results[i]), "ok") != 0))
            return false;
    return true;
}

static int run(const bench_flags *flags, const bench_cases *cases)
{
    tern_error error = { 0 };
    bench_suite suite;
    cli_catch_interrupts();
    bool ran = bench_suite_run(&suite, &flags->settings, cases, &error);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    int status = ran ? CLI_OK : cli_fail("bench", "%s", error.message);
    if (ran && !flags->settings.once) {
        bench_print_table(stdout, &suite);
        status = write_reports(&suite, flags);
        if (!all_ok(&suite) && status == CLI_OK)
            status = cli_fail("bench", "some rows are wrong or suspect: see the last column");
    }
    if (suite.interrupted)
        status = cli_interrupt_status();
    bench_suite_free(&suite);
    return status;
}

static int outline(const bench_flags *flags, const bench_cases *cases)
{
    tern_error error = { 0 };
    bench_suite suite;
    bool ok = bench_suite_outline(&suite, &flags->settings, cases, &error);
    if (ok)
        bench_print_outline(stdout, &suite);
    bench_suite_free(&suite);
    return ok ? CLI_OK : cli_fail("bench", "%s", error.message);
}

static void print_cases(const bench_cases *cases)
{
    for (int i = 0; i < cases->count; i++)
        printf("%-20s %s%s%s%s%s\n", bench_case_name(&cases->of[i]), cases->of[i].inputs,
               *cases->of[i].options ? "  " : "", cases->of[i].options,
               cases->of[i].has_pass ? "  " : "",
               cases->of[i].has_pass ? bench_pass_name((bench_pass)cases->of[i].pass) : "");
}

/* How whole models are timed: by this very program. */
static void name_server(bench_flags *flags)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0 || memchr(path, '\'', (size_t)length))
        return; /* their rows say that it is missing */
    snprintf(flags->serve, sizeof flags->serve, "exec '%.*s' bench serve", (int)length, path);
    flags->settings.serve = flags->serve;
}

int cmd_bench(int argc, char **argv)
{
    static bench_flags flags;
    if (argc > 1 && strcmp(argv[1], "compare") == 0)
        return cmd_bench_compare(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "plot") == 0)
        return cmd_bench_plot(argc - 1, argv + 1);
    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        return bench_serve(stdin, stdout) ? CLI_OK : CLI_FAILED;
    if (argc > 1 && strcmp(argv[1], "show") == 0)
        return cmd_bench_show(argc - 1, argv + 1);
    bench_cases cases = { 0 };
    tern_error error = { 0 };
    int status = bench_flags_parse(&flags, argc, argv);
    if (status >= 0)
        return status;
    flags.settings.prepare = load_plugins;
    flags.settings.progress = show_progress;
    flags.settings.user = &flags;
    name_server(&flags);
    tern_ctx *ctx = cli_open((tern_ctx_opts){ .device = "meta" }, &flags.plugins, &error);
    if (!ctx || !bench_flags_cases(&flags, ctx, &cases, &error))
        status = cli_misused("bench", "%s", error.message);
    else if (flags.list)
        print_cases(&cases);
    else if (!bench_flags_check(&flags, &cases, &error))
        status = cli_fail("bench", "%s", error.message);
    else if (flags.dry_run)
        status = outline(&flags, &cases);
    else
        status = run(&flags, &cases);
    bench_cases_free(&cases);
    tern_ctx_free(ctx);
    return status < 0 ? CLI_OK : status;
}
