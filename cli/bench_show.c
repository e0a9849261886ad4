/* tern bench show: a report as Markdown, for the page of a folder of results. */
#include "cli/commands.h"

#include "bench/report/markdown.h"

#include <stdio.h>

static const cli_command command = {
    "bench show", "REPORT.json [options]",
    "Prints a report of `tern bench --out` as Markdown: the machine, its ceilings, and a line for\n"
    "each row, hot and cold side by side.  Of the problems of a model, --worst says where a step\n"
    "loses time against the rooflines of its ops.",
    "  tern bench show report.json --worst 20",
    .least = 1, .most = 1,
};

int cmd_bench_show(int argc, char **argv)
{
    int worst = 0;
    bool bare = false, host = false;
    cli_list words;
    tern_error error = { 0 };
    const cli_flag flags[] = {
        { "--worst", CLI_NUMBER, &worst, "N", "only the rows that lose the most of a step's time" },
        { "--host", CLI_FLAG, &host, NULL, "only the machine" },
        { "--bare", CLI_FLAG, &bare, NULL, "without the machine" },
        { 0 },
    };
    int status = cli_parse(&command, flags, argc, argv, &words);
    if (status >= 0)
        return status;
    bench_recorded *report = bench_recorded_read(words.items[0], &error);
    if (report && !bare)
        bench_markdown_host(report, stdout);
    if (report && !bare && !host)
        putchar('\n');
    if (report && worst)
        bench_markdown_worst(report, worst, stdout, &error);
    else if (report && !host)
        bench_markdown_rows(report, stdout);
    bench_recorded_free(report);
    return error.code ? cli_fail("bench show", "%s", error.message) : CLI_OK;
}
