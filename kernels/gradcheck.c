/* Signed directional derivatives against four-point differences. */
#include "kernels/gradcheck.h"

#include "core/rng.h"
#include "kernels/problem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIRECTIONS = 3 };
static const double STEP = 1e-4;
static const double TOLERANCE = 1e-6; /* relative to the larger of the two values ... */
static const double CANCELLATION = 1e-3; /* ... plus this part of the sum of |terms|: what
                                            is left when terms cancel has their rounding */

typedef struct check {
    tern_ctx *ctx;
    tern_problem *problem;
    const tern_sample *sample;
    bool training;
    double *seeds[TERN_MAX_SAVED]; /* upstream gradients */
    int seed_count;
    const tern_problem_input *reported; /* the last one that was found wrong */
    tern_gradcheck_result *result;
} check;

static bool flows_gradient(const check *c, int output, const tern_tensor *tensor)
{
    return tensor && tern_dtype_is_real(tensor->dtype) &&
           !(c->problem->op->out[output].flags & TERN_NO_GRAD);
}

static void begin(const check *c, bool recording)
{
    /* The difference quotient must see the same dropout mask every time. */
    tern_set_training(c->ctx, c->training);
    tern_set_recording(c->ctx, recording);
    tern_set_frozen_state(c->ctx, true);
    tern_set_rng_step(c->ctx, 1);
    /* One plan for each op, sample and mode; ops may share a list of samples. */
    tern_step_begin(c->ctx, (uint64_t)(uintptr_t)c->sample * 31 +
                                2 * (uint64_t)(uintptr_t)c->problem->op + (uint64_t)c->training);
}

/* f(x) = sum over outputs <seed, out> */
static double seeded_sum(const check *c)
{
    tern_tensor *in[TERN_MAX_ARGS], *out[TERN_MAX_SAVED];
    double sum = 0;
    begin(c, false);
    tern_problem_upload(c->ctx, c->problem, false, in);
    tern_problem_apply(c->ctx, c->problem, in, out);
    for (int o = 0; o < TERN_MAX_SAVED && tern_ok(c->ctx); o++) {
        if (!flows_gradient(c, o, out[o]) || !c->seeds[o])
            continue;
        double *values = malloc(((size_t)out[o]->count + 1) * sizeof *values);
        if (!values) {
            tern_fail(c->ctx, TERN_ERR_MEMORY, "no memory to read an output");
            return 0;
        }
        tern_read(c->ctx, out[o], TERN_F64, values);
        for (int64_t i = 0; i < out[o]->count; i++)
            sum += c->seeds[o][i] * values[i];
        free(values);
    }
    return sum;
}

/* Draw the seeds once the outputs' sizes are known. */
static void draw_seeds(check *c, tern_tensor *const *out, tern_rng *rng)
{
    for (int o = 0; o < TERN_MAX_SAVED; o++) {
        if (!flows_gradient(c, o, out[o]))
            continue;
        c->seeds[o] = malloc(((size_t)out[o]->count + 1) * sizeof(double));
        if (!c->seeds[o]) {
            tern_fail(c->ctx, TERN_ERR_MEMORY, "no memory for upstream gradients");
            return;
        }
        for (int64_t i = 0; i < out[o]->count; i++)
            c->seeds[o][i] = tern_rng_normal(rng);
        tern_seed_grad(c->ctx, out[o], TERN_F64, c->seeds[o]);
        c->seed_count++;
    }
}

/* The first wrong direction of an input in a sample. */
static void report(check *c, const tern_problem_input *input, double analytic, double numeric)
{
    tern_gradcheck_result *result = c->result;
    if (c->reported == input || result->failures == TERN_GRADCHECK_FAILURES)
        return;
    c->reported = input;
    snprintf(result->failure[result->failures++], TERN_GRADCHECK_TEXT,
             "%s(%s%s%s)%s, input %s: backward says %.12g, differences say %.12g",
             c->problem->op->name, c->sample->inputs, *c->sample->options ? ", " : "",
             c->sample->options, c->training ? "" : " in inference mode", input->name, analytic,
             numeric);
}

static void note(check *c, const tern_problem_input *input, double analytic, double numeric,
                 double magnitude)
{
    double larger = fmax(fabs(analytic), fabs(numeric)) + CANCELLATION * magnitude;
    double relative = larger > 0 ? fabs(analytic - numeric) / larger : 0;
    c->result->checked++;
    if (relative > c->result->worst || isnan(relative))
        c->result->worst = relative;
    if (!(relative <= TOLERANCE)) {
        c->result->failed++;
        report(c, input, analytic, numeric);
    }
}

/* Compare along one random direction of one input. */
static void check_direction(check *c, tern_problem_input *input, const double *grad, tern_rng *rng)
{
    size_t bytes = ((size_t)input->count + 1) * sizeof(double);
    double *values = input->values, *origin = malloc(bytes), *direction = malloc(bytes);
    double f[4], analytic = 0, magnitude = 0;
    static const double at[4] = { 1, -1, 2, -2 };
    if (!origin || !direction) {
        tern_fail(c->ctx, TERN_ERR_MEMORY, "no memory for a direction");
    } else {
        memcpy(origin, values, (size_t)input->count * sizeof *values);
        for (int64_t i = 0; i < input->count; i++) {
            direction[i] = 2 * tern_rng_uniform(rng) - 1;
            analytic += grad[i] * direction[i];
            magnitude += fabs(grad[i] * direction[i]);
        }
        for (int p = 0; p < 4; p++) {
            for (int64_t i = 0; i < input->count; i++)
                values[i] = origin[i] + at[p] * STEP * direction[i];
            f[p] = seeded_sum(c);
        }
        memcpy(values, origin, (size_t)input->count * sizeof *values);
        double numeric = (8 * (f[0] - f[1]) - (f[2] - f[3])) / (12 * STEP);
        if (tern_ok(c->ctx))
            note(c, input, analytic, numeric, magnitude + fabs(f[0]));
    }
    free(origin);
    free(direction);
}

/* The analytic gradient of one input, copied out of the step. */
static double *analytic_gradient(check *c, int i, tern_rng *rng)
{
    tern_tensor *in[TERN_MAX_ARGS], *out[TERN_MAX_SAVED];
    tern_rng seeds = *rng;
    double *grad = calloc((size_t)c->problem->inputs[i].count + 1, sizeof *grad);
    for (int o = 0; o < TERN_MAX_SAVED; o++) {
        free(c->seeds[o]);
        c->seeds[o] = NULL;
    }
    begin(c, true);
    if (!grad)
        tern_fail(c->ctx, TERN_ERR_MEMORY, "no memory for a gradient");
    tern_problem_upload(c->ctx, c->problem, true, in);
    tern_problem_apply(c->ctx, c->problem, in, out);
    if (tern_ok(c->ctx))
        draw_seeds(c, out, &seeds);
    tern_backward(c->ctx, NULL);
    if (grad && tern_ok(c->ctx) && in[i]->grad)
        tern_read(c->ctx, in[i]->grad, TERN_F64, grad);
    return grad;
}

static void check_sample(check *c, tern_rng *rng)
{
    for (int i = 0; i < c->problem->count && tern_ok(c->ctx); i++) {
        tern_problem_input *input = &c->problem->inputs[i];
        if (!input->present || !(input->arg->flags & TERN_DIFF))
            continue;
        double *grad = analytic_gradient(c, i, rng);
        for (int d = 0; d < DIRECTIONS && grad && tern_ok(c->ctx); d++)
            check_direction(c, input, grad, rng);
        free(grad);
    }
    for (int o = 0; o < TERN_MAX_SAVED; o++)
        free(c->seeds[o]);
}

bool tern_gradcheck(tern_ctx *ctx, const tern_op *op, tern_gradcheck_result *result)
{
    tern_rng rng = tern_rng_make(20, TERN_STREAM_TEST, 1);
    for (const tern_sample *sample = op->samples; sample && sample->uses; sample++) {
        if (!(sample->uses & TERN_SAMPLE_CHECK) || (sample->uses & TERN_SAMPLE_NO_DERIVATIVE))
            continue;
        for (int training = 1; training >= 0; training--) {
            tern_error error = { 0 };
            tern_problem problem;
            if (!tern_problem_make(&problem, op, sample->inputs, sample->options, 11, &error)) {
                tern_fail(ctx, error.code, "%s, sample \"%s\": %s", op->name, sample->inputs,
                          error.message);
                return false;
            }
            check c = { .ctx = ctx, .problem = &problem, .sample = sample, .training = training == 1,
                        .result = result };
            check_sample(&c, &rng);
            tern_problem_free(&problem);
            if (!tern_ok(ctx))
                return false;
        }
    }
    return true;
}
