/* What `tern bench` was asked for: its flags, and the problems that they name. */
#ifndef TERN_CLI_BENCH_FLAGS_H
#define TERN_CLI_BENCH_FLAGS_H

#include "bench/report/write.h"
#include "bench/suite/suite.h"
#include "cli/args.h"

enum { BENCH_LISTS = 2 }; /* of providers, of SIMD levels */

typedef struct bench_flags {
    const char *inputs, *shape, *shapes, *models, *passes, *providers, *threads, *simd, *caches, *filter;
    cli_list set, plugins, peers, out, tags, words;
    double percent; /* relative error of the median */
    const char *dtype, *gradients;
    bool list, dry_run;
    bench_settings settings;
    bench_tag tag[CLI_MAX_REPEAT];
    char peer_names[BENCH_PEERS][BENCH_NAME], serve[4200];
    char room[BENCH_LISTS][128], tag_names[CLI_MAX_REPEAT][64]; /* texts that others point into */
    char typed[2048];                                           /* the command line             */
    char more[1024];                                            /* the plugins, as flags        */
} bench_flags;

/* Parses the command line; -1 to go on, or the exit status (the message has been printed). */
int bench_flags_parse(bench_flags *flags, int argc, char **argv);

/* Are there that dtype and those providers?  Else an error that says what there is, or what a
 * library of that name would need. */
bool bench_flags_check(const bench_flags *flags, const bench_cases *cases, tern_error *error);

/* All problems of the words, --inputs, --shape, --shapes, --model and --filter.  ctx has the
 * plugins, and has to stay as long as the cases, which name their ops. */
bool bench_flags_cases(const bench_flags *flags, const tern_ctx *ctx, bench_cases *cases,
                       tern_error *error);

#endif
