#include "cli/bench_flags.h"

#include "cli/interrupt.h"
#include "core/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_command command = {
    "bench", "[OP|MODEL|GROUP]...",
    "Times ops on the sample problems of their contracts, or on --inputs, by every provider\n"
    "there is, by turns; checks every result against the float64 loops of ref before and\n"
    "after.  A model stands for the problems of one training step of it (cnn, lstm,\n"
    "transformer, crossmodal, trimodal-concat, -attention, -crossmodal), a group for the ops\n"
    "of a folder of kernels/, such as elementwise; without any, all ops are timed.\n"
    "--model names whole models instead: batch-1 inference and a training step, each in a\n"
    "process of its own, with its memory.  A --peer is a program that times the same problems\n"
    "in another framework (bench/process/peer.h).\n"
    "`tern bench compare A.json B.json` says what became faster or slower; `tern bench plot`\n"
    "draws rooflines and speed along a size; `tern bench show` makes a page of a report.  Each\n"
    "has a --help of its own.",
    "  tern bench matmul --shape M=1:128:x2,K=512,N=512 --pass fwd,bwd\n"
    "  tern bench conv2d --inputs 'x=[16,32,32,64] weight=[64,3,3,64]' --set pad=1,1\n"
    "  tern bench --model lstm --peer 'eager=bench/peers/peer eager'",
    .least = 0, .most = CLI_MAX_REPEAT,
};

/* "a,b,c" into an array of texts, which lie in `room`; how many, or -1 if there are more. */
static int split(const char *text, char *room, size_t size, const char **items, int most)
{
    int count = 0;
    if (text && strlen(text) >= size)
        return -1;
    snprintf(room, size, "%s", text ? text : "");
    for (char *rest = room, *item; (item = strsep(&rest, ","));)
        if (*item) {
            if (count == most)
                return -1;
            items[count++] = item;
        }
    return count;
}

/* "fwd,bwd" into which of the names were chosen; -1 or the exit status. */
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
    return given > 0 ? -1 : cli_misused("bench", "%s wants names with commas between them", flag);
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
    return count > 0 ? -1 : cli_misused("bench", "--threads wants up to %d numbers", BENCH_LIST);
}

static int parse_tags(bench_flags *flags)
{
    for (int i = 0; i < flags->tags.count; i++) {
        const char *text = flags->tags.items[i], *equals = strchr(text, '=');
        if (!equals || equals == text || equals - text >= (int)sizeof flags->tag_names[i])
            return cli_misused("bench", "--tags %s: NAME=VALUE wanted", text);
        snprintf(flags->tag_names[i], sizeof flags->tag_names[i], "%.*s", (int)(equals - text),
                 text);
        flags->tag[i] = (bench_tag){ flags->tag_names[i], equals + 1 };
    }
    return -1;
}

/* Cuts off ":model" or ":op", for which alone the peer is asked. */
static void take_kind(char *name, bench_peer_given *peer)
{
    char *colon = strrchr(name, ':');
    peer->no_ops = colon && strcmp(colon, ":model") == 0;
    peer->no_models = colon && strcmp(colon, ":op") == 0;
    if (peer->no_ops || peer->no_models)
        *colon = '\0';
}

/* "NAME=COMMAND" or "NAME:model=COMMAND", NAME being none of tern's own providers. */
static int parse_peers(bench_flags *flags)
{
    static const char *const own[] = { "hand", "openblas", "ref" };
    bench_settings *settings = &flags->settings;
    if (flags->peers.count > BENCH_PEERS)
        return cli_misused("bench", "--peer: at most %d", BENCH_PEERS);
    for (int i = 0; i < flags->peers.count; i++) {
        const char *text = flags->peers.items[i], *equals = strchr(text, '=');
        char *name = flags->peer_names[i];
        if (!equals || equals == text || !equals[1] || equals - text >= BENCH_NAME)
            return cli_misused("bench", "--peer %s: NAME=COMMAND wanted", text);
        snprintf(name, BENCH_NAME, "%.*s", (int)(equals - text), text);
        bench_peer_given *peer = &settings->peers[settings->peer_count++];
        *peer = (bench_peer_given){ .name = name, .command = equals + 1 };
        take_kind(name, peer);
        for (size_t j = 0; j < sizeof own / sizeof *own; j++)
            if (strcmp(name, own[j]) == 0)
                return cli_misused("bench", "--peer %s: that is a provider of tern's own", name);
        for (int j = 0; j < i; j++)
            if (strcmp(name, flags->peer_names[j]) == 0)
                return cli_misused("bench", "--peer %s: there are two of that name", name);
    }
    return settings->dropout >= 0 && settings->dropout < 1
               ? -1 : cli_misused("bench", "--dropout wants a number from 0 to below 1");
}

static int parse_files(const bench_flags *flags)
{
    tern_error error = { 0 };
    for (int i = 0; i < flags->out.count; i++)
        if (!bench_report_knows(flags->out.items[i], &error))
            return cli_misused("bench", "--out %s", error.message);
    return -1;
}

/* What each row's command needs. */
static int join_plugins(bench_flags *flags)
{
    size_t used = 0;
    for (int i = 0; i < flags->plugins.count && used < sizeof flags->more; i++)
        used += (size_t)snprintf(flags->more + used, sizeof flags->more - used, " --plugin '%s'",
                                 flags->plugins.items[i]);
    if (used >= sizeof flags->more)
        return cli_misused("bench", "the --plugin files have too long names");
    flags->settings.more = flags->more;
    return -1;
}

/* Lists and choices, once the flags are in their places. */
static int parse_values(bench_flags *flags)
{
    static const char *const passes[] = { "fwd", "bwd", "both", "infer", "train" };
    static const char *const caches[] = { "hot", "cold" };
    bench_settings *settings = &flags->settings;
    bool cache[2] = { false };
    int status = choose("--pass", flags->passes, passes, settings->passes, BENCH_PASSES);
    if (status < 0)
        status = choose("--cache", flags->caches, caches, cache, 2);
    if (status < 0)
        status = parse_threads(flags->threads, settings);
    if (status < 0)
        status = parse_tags(flags);
    if (status < 0)
        status = parse_files(flags);
    if (status < 0)
        status = join_plugins(flags);
    if (status < 0)
        status = parse_peers(flags);
    if (status < 0 && (split(flags->providers, flags->room[0], sizeof flags->room[0],
                             settings->providers, BENCH_LIST - 1) < 0 ||
                       split(flags->simd, flags->room[1], sizeof flags->room[1], settings->simd,
                             BENCH_LIST - 1) < 0))
        status = cli_misused("bench", "--provider and --simd take up to %d names", BENCH_LIST - 1);
    settings->hot = cache[0];
    settings->cold = cache[1];
    settings->rule.goal = flags->percent / 100;
    return status;
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

int bench_flags_parse(bench_flags *f, int argc, char **argv)
{
    *f = (bench_flags){ .passes = "fwd,infer,train", .threads = "1", .caches = "hot,cold", .percent = 1,
                        .settings = { .rule = bench_stop_rule_default(), .ceilings = 1, .seed = 1,
                                      .dropout = 0.1, .peer_seconds = 300,
                                      .stop = cli_is_interrupted } };
    bench_settings *s = &f->settings;
    const cli_flag flags[] = {
        { "--inputs", CLI_TEXT, &f->inputs, "TEXT", "shapes; letters may stand for sizes" },
        { "--set", CLI_REPEAT, &f->set, "OPTION=VALUE", "an option of the op" },
        { "--shape", CLI_TEXT, &f->shape, "LIST", "values of letters: M=8:4096:x2,K=512" },
        { "--shapes", CLI_TEXT, &f->shapes, "FILE", "problems of tern profile --save-shapes" },
        { "--model", CLI_TEXT, &f->models, "LIST", "whole models, or all" },
        { "--pass", CLI_TEXT, &f->passes, "LIST",
          "of ops fwd, bwd, both; of --model infer, train" },
        { "--gradients", CLI_TEXT, &f->gradients, "LIST", "of bwd: inputs that want one (all)" },
        { "--provider", CLI_TEXT, &f->providers, "LIST", "only these (all)" },
        { "--threads", CLI_TEXT, &f->threads, "LIST", "numbers of threads" },
        { "--simd", CLI_TEXT, &f->simd, "LIST", "avx512, avx2, base (the best there is)" },
        { "--dtype", CLI_TEXT, &f->dtype, "NAME", "f32; f64 on ref (what the device has)" },
        { "--device", CLI_TEXT, &s->device, "NAME", "cpu, ref, cuda-sim (cpu)" },
        { "--cache", CLI_TEXT, &f->caches, "LIST", "hot, cold" },
        { "--filter", CLI_TEXT, &f->filter, "TEXT", "only problems whose line has it" },
        { "--error", CLI_POSITIVE, &f->percent, "PERCENT", "stop when a median is known so well" },
        { "--least", CLI_NUMBER, &s->rule.least, "N", "timed runs of a row" },
        { "--most", CLI_NUMBER, &s->rule.most, "N", "timed runs of a row" },
        { "--seconds", CLI_POSITIVE, &s->rule.seconds, "S", "for a row, others taking turns" },
        { "--warm-up", CLI_POSITIVE, &s->rule.warm_up_seconds, "S", "before a problem's rounds" },
        { "--time-budget", CLI_REAL, &s->budget, "S", "for everything; 0: no end" },
        { "--out", CLI_REPEAT, &f->out, "FILE", "also write a .json (all samples), .csv or .md" },
        { "--tags", CLI_REPEAT, &f->tags, "NAME=VALUE", "to tell this report's rows by" },
        { "--seed", CLI_SEED, &s->seed, "N", "of values and order" },
        { "--list", CLI_FLAG, &f->list, NULL, "print the problems, time nothing" },
        { "--dry-run", CLI_FLAG, &f->dry_run, NULL, "print what would be timed, time nothing" },
        { "--profile", CLI_FLAG, &s->once, NULL, "run each once, unchecked, for a profiler" },
        { "--peer", CLI_REPEAT, &f->peers, "NAME=COMMAND",
          "another provider, a program; NAME:model or NAME:op: of these alone" },
        { "--peer-seconds", CLI_POSITIVE, &s->peer_seconds, "S", "a peer's time for an answer" },
        { "--dropout", CLI_REAL, &s->dropout, "P", "of training steps of trimodal --models" },
        { "--plugin", CLI_REPEAT, &f->plugins, "FILE", "your own ops or providers" }, { 0 } };
    int status = cli_parse(&command, flags, argc, argv, &f->words);
    join(argc, argv, f->typed, sizeof f->typed);
    return status >= 0 ? status : parse_values(f);
}
