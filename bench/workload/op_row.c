#include "bench/workload/op_row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure/machine.h"
#include "core/rng.h"
#include "kernels/table.h"

/* Their values can be checked: sums of products, whose rounding is bounded by the sum of the
 * products' absolute values. */
static bool is_sum_of_products(const tern_op *op)
{
    static const char *const ops[] = { "matmul", "linear", "conv1d", "conv2d" };
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(op->name, ops[i]) == 0)
            return true;
    return false;
}

bool bench_problem_make(bench_problem *problem, const tern_op *op, const char *inputs,
                        const char *options, uint64_t seed, tern_error *error)
{
    problem->inputs = inputs;
    problem->options = options;
    problem->seed = seed;
    if (!is_sum_of_products(op))
        return tern_error_set(error, TERN_ERR_ARGUMENT,
                              "%s is not timed here, for its values could not be checked: matmul, "
                              "linear, conv1d and conv2d are", op->name);
    return tern_problem_make(&problem->values, op, inputs, options, seed, error);
}

/* -------------------------------------------------------------- running -- */

/* Forward alone, or with all gradients recorded: what the output's gradient is then is up
 * to the caller. */
static tern_tensor *forward(bench_op_row *row)
{
    tern_tensor *out[TERN_MAX_SAVED];
    tern_problem_apply(row->ctx, &row->problem->values, row->inputs, out);
    return out[0];
}

static void draw_output_gradient(bench_op_row *row)
{
    tern_rng rng = tern_rng_make(row->problem->seed, TERN_STREAM_TEST, 1);
    tern_step_begin(row->ctx, 0);
    row->outputs = forward(row)->count;
    row->grad_output = malloc((size_t)(row->outputs + 1) * sizeof *row->grad_output);
    if (!row->grad_output)
        tern_fail(row->ctx, TERN_ERR_MEMORY, "no memory for an output gradient of %lld elements",
                  (long long)row->outputs);
    for (int64_t i = 0; tern_ok(row->ctx) && i < row->outputs; i++)
        row->grad_output[i] = (float)tern_rng_normal(&rng);
}

void bench_op_row_open(bench_op_row *row, tern_ctx *ctx, const bench_problem *problem,
                       bool backward)
{
    *row = (bench_op_row){ .problem = problem, .ctx = ctx, .backward = backward };
    tern_set_recording(ctx, backward);
    tern_step_begin(ctx, 1);
    tern_problem_upload(ctx, &problem->values, false, row->inputs);
    for (int i = 0; i < problem->values.count; i++) {
        if (!row->inputs[i])
            continue;
        row->inputs[i] = tern_keep(ctx, row->inputs[i]);
        if (backward && problem->values.inputs[i].arg->flags & TERN_DIFF)
            tern_require_grad(ctx, row->inputs[i]);
    }
    if (backward && tern_ok(ctx))
        draw_output_gradient(row);
}

void bench_op_row_close(bench_op_row *row)
{
    free(row->grad_output);
    row->grad_output = NULL;
}

/* One step with backward; the gradients are then found in the inputs.  What is left
 * unwritten is NaN; poisoning is not timed. */
static double backward_once(bench_op_row *row, const double *grad_output)
{
    tern_step_begin(row->ctx, 0);
    tern_step_poison(row->ctx);
    tern_seed_grad(row->ctx, forward(row), TERN_F64, grad_output);
    double start = bench_seconds();
    tern_backward(row->ctx, NULL);
    double seconds = bench_seconds() - start;
    row->flops = tern_step_backward_flops(row->ctx);
    return seconds;
}

static tern_tensor *forward_once(bench_op_row *row, double *seconds)
{
    tern_step_begin(row->ctx, 0);
    tern_step_poison(row->ctx);
    double start = bench_seconds();
    tern_tensor *out = forward(row);
    *seconds = bench_seconds() - start;
    row->flops = tern_step_flops(row->ctx);
    return out;
}

void bench_op_row_run(bench_op_row *row, double *seconds)
{
    if (row->backward) {
        backward_once(row, row->grad_output);
        *seconds = backward_once(row, row->grad_output);
    } else {
        forward_once(row, seconds);
        forward_once(row, seconds);
    }
}

/* ------------------------------------------------------------- checking -- */

/* Of the first input, and of the output, the indices [first, first + n) along axis 0. */
typedef struct bench_part {
    int64_t rows, first, n;
} bench_part;

/* A copy of the problem with that part of the first input; all values absolute if asked. */
static bool part_of(tern_problem *part, const bench_problem *problem, bench_part at,
                    bool absolute, tern_error *error)
{
    const tern_problem *all = &problem->values;
    if (!tern_problem_make(part, all->op, problem->inputs, problem->options, 0, error))
        return false;
    for (int i = 0; i < all->count; i++) {
        tern_problem_input *input = &part->inputs[i];
        int64_t start = 0;
        if (!input->present || input->arg->kind != TERN_REAL)
            continue;
        if (i == 0) {
            start = at.first * (input->count / at.rows);
            input->count = input->count / at.rows * at.n;
            input->shape[0] = at.n;
        }
        for (int64_t j = 0; j < input->count; j++) {
            double value = ((const double *)all->inputs[i].values)[start + j];
            ((double *)input->values)[j] = absolute ? fabs(value) : value;
        }
    }
    return true;
}

/* What is compared: the output, or the gradient of each input that has one. */
typedef struct bench_results {
    int count;
    struct {
        int64_t count;
        double *values;
    } of[TERN_MAX_ARGS];
} bench_results;

static void free_results(bench_results *results)
{
    for (int i = 0; i < results->count; i++)
        free(results->of[i].values);
    results->count = 0;
}

static void add_result(bench_results *results, tern_ctx *ctx, const tern_tensor *tensor)
{
    int at = results->count++;
    results->of[at].count = tensor->count;
    results->of[at].values = malloc((size_t)(tensor->count + 1) * sizeof(double));
    if (results->of[at].values)
        tern_read(ctx, tensor, TERN_F64, results->of[at].values);
    else
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory for %lld results", (long long)tensor->count);
}

static void add_gradients(bench_results *results, tern_ctx *ctx, tern_tensor *const *inputs,
                          int count)
{
    for (int i = 0; i < count && tern_ok(ctx); i++)
        if (inputs[i] && inputs[i]->requires_grad)
            add_result(results, ctx, inputs[i]->grad);
}

/* The same problem, or a part of it, on the plain float64 loops. */
static bool ref_results(bench_results *results, const tern_problem *problem,
                        const double *grad_output, tern_error *error)
{
    tern_tensor *in[TERN_MAX_ARGS], *out[TERN_MAX_SAVED];
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "ref" }, error);
    if (!ctx)
        return false;
    tern_set_recording(ctx, grad_output != NULL);
    tern_step_begin(ctx, 0);
    tern_problem_upload(ctx, problem, grad_output != NULL, in);
    tern_problem_apply(ctx, problem, in, out);
    if (grad_output) {
        tern_seed_grad(ctx, out[0], TERN_F64, grad_output);
        tern_backward(ctx, NULL);
        add_gradients(results, ctx, in, problem->count);
    } else if (tern_ok(ctx)) {
        add_result(results, ctx, out[0]);
    }
    if (!tern_ok(ctx))
        *error = *tern_ctx_error(ctx);
    bool ok = tern_ok(ctx);
    tern_ctx_free(ctx);
    return ok;
}

/* Output gradients for the whole and for the part; elsewhere the whole's is zero. */
static bool part_gradients(const bench_op_row *row, bench_part at, double **whole, double **part,
                           double **part_absolute)
{
    int64_t one = row->outputs / at.rows, start = at.first * one, count = at.n * one;
    *whole = calloc((size_t)row->outputs + 1, sizeof(double));
    *part = calloc((size_t)count + 1, sizeof(double));
    *part_absolute = calloc((size_t)count + 1, sizeof(double));
    if (!*whole || !*part || !*part_absolute)
        return false;
    for (int64_t i = 0; i < count; i++) {
        (*whole)[start + i] = (*part)[i] = row->grad_output[start + i];
        (*part_absolute)[i] = fabs(row->grad_output[start + i]);
    }
    return true;
}

/* The parts' results lie where the whole's index along axis 0 is at.first, if the whole has
 * the more of them. */
static void compare(bench_op_row *row, const bench_results *got, const bench_results *want,
                    const bench_results *terms)
{
    for (int i = 0; i < want->count; i++) {
        int64_t count = want->of[i].count;
        double forward_flops = row->backward ? row->flops / 2 : row->flops;
        double bound = 8 * 0x1p-24 * sqrt(forward_flops / 2 / (double)got->of[i].count + 1);
        for (int64_t j = 0; j < count; j++) {
            double error = fabs(got->of[i].values[j] - want->of[i].values[j]) /
                           (bound * terms->of[i].values[j] + 1e-37);
            row->worst = error <= row->worst ? row->worst : error; /* NaN is kept */
        }
    }
}

/* What the row computes, cut down to the part where it has more than that. */
static void row_results(bench_op_row *row, bench_part at, const double *grad_output,
                        bench_results *got)
{
    double seconds;
    if (row->backward) {
        backward_once(row, grad_output);
        add_gradients(got, row->ctx, row->inputs, row->problem->values.count);
    } else {
        tern_tensor *out = forward_once(row, &seconds);
        if (tern_ok(row->ctx))
            add_result(got, row->ctx, out);
    }
    if (tern_ok(row->ctx)) {
        int64_t one = got->of[0].count / at.rows;
        memmove(got->of[0].values, got->of[0].values + at.first * one,
                (size_t)(at.n * one) * sizeof(double));
    }
}

static bool check_part(bench_op_row *row, bench_part at, bench_results *results, double **grads,
                       tern_error *error)
{
    tern_problem part, absolute;
    if (!part_of(&part, row->problem, at, false, error))
        return false;
    bool ok = ref_results(&results[1], &part, grads[1], error);
    tern_problem_free(&part);
    if (!ok || !part_of(&absolute, row->problem, at, true, error))
        return false;
    ok = ref_results(&results[2], &absolute, grads[2], error);
    tern_problem_free(&absolute);
    if (!ok)
        return false;
    row_results(row, at, grads[0], &results[0]);
    if (tern_ok(row->ctx))
        compare(row, &results[0], &results[1], &results[2]);
    return true;
}

void bench_op_row_check(bench_op_row *row, uint32_t when, tern_error *error)
{
    const double flops_of_a_moment = 2e8;
    bench_results results[3] = { 0 }; /* the row's, ref's, the sums of absolute terms */
    double seconds, *grads[3] = { NULL };
    bench_part at = { .rows = row->problem->values.inputs[0].shape[0] };
    tern_rng rng = tern_rng_make(row->problem->seed, TERN_STREAM_TEST, when + 2);

    bench_op_row_run(row, &seconds); /* for row->flops */
    at.n = at.rows;
    if (row->flops > flops_of_a_moment)
        at.n = (int64_t)((double)at.rows * flops_of_a_moment / row->flops);
    at.n = at.n < 1 ? 1 : at.n;
    if (at.rows == 0 || !tern_ok(row->ctx))
        return;
    at.first = tern_rng_below(&rng, (uint32_t)(at.rows - at.n + 1));
    if (row->backward && !part_gradients(row, at, &grads[0], &grads[1], &grads[2]))
        tern_error_set(error, TERN_ERR_MEMORY, "no memory for output gradients");
    else
        check_part(row, at, results, grads, error);
    for (int i = 0; i < 3; i++) {
        free_results(&results[i]);
        free(grads[i]);
    }
}
