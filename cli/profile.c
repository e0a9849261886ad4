/* tern profile: another command, watched. */
#include "cli/commands.h"

#include "bench/measure/memory.h"
#include "bench/profile/report.h"
#include "bench/profile/trace.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const cli_command command = {
    "profile", "[options] -- train|eval|predict ARGUMENTS",
    "Runs the command that follows -- and says where its time and memory went: by layer, forward\n"
    "and backward apart, by op, and outside of all ops.  FLOPs and bytes are those of the ops'\n"
    "contracts; the roofline is measured after the run.  docs/profiling.md explains the report.",
    "  tern profile --trace trace.json -- train --data demo/data/manifest.tsv \\\n"
    "      --run runs/profiled --epochs 1\n"
    "  tern profile --save-shapes shapes.json -- eval --run runs/profiled \\\n"
    "      --data demo/data/manifest.tsv",
    .least = 0, .most = 0,
};

typedef struct watched {
    const char *name;
    int (*run)(int argc, char **argv, const tern_observer *observer);
} watched;

static const watched commands[] = {
    { "train", cli_train }, { "eval", cli_eval }, { "predict", cli_predict },
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

typedef struct profile_flags {
    const char *trace, *shapes;
    double least; /* percent */
    bool json;
} profile_flags;

/* NULL, and the message has been printed, if there is none of this name. */
static const watched *find_command(const char *name)
{
    const char *names[COMMANDS];
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
        names[i] = commands[i].name;
    }
    const char *nearest = tern_nearest_name(name, names, COMMANDS);
    cli_misused("profile", "%s cannot be profiled, train, eval and predict can%s%s%s", name,
                nearest ? ": did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    return NULL;
}

/* "tern train --data ..." */
static void command_text(int argc, char **argv, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "tern");
    for (int i = 0; i < argc && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, " %s", argv[i]);
}

/* Until it is undone, what is printed to stdout goes to stderr.  -1 if that cannot be. */
static int divert_output(void)
{
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    if (kept >= 0)
        dup2(STDERR_FILENO, STDOUT_FILENO);
    return kept;
}

static void restore_output(int kept)
{
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
}

static void print_json(const profile_report *profile)
{
    json_t *json = profile_json(profile);
    json_dumpf(json, stdout, JSON_REAL_PRECISION(9) | JSON_INDENT(1));
    printf("\n");
    json_decref(json);
}

/* Everything that was asked for; what fails does not keep the rest from being told. */
static int report(profile_recorder *recorder, const profile_flags *flags)
{
    profile_report profile = { .recorder = recorder, .process_bytes = bench_peak_resident_bytes(),
                              .least = flags->least / 100 };
    profile_roof roof;
    tern_error error = { 0 };
    int status = CLI_OK;
    if (strcmp(recorder->device, "cpu") == 0) {
        if (!profile_roof_measure(&roof, recorder->threads, recorder->simd, &error))
            return cli_fail("profile", "%s", error.message);
        profile_roof_apply(&roof, recorder);
        profile.roof = &roof;
    }
    if (flags->json)
        print_json(&profile);
    else
        profile_print(&profile, stdout);
    if (flags->trace && !profile_trace_write(recorder, flags->trace, &error))
        status = cli_fail("profile", "%s", error.message);
    error = (tern_error){ 0 };
    if (flags->shapes && !profile_problems_save(&recorder->problems, flags->shapes,
                                              recorder->command, recorder->steps, &error))
        status = cli_fail("profile", "%s", error.message);
    if (recorder->events_left_out)
        fprintf(stderr, "tern profile: %s: the last %lld of %lld spans and kernels are not in it\n",
                flags->trace, (long long)recorder->events_left_out, (long long)recorder->heard);
    return status;
}

/* A file that cannot be written is better told before an hour of training than after. */
static bool can_write(const char *path)
{
    FILE *file = path ? fopen(path, "a") : NULL;
    bool ok = !path || (file && fclose(file) == 0);
    if (!ok)
        cli_fail("profile", "%s: it cannot be written: %s", path, strerror(errno));
    return ok;
}

static int watch(const watched *what, int argc, char **argv, const profile_flags *flags)
{
    profile_recorder recorder;
    char text[PROFILE_MODEL_BYTES];
    if (!can_write(flags->trace) || !can_write(flags->shapes))
        return CLI_FAILED;
    command_text(argc, argv, text, sizeof text);
    if (!profile_recorder_begin(&recorder, what->name, flags->trace != NULL))
        return cli_fail("profile", "no memory to record with");
    snprintf(recorder.command, sizeof recorder.command, "%s", text);
    int kept = flags->json ? divert_output() : -1;
    int status = what->run(argc, argv, &recorder.observer);
    profile_recorder_end(&recorder);
    if (kept >= 0)
        restore_output(kept);
    if (flags->json && kept < 0)
        status = cli_fail("profile", "stdout: %s", strerror(errno));
    /* Of a command that failed, or was only asked for its --help, there is nothing to tell;
     * one that was interrupted has run. */
    else if (recorder.steps && status != CLI_FAILED && status != CLI_USAGE) {
        int reported = report(&recorder, flags);
        status = reported == CLI_OK ? status : reported;
    }
    profile_recorder_free(&recorder);
    return status;
}

int cmd_profile(int argc, char **argv)
{
    profile_flags flags = { .least = 1 };
    cli_list words;
    const cli_flag table[] = {
        { "--trace", CLI_TEXT, &flags.trace, "FILE",
          "write trace events for ui.perfetto.dev or chrome://tracing" },
        { "--save-shapes", CLI_TEXT, &flags.shapes, "FILE",
          "write the problems of all ops, for tern bench --shapes" },
        { "--least", CLI_REAL, &flags.least, "PERCENT",
          "sum up what took less of the time" },
        { "--json", CLI_FLAG, &flags.json, NULL,
          "report as JSON; what the command prints goes to stderr" },
        { 0 },
    };
    int own = 1; /* arguments before -- */
    while (own < argc && strcmp(argv[own], "--") != 0)
        own++;
    if (own == argc && argc > 1 && *argv[1] != '-')
        return cli_misused("profile", "-- is wanted before the command: tern profile -- %s ...",
                           argv[1]);
    int status = cli_parse(&command, table, own, argv, &words);
    if (status >= 0)
        return status;
    if (own + 1 >= argc)
        return cli_misused("profile", "wanted: tern %s %s", command.name, command.usage);
    const watched *what = find_command(argv[own + 1]);
    return what ? watch(what, argc - own - 1, argv + own + 1, &flags) : CLI_USAGE;
}
