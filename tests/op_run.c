#include "tests/op_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "kernels/problem.h"
#include "kernels/table.h"
#include "tests/check.h"

enum { SEED = 7 };

static double *allocate(int64_t count)
{
    double *values = calloc((size_t)count + 1, sizeof *values);
    if (!values)
        fail_msg("no memory for %lld values", (long long)count);
    return values;
}

/* ------------------------------------------------------------ running -- */

static void make_absolute(tern_problem *problem)
{
    for (int i = 0; i < problem->count; i++)
        if (problem->inputs[i].present && problem->inputs[i].arg->kind == TERN_REAL)
            for (int64_t at = 0; at < problem->inputs[i].count; at++) {
                double *values = problem->inputs[i].values;
                values[at] = fabs(values[at]);
            }
}

static void seed_output(tern_ctx *ctx, tern_tensor *tensor, int number, const op_run_how *how)
{
    tern_rng rng = tern_rng_make(SEED, TERN_STREAM_TEST, (uint32_t)(1 + number));
    double *seed = allocate(tensor->count);
    for (int64_t i = 0; i < tensor->count; i++) {
        seed[i] = (float)tern_rng_normal(&rng);
        if (how->absolute)
            seed[i] = fabs(seed[i]);
    }
    tern_seed_grad(ctx, tensor, TERN_F64, seed);
    free(seed);
}

static op_values read_values(tern_ctx *ctx, const tern_tensor *tensor)
{
    op_values result = { 0 };
    if (tensor && tern_dtype_is_real(tensor->dtype)) {
        result.count = tensor->count;
        result.values = allocate(tensor->count);
        tern_read(ctx, tensor, TERN_F64, result.values);
    }
    return result;
}

static op_result run_problem(tern_ctx *ctx, const tern_problem *problem, const op_run_how *how)
{
    tern_tensor *in[TERN_MAX_ARGS], *out[TERN_MAX_SAVED] = { NULL };
    op_result result = { 0 };
    tern_set_training(ctx, !how->eval);
    tern_set_recording(ctx, true);
    tern_set_frozen_state(ctx, how->frozen);
    tern_step_begin(ctx, 0);
    tern_problem_upload(ctx, problem, true, in);
    for (int use = 0; use < (how->uses ? how->uses : 1); use++) {
        tern_problem_apply(ctx, problem, in, out);
        for (int i = 0; tern_ok(ctx) && i < TERN_MAX_SAVED; i++)
            if (out[i] && out[i]->requires_grad)
                seed_output(ctx, out[i], i, how);
    }
    tern_backward(ctx, NULL);
    for (int i = 0; i < TERN_MAX_SAVED && tern_ok(ctx); i++)
        result.out[i] = read_values(ctx, out[i]);
    for (int i = 0; i < problem->count && tern_ok(ctx); i++) {
        result.in[i] = read_values(ctx, in[i]);
        result.grad[i] = read_values(ctx, in[i] ? in[i]->grad : NULL);
    }
    return result;
}

op_result op_run(const char *name, const char *inputs, const char *options, op_run_how how)
{
    tern_error error = { 0 };
    tern_problem problem;
    const tern_op *op = tern_op_find(name, &error);
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = how.device ? how.device : "ref",
                                               .simd = how.simd, .poison = true,
                                               .threads = how.threads ? how.threads : 1 },
                              &error);
    if (!op || !ctx || !tern_problem_make(&problem, op, inputs, options, SEED, &error))
        fail_msg("%s", error.message);
    if (how.provider)
        tern_set_provider(ctx, name, how.provider);
    if (how.absolute)
        make_absolute(&problem);
    op_result result = run_problem(ctx, &problem, &how);
    assert_tern_ok(ctx);
    tern_problem_free(&problem);
    tern_ctx_free(ctx);
    return result;
}

void op_result_free(op_result *result)
{
    for (int i = 0; i < TERN_MAX_SAVED; i++)
        free(result->out[i].values);
    for (int i = 0; i < TERN_MAX_ARGS; i++) {
        free(result->in[i].values);
        free(result->grad[i].values);
    }
    *result = (op_result){ 0 };
}

/* ---------------------------------------------------------- comparing -- */

static bool values_equal(const op_values *a, const op_values *b, int lists)
{
    for (int i = 0; i < lists; i++)
        if (a[i].count != b[i].count ||
            (a[i].count &&
             memcmp(a[i].values, b[i].values, (size_t)a[i].count * sizeof(double)) != 0))
            return false;
    return true;
}

bool op_results_equal(const op_result *a, const op_result *b)
{
    return values_equal(a->out, b->out, TERN_MAX_SAVED) &&
           values_equal(a->in, b->in, TERN_MAX_ARGS) &&
           values_equal(a->grad, b->grad, TERN_MAX_ARGS);
}

void assert_values_near(const char *what, const op_values *got, const op_values *want,
                        const op_values *scale, double tolerance)
{
    double largest = 0;
    if (got->count != want->count)
        fail_msg("%s: %lld values, %lld wanted", what, (long long)got->count,
                 (long long)want->count);
    for (int64_t i = 0; i < want->count; i++)
        largest = fmax(largest, fabs(want->values[i]));
    for (int64_t i = 0; i < want->count; i++) {
        double bound = tolerance * (scale ? fabs(scale->values[i]) : largest) + 1e-37;
        if (!(fabs(got->values[i] - want->values[i]) <= bound))
            fail_msg("%s: element %lld is %.9g, %.9g +- %.2g wanted", what, (long long)i,
                     got->values[i], want->values[i], bound);
    }
}

static void assert_results_near(const char *what, const op_result *got, const op_result *want,
                                double tolerance)
{
    char text[300];
    for (int i = 0; i < TERN_MAX_SAVED; i++) {
        snprintf(text, sizeof text, "%s, output %d", what, i);
        assert_values_near(text, &got->out[i], &want->out[i], NULL, tolerance);
    }
    for (int i = 0; i < TERN_MAX_ARGS; i++) {
        snprintf(text, sizeof text, "%s, gradient %d", what, i);
        assert_values_near(text, &got->grad[i], &want->grad[i], NULL, tolerance);
    }
}

void assert_cpu_follows_ref(const char *op, const char *inputs, const char *options,
                            double tolerance)
{
    const char *levels[4];
    char what[250];
    for (int uses = 1; uses <= 2; uses++) {
        op_result want = op_run(op, inputs, options, (op_run_how){ .uses = uses });
        for (int level = tern_simd_levels(levels) - 1; level >= 0; level--) {
            op_run_how how = { .device = "cpu", .simd = levels[level], .uses = uses };
            op_result one = op_run(op, inputs, options, how);
            snprintf(what, sizeof what, "%s(%s %s) on %s, used %d times", op, inputs, options,
                     levels[level], uses);
            assert_results_near(what, &one, &want, tolerance);
            for (how.threads = 2; how.threads <= 3 && uses == 1; how.threads++) {
                op_result many = op_run(op, inputs, options, how);
                if (!op_results_equal(&one, &many))
                    fail_msg("%s: %d threads give other bits", what, how.threads);
                op_result_free(&many);
            }
            op_result_free(&one);
        }
        op_result_free(&want);
    }
}
