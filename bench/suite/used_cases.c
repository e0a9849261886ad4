/* Whole models, and problems that a model's step or a recorded run used. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/profile/problems.h"
#include "bench/suite/cases.h"
#include "bench/suite/row.h"
#include "bench/workload/workload.h"
#include "core/observer.h"
#include "kernels/table.h"

/* The range that a sample of the op gives an input of that name: a second moment, for one, is
 * above zero. */
static bool range_of(const tern_op *op, const char *name, double range[2])
{
    tern_error error = { 0 };
    tern_sample_input spec;
    for (const tern_sample *sample = op->samples; sample && sample->uses; sample++)
        for (const char *at = sample->inputs; (at = tern_sample_next(at, &spec, &error));)
            if (sample->uses & TERN_SAMPLE_BENCH && spec.has_range &&
                strcmp(spec.name, name) == 0) {
                range[0] = spec.low;
                range[1] = spec.high;
                return true;
            }
    return false;
}

/* The inputs once more, with ranges for real ones that have none; NULL without memory. */
static char *with_ranges(const tern_op *op, const char *inputs, tern_error *error)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    tern_sample_input spec;
    for (const char *at = inputs; to && (at = tern_sample_next(at, &spec, error));) {
        double range[2] = { spec.low, spec.high };
        fprintf(to, "%s%s=[", ftell(to) > 0 ? " " : "", spec.name);
        for (int axis = 0; axis < spec.rank; axis++)
            fprintf(to, "%s%lld", axis ? "," : "", (long long)spec.shape[axis]);
        fputc(']', to);
        if (spec.has_range || range_of(op, spec.name, range))
            fprintf(to, "{%.9g..%.9g}", range[0], range[1]);
    }
    if (to && fclose(to) == 0 && !error->code)
        return text;
    free(text);
    return NULL;
}

static bool add_used(bench_cases *cases, const tern_op *op, const char *inputs,
                     const char *options, bench_pass pass, const char *gradients, double count,
                     tern_error *error)
{
    bench_case made = { .op = op, .inputs = with_ranges(op, inputs, error),
                        .options = strdup(options), .axes = strdup(""), .has_pass = true,
                        .pass = (int)pass, .count = count };
    made.gradients = gradients ? strdup(gradients) : NULL;
    return bench_cases_take(cases, made, error);
}

/* ---------------------------------------------------------------- models -- */

static void note(const tern_observed_op *op, void *user)
{
    profile_problems *problems = user;
    int number = profile_problems_note(problems, op, profile_problem_key(op));
    if (number >= 0)
        problems->seen[number].calls++;
}

/* Ops that only give their input another shape are no problems. */
static bool add_seen(bench_cases *cases, const profile_problems *problems, tern_error *error)
{
    bool ok = true;
    for (int i = 0; i < problems->count && ok; i++) {
        const profile_problem *seen = &problems->seen[i];
        bool backward = seen->pass == TERN_PASS_BACKWARD;
        if (seen->pass != TERN_PASS_RESTORE && !seen->op->aliases)
            ok = add_used(cases, seen->op, seen->inputs, seen->options,
                          backward ? BENCH_BACKWARD : BENCH_FORWARD,
                          backward ? seen->gradients : NULL, (double)seen->calls, error);
    }
    return ok;
}

bool bench_cases_add_model(bench_cases *cases, const bench_model *model, tern_error *error)
{
    bench_workload work = { 0 };
    profile_problems problems = { 0 };
    const tern_observer observer = { .op_end = note, .user = &problems };
    bench_opts opts = { .threads = 1, .dropout = 0.1, .seed = 1 };
    bool ok = bench_workload_open(&work, model, &opts, error);
    if (ok) {
        tern_observe(work.ctx, &observer);
        bench_workload_train(&work);
        ok = tern_ok(work.ctx);
        if (!ok)
            *error = *tern_ctx_error(work.ctx);
    }
    bench_workload_close(&work);
    ok = ok && add_seen(cases, &problems, error);
    profile_problems_free(&problems);
    return ok;
}

/* "image=[1,64,64,3]"; NULL without memory. */
static char *inputs_of(const bench_model *model, int64_t rows)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    for (int i = 0; to && model->inputs[i].name; i++) {
        const bench_input *input = &model->inputs[i];
        fprintf(to, "%s%s=[%lld", i ? " " : "", input->name, (long long)rows);
        for (int axis = 1; axis < input->rank; axis++)
            fprintf(to, ",%lld", (long long)input->shape[axis]);
        fputc(']', to);
    }
    if (to && fclose(to) == 0)
        return text;
    free(text);
    return NULL;
}

bool bench_cases_add_whole_model(bench_cases *cases, const bench_model *model, int pass,
                                 tern_error *error)
{
    bench_case made = { .model = model,
                        .inputs = inputs_of(model, pass == BENCH_TRAIN ? model->rows : 1),
                        .options = strdup(""), .axes = strdup(""), .has_pass = true,
                        .pass = pass, .count = 1 };
    return bench_cases_take(cases, made, error);
}

const char *bench_case_name(const bench_case *of)
{
    return of->model ? of->model->name : of->op->name;
}

/* ----------------------------------------------------------------- files -- */

static bool add_problem(bench_cases *cases, const char *path, size_t number, json_t *json,
                        tern_error *error)
{
    const char *name = NULL, *inputs = NULL, *options = "", *pass = NULL, *gradients = NULL;
    json_int_t count = 1;
    json_error_t wrong;
    tern_error unknown = { 0 };
    if (json_unpack_ex(json, &wrong, 0, "{s:s, s:s, s?s, s:s, s?s, s?I}", "op", &name, "inputs",
                       &inputs, "options", &options, "pass", &pass, "gradients", &gradients,
                       "count", &count) != 0)
        return tern_error_set(error, TERN_ERR_FORMAT, "%s: problems[%zu]: %s", path, number,
                              wrong.text);
    const tern_op *op = tern_op_find(name, &unknown);
    if (!op)
        return tern_error_set(error, TERN_ERR_FORMAT, "%s: problems[%zu]: %.200s", path, number,
                              unknown.message);
    if (strcmp(pass, "fwd") != 0 && strcmp(pass, "bwd") != 0)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "%s: problems[%zu].pass: \"fwd\" or \"bwd\" wanted, not \"%.20s\"",
                              path, number, pass);
    return op->aliases ||
           add_used(cases, op, inputs, options,
                    strcmp(pass, "bwd") == 0 ? BENCH_BACKWARD : BENCH_FORWARD, gradients,
                    (double)count, error);
}

bool bench_cases_add_file(bench_cases *cases, const char *path, tern_error *error)
{
    json_error_t wrong;
    json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, &wrong);
    const char *format = json_string_value(json_object_get(json, "format"));
    json_t *problems = json_object_get(json, "problems");
    bool ok = true;
    if (!json)
        ok = tern_error_set(error, TERN_ERR_FORMAT, "%s: line %d: %s", path, wrong.line,
                            wrong.text);
    else if (!format || strcmp(format, "tern shapes 1") != 0 || !json_is_array(problems))
        ok = tern_error_set(error, TERN_ERR_FORMAT,
                            "%s is no file of `tern profile --save-shapes`", path);
    for (size_t i = 0; ok && i < json_array_size(problems); i++)
        ok = add_problem(cases, path, i, json_array_get(problems, i), error);
    json_decref(json);
    return ok;
}
