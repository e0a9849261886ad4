/* tern bench compare: two reports, row by row.  Its exit status is for scripts. */
#include "cli/commands.h"

#include "bench/report/compare_write.h"
#include "bench/report/plot.h"

#include <errno.h>
#include <string.h>

static const cli_command command = {
    "bench compare", "A.json B.json [options]",
    "What became faster or slower from report A to report B (of `tern bench --out`): of each\n"
    "row that both have, the change of the median time with a bootstrap interval.\n"
    "\n"
    "  slower, faster  the change is as large as the threshold, and the interval excludes none\n"
    "  same            the interval excludes a change as large as the threshold\n"
    "  ambiguous       neither: more samples are needed, or a quieter machine\n"
    "\n"
    "exit status: 0 nothing is slower, 1 something is slower or gives wrong values now, 2 error",
    "  tern bench compare before.json after.json --threshold 5 --plot change.svg",
    .least = 2, .most = 2,
};

enum { NOTHING_SLOWER = 0, SOMETHING_SLOWER = 1, COMPARE_FAILED = 2 };

static int fail(const tern_error *error)
{
    cli_fail("bench compare", "%s", error->message);
    return COMPARE_FAILED;
}

static int write_result(const bench_comparison *comparison, bool json, const char *plot)
{
    tern_error error = { 0 };
    if (plot && !bench_plot_compare(comparison, plot, &error))
        return fail(&error);
    if (json)
        bench_comparison_json(comparison, stdout);
    else
        bench_comparison_print(comparison, stdout);
    /* Told here: main's own status for it would read "something is slower". */
    if (fflush(stdout) != 0 || ferror(stdout))
        return COMPARE_FAILED;
    return comparison->counts[BENCH_SLOWER] + comparison->broken ? SOMETHING_SLOWER
                                                                 : NOTHING_SLOWER;
}

int cmd_bench_compare(int argc, char **argv)
{
    double threshold = 3, confidence = 95;
    const char *plot = NULL;
    bool json = false;
    uint64_t seed = 1;
    cli_list words;
    tern_error error = { 0 };
    const cli_flag flags[] = {
        { "--threshold", CLI_POSITIVE, &threshold, "PERCENT", "least change that counts" },
        { "--confidence", CLI_POSITIVE, &confidence, "PERCENT", "of the intervals" },
        { "--json", CLI_FLAG, &json, NULL, "print the comparison as JSON" },
        { "--plot", CLI_TEXT, &plot, "FILE", "draw it: .svg or .png" },
        { "--seed", CLI_SEED, &seed, "N", "of the bootstrap" },
        { 0 },
    };
    int status = cli_parse(&command, flags, argc, argv, &words);
    if (status >= 0)
        return status;
    if (!(threshold < 1000) || !(confidence >= 50 && confidence <= 99.9))
        return cli_misused("bench compare", "--threshold is below 1000 %% and --confidence from "
                           "50 to 99.9 %%");
    bench_comparison comparison = { 0 };
    bench_compare_opts opts = { 0.01 * threshold, 0.01 * confidence, seed };
    bench_recorded *a = bench_recorded_read(words.items[0], &error);
    bench_recorded *b = a ? bench_recorded_read(words.items[1], &error) : NULL;
    bool ok = b && bench_compare(a, b, opts, &comparison, &error);
    status = ok ? write_result(&comparison, json, plot) : fail(&error);
    bench_comparison_free(&comparison);
    bench_recorded_free(a);
    bench_recorded_free(b);
    return status;
}
