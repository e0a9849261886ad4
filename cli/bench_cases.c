/* Which problems `tern bench` times. */
#include "cli/bench_flags.h"

#include "bench/workload/workload.h"
#include "core/registry.h"
#include "kernels/problem.h"
#include "kernels/table.h"

#include <stdio.h>
#include <string.h>

static bool add_op(const bench_flags *flags, bench_cases *cases, const tern_op *op,
                   tern_error *error)
{
    bench_axes axes = { 0 };
    char options[512] = "";
    size_t used = 0;
    for (int i = 0; i < flags->set.count && used < sizeof options; i++)
        used += (size_t)snprintf(options + used, sizeof options - used, "%s%s", i ? " " : "",
                                 flags->set.items[i]);
    if (used >= sizeof options)
        return tern_error_set(error, TERN_ERR_ARGUMENT, "--set: too many options");
    if (!flags->inputs && !flags->shape && !flags->set.count)
        return bench_cases_add_samples(cases, op, error);
    return (!flags->shape || bench_axes_parse(&axes, flags->shape, error)) &&
           bench_cases_add(cases, op, flags->inputs, options, &axes, error);
}

/* The ops of that folder, or all; how many. */
static int add_group(const bench_flags *flags, bench_cases *cases, const char *folder,
                     tern_error *error)
{
    int found = 0;
    for (const tern_op *const *op = tern_op_table(); *op && !error->code; op++)
        if (!folder || strcmp(tern_op_folder(*op), folder) == 0) {
            found++;
            add_op(flags, cases, *op, error);
        }
    return found;
}

static void add_word(const bench_flags *flags, bench_cases *cases, const tern_ctx *ctx,
                     const char *word, tern_error *error)
{
    tern_error unknown = { 0 };
    const bench_model *model;
    const tern_op *op = tern_ctx_op_find(ctx, word, &unknown);
    if (op)
        add_op(flags, cases, op, error);
    else if ((model = bench_model_find(word, &(tern_error){ 0 })))
        bench_cases_add_model(cases, model, error);
    else if (!add_group(flags, cases, word, error))
        *error = unknown;
    const char *const actions[] = { "compare", "plot", "show" };
    const char *nearest = tern_nearest_name(word, actions, 3);
    if (!error->code || !nearest || strstr(error->message, "did you mean"))
        return;
    *error = (tern_error){ 0 };
    tern_error_set(error, TERN_ERR_ARGUMENT, "there is no op %s, did you mean %s?", word, nearest);
}

/* Of "weight,bias", all are inputs of the op that can have a gradient. */
static bool know_gradients(const tern_op *op, const char *names, tern_error *error)
{
    char name[64];
    for (const char *at = names; *at; at += *at == ',') {
        size_t length = strcspn(at, ",");
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        int input = tern_op_input_index(op, name);
        if (input < 0 || !(op->in[input].flags & TERN_DIFF))
            return tern_error_set(error, TERN_ERR_ARGUMENT,
                                  "--gradients: %s has no differentiable input %s", op->name, name);
        at += length;
    }
    return true;
}

/* For all problems whose own are not known. */
static bool choose_gradients(const bench_flags *flags, bench_cases *cases, tern_error *error)
{
    for (int i = 0; flags->gradients && i < cases->count; i++) {
        bench_case *of = &cases->of[i];
        if (of->has_pass)
            continue;
        if (!know_gradients(of->op, flags->gradients, error))
            return false;
        if (!(of->gradients = strdup(flags->gradients)))
            return tern_error_set(error, TERN_ERR_MEMORY, "no memory for a problem");
    }
    return true;
}

static bool add_model(const bench_flags *flags, bench_cases *cases, const bench_model *model,
                      tern_error *error)
{
    const char *device = flags->settings.device;
    bool any = false;
    if (device && strcmp(device, "cpu") != 0)
        return tern_error_set(error, TERN_ERR_ARGUMENT, "--model: whole models are timed on the "
                              "cpu, not on %s", device);
    for (int pass = BENCH_INFER; pass <= BENCH_TRAIN && !error->code; pass++)
        if (flags->settings.passes[pass])
            any = bench_cases_add_whole_model(cases, model, pass, error) || any;
    return any || error->code ||
           tern_error_set(error, TERN_ERR_ARGUMENT, "--pass: of whole models infer or train");
}

/* "cnn,lstm" or "all". */
static void add_models(const bench_flags *flags, bench_cases *cases, tern_error *error)
{
    char name[64];
    bool all = strcmp(flags->models, "all") == 0;
    for (int i = 0; all && bench_models[i] && !error->code; i++)
        add_model(flags, cases, bench_models[i], error);
    for (const char *at = flags->models; !all && *at && !error->code; at += *at == ',') {
        size_t length = strcspn(at, ",");
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        const bench_model *model = bench_model_find(name, error);
        if (model)
            add_model(flags, cases, model, error);
        at += length;
    }
}

static bool filter(const bench_flags *flags, bench_cases *cases, tern_error *error)
{
    for (int i = cases->count - 1; flags->filter && i >= 0; i--) {
        char line[1024];
        snprintf(line, sizeof line, "%s %s %s", bench_case_name(&cases->of[i]), cases->of[i].inputs,
                 cases->of[i].options);
        if (!strstr(line, flags->filter))
            bench_cases_remove(cases, i);
    }
    return cases->count ||
           tern_error_set(error, TERN_ERR_ARGUMENT, "there is no such problem%s%s",
                          flags->filter ? " with " : "", flags->filter ? flags->filter : "");
}

bool bench_flags_cases(const bench_flags *flags, const tern_ctx *ctx, bench_cases *cases,
                       tern_error *error)
{
    for (int i = 0; i < flags->words.count && !error->code; i++)
        add_word(flags, cases, ctx, flags->words.items[i], error);
    if (flags->shapes && !error->code)
        bench_cases_add_file(cases, flags->shapes, error);
    if (flags->models && !error->code)
        add_models(flags, cases, error);
    if (!flags->words.count && !flags->shapes && !flags->models && !error->code)
        add_group(flags, cases, NULL, error);
    return !error->code && choose_gradients(flags, cases, error) && filter(flags, cases, error);
}
