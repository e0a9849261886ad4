/* tern bench plot: pictures of a report. */
#include "cli/commands.h"

#include "bench/report/plot.h"

#include <stdio.h>
#include <string.h>

static const cli_command command = {
    "bench plot", "REPORT.json --out FILE [options]",
    "Draws a report of `tern bench --out`, as SVG or PNG by the ending of FILE.\n"
    "\n"
    "  roofline   FLOP/s over FLOPs a byte under the measured ceilings; a numbered point a row\n"
    "  scaling    speed over the size in which rows differ; a line a provider and thread count",
    "  tern bench plot report.json --kind scaling --filter matmul --out matmul.svg",
    .least = 1, .most = 1,
};

typedef bool plotter(const bench_recorded *report, bench_plot_opts opts, const char *path,
                     bench_plot_left *left, tern_error *error);

static const struct { const char *name; plotter *draw; const char *no_place; } kinds[] = {
    { "roofline", bench_plot_roofline, "without FLOPs or bytes" },
    { "scaling", bench_plot_scaling, "of no sweep" },
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* KINDS if there is none of that name. */
static int find_kind(const char *name)
{
    int kind = 0;
    while (kind < KINDS && strcmp(kinds[kind].name, name) != 0)
        kind++;
    return kind;
}

static int misnamed(const char *name)
{
    const char *names[KINDS];
    for (int i = 0; i < KINDS; i++)
        names[i] = kinds[i].name;
    const char *nearest = tern_nearest_name(name, names, KINDS);
    return cli_misused("bench plot", "there is no kind %s%s%s%s; roofline or scaling", name,
                       nearest ? ", did you mean " : "", nearest ? nearest : "",
                       nearest ? "?" : "");
}

static int draw(int kind, const char *from, bench_plot_opts opts, const char *to)
{
    tern_error error = { 0 };
    bench_plot_left left;
    bench_recorded *report = bench_recorded_read(from, &error);
    bool ok = report && kinds[kind].draw(report, opts, to, &left, &error);
    bench_recorded_free(report);
    if (!ok)
        return cli_fail("bench plot", "%s", error.message);
    if (left.uncounted + left.unplaced)
        fprintf(stderr, "tern bench plot: not drawn: %d rows whose verdict is not ok, %d %s\n",
                left.uncounted, left.unplaced, kinds[kind].no_place);
    printf("%s: %d rows\n", to, left.shown);
    return CLI_OK;
}

int cmd_bench_plot(int argc, char **argv)
{
    const char *out = NULL, *kind = kinds[0].name;
    bench_plot_opts opts = { 0 };
    cli_list words;
    const cli_flag flags[] = {
        { "--out", CLI_TEXT, &out, "FILE", "picture to write: .svg or .png" },
        { "--kind", CLI_TEXT, &kind, "KIND", "roofline or scaling" },
        { "--filter", CLI_TEXT, &opts.filter, "TEXT", "only rows whose name holds its words" },
        { 0 },
    };
    int status = cli_parse(&command, flags, argc, argv, &words);
    if (status >= 0)
        return status;
    int found = find_kind(kind);
    if (found == KINDS)
        return misnamed(kind);
    if (!out)
        return cli_misused("bench plot", "--out is needed");
    return draw(found, words.items[0], opts, out);
}
