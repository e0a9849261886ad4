#include "bench/suite/row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure/machine.h"

enum { CHANGES = 4 };

/* Every run draws the same random numbers (dropout's), so that ref can be given them too. */
enum { RNG_STEP = 3 };

static void begin(bench_row *row)
{
    tern_step_begin(row->ctx, 0);
    tern_set_rng_step(row->ctx, RNG_STEP);
    tern_step_poison(row->ctx);
}

static void forward(bench_row *row)
{
    tern_problem_apply(row->ctx, row->problem, row->inputs, row->outputs);
}

static void draw_gradients(bench_row *row)
{
    for (int i = 0; i < TERN_MAX_SAVED && tern_ok(row->ctx); i++) {
        const tern_tensor *out = row->outputs[i];
        tern_rng rng = tern_rng_make(17, TERN_STREAM_TEST, (uint32_t)i);
        if (!out || !out->requires_grad)
            continue;
        row->grad_output[i] = malloc((size_t)(out->count + 1) * sizeof(float));
        if (!row->grad_output[i])
            tern_fail(row->ctx, TERN_ERR_MEMORY, "no memory for the gradient of %lld elements",
                      (long long)out->count);
        for (int64_t j = 0; row->grad_output[i] && j < out->count; j++)
            row->grad_output[i][j] = (float)tern_rng_normal(&rng);
    }
}

/* Is the name one of "weight,bias"? */
static bool is_listed(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || !at[length]))
            return true;
    return !list;
}

void bench_row_open(bench_row *row, tern_ctx *ctx, const tern_problem *problem, bench_pass pass,
                    const char *gradients)
{
    *row = (bench_row){ .problem = problem, .pass = pass, .ctx = ctx,
                        .rng = tern_rng_make(5, TERN_STREAM_TEST, 0) };
    tern_set_training(ctx, true);
    tern_set_recording(ctx, pass != BENCH_FORWARD);
    tern_step_begin(ctx, 1);
    tern_problem_upload(ctx, problem, false, row->inputs);
    for (int i = 0; i < problem->count; i++) {
        if (!row->inputs[i])
            continue;
        row->inputs[i] = tern_keep(ctx, row->inputs[i]);
        if (pass != BENCH_FORWARD && problem->inputs[i].arg->flags & TERN_DIFF &&
            is_listed(gradients, problem->inputs[i].name))
            tern_require_grad(ctx, row->inputs[i]);
    }
    if (pass == BENCH_FORWARD || !tern_ok(ctx))
        return;
    begin(row);
    forward(row);
    draw_gradients(row);
}

void bench_row_close(bench_row *row)
{
    for (int i = 0; i < TERN_MAX_SAVED; i++)
        free(row->grad_output[i]);
    *row = (bench_row){ 0 };
}

void bench_row_give(bench_row *row, const tern_problem *problem)
{
    row->problem = problem;
    for (int i = 0; i < problem->count; i++)
        if (row->inputs[i])
            tern_write(row->ctx, row->inputs[i],
                       tern_kind_host_dtype(problem->inputs[i].arg->kind),
                       problem->inputs[i].values);
}

/* Two elements of each input change places, a few times: what is random stays as random. */
static void change_inputs(bench_row *row)
{
    for (int i = 0; i < row->problem->count; i++) {
        tern_tensor *input = row->inputs[i];
        if (!input || input->count < 2 || input->count > INT32_MAX || !input->data)
            continue;
        size_t size = tern_dtype_size(input->dtype);
        for (int change = 0; change < CHANGES; change++) {
            char *one = (char *)input->data + size * tern_rng_below(&row->rng,
                                                                    (uint32_t)input->count);
            char *other = (char *)input->data + size * tern_rng_below(&row->rng,
                                                                      (uint32_t)input->count);
            char held[8];
            memcpy(held, one, size);
            memmove(one, other, size);
            memcpy(other, held, size);
        }
    }
}

static void seed_gradients(bench_row *row)
{
    for (int i = 0; i < TERN_MAX_SAVED; i++)
        if (row->grad_output[i])
            tern_seed_grad(row->ctx, row->outputs[i], TERN_F32, row->grad_output[i]);
}

static bool has_gradients(const bench_row *row)
{
    for (int i = 0; i < TERN_MAX_SAVED; i++)
        if (row->grad_output[i])
            return true;
    return false;
}

double bench_row_run(bench_row *row, void (*before)(void *user), void *user)
{
    bool backward = row->pass != BENCH_FORWARD && has_gradients(row);
    double seconds = 0, start;
    if (row->runs++)
        change_inputs(row);
    begin(row);
    if (row->pass != BENCH_BACKWARD) {
        if (before)
            before(user);
        start = bench_seconds();
        forward(row);
        seconds = bench_seconds() - start;
    } else {
        forward(row);
    }
    if (backward) {
        seed_gradients(row);
        if (before && row->pass == BENCH_BACKWARD)
            before(user);
        start = bench_seconds();
        tern_backward(row->ctx, NULL);
        seconds += bench_seconds() - start;
    }
    row->flops = row->pass == BENCH_BACKWARD ? 0 : tern_step_flops(row->ctx);
    row->executed = row->pass == BENCH_BACKWARD ? 0 : tern_step_executed_flops(row->ctx);
    row->bytes = row->pass == BENCH_BACKWARD ? 0 : tern_step_bytes(row->ctx);
    row->flops += backward ? tern_step_backward_flops(row->ctx) : 0;
    row->executed += backward ? tern_step_backward_executed_flops(row->ctx) : 0;
    row->bytes += backward ? tern_step_backward_bytes(row->ctx) : 0;
    return seconds;
}

static bool has_nan(const tern_tensor *tensor)
{
    const float *values = tensor ? tensor->data : NULL;
    for (int64_t i = 0; values && tensor->dtype == TERN_F32 && i < tensor->count; i++)
        if (values[i] != values[i])
            return true;
    return false;
}

bool bench_row_left_out(bench_row *row)
{
    for (int i = 0; i < TERN_MAX_SAVED; i++)
        if (has_nan(row->outputs[i]))
            return true;
    for (int i = 0; i < row->problem->count && row->pass != BENCH_FORWARD; i++)
        if (row->inputs[i] && has_nan(row->inputs[i]->grad))
            return true;
    return false;
}
