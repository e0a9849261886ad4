#include "tests/op_run.h"

#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "kernels/table.h"
#include "tests/check.h"

/* ------------------------------------------------------------- results -- */

static op_value read_value(tern_ctx *ctx, const char *prefix, const char *name,
                           const tern_tensor *tensor)
{
    op_value value = { .rank = tensor->rank, .count = tensor->count };
    size_t room = (size_t)tensor->count + 1;
    int32_t *integers = calloc(room, sizeof *integers);
    value.values = calloc(room, sizeof *value.values);
    snprintf(value.name, sizeof value.name, "%s%s", prefix, name);
    memcpy(value.shape, tensor->shape, sizeof value.shape);
    if (!value.values || !integers) {
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory for %s", value.name);
    } else if (tern_dtype_is_real(tensor->dtype)) {
        tern_read(ctx, tensor, TERN_F64, value.values);
    } else {
        tern_read(ctx, tensor, tensor->dtype, integers);
        for (int64_t i = 0; i < tensor->count; i++)
            value.values[i] = tensor->dtype == TERN_U8 ? ((const uint8_t *)integers)[i]
                                                       : integers[i];
    }
    free(integers);
    return value;
}

void op_result_free(op_result *result)
{
    for (int v = 0; v < OP_VALUES; v++)
        free(result->value[v].values);
    *result = (op_result){ .value = { { .rank = 0 } } };
}

const char *op_shapes_differ(const op_result *a, const op_result *b, char *text)
{
    for (int v = 0; v < OP_VALUES; v++) {
        const op_value *one = &a->value[v], *other = &b->value[v];
        bool same = strcmp(one->name, other->name) == 0 && one->rank == other->rank;
        for (int axis = 0; axis < one->rank && same; axis++)
            same = one->shape[axis] == other->shape[axis];
        if (!same) {
            snprintf(text, OP_DIFFERENCE_TEXT, "%s has another shape",
                     *one->name ? one->name : other->name);
            return text;
        }
    }
    return NULL;
}

const char *op_results_differ(const op_result *a, const op_result *b, char *text)
{
    if (op_shapes_differ(a, b, text))
        return text;
    for (int v = 0; v < OP_VALUES; v++)
        for (int64_t i = 0; i < a->value[v].count; i++)
            if (memcmp(&a->value[v].values[i], &b->value[v].values[i], sizeof(double)) != 0) {
                snprintf(text, OP_DIFFERENCE_TEXT, "%s[%lld] is %.9g and %.9g", a->value[v].name,
                         (long long)i, a->value[v].values[i], b->value[v].values[i]);
                return text;
            }
    return NULL;
}

void assert_same_shapes(const char *what, const op_result *a, const op_result *b)
{
    char text[OP_DIFFERENCE_TEXT];
    if (op_shapes_differ(a, b, text))
        fail_msg("%s: %s", what, text);
}

void assert_same_bits(const char *what, const op_result *a, const op_result *b)
{
    char text[OP_DIFFERENCE_TEXT];
    if (op_results_differ(a, b, text))
        fail_msg("%s: %s", what, text);
}

/* ------------------------------------------------------------- running -- */

void op_run_gradient(uint32_t seed, int64_t count, double *values)
{
    for (int64_t i = 0; i < count; i += 4) {
        uint32_t counter[4] = { (uint32_t)i, 0, TERN_STREAM_TEST, seed }, word[4];
        tern_philox(3, counter, word);
        for (int64_t k = 0; k < 4 && i + k < count; k++)
            values[i + k] = 4 * tern_uniform(word[k]) - 2;
    }
}

static void seed_gradient(tern_ctx *ctx, tern_tensor *tensor, const double *given, uint32_t seed,
                          const op_run_how *how)
{
    double *drawn = calloc((size_t)tensor->count + 1, sizeof *drawn);
    if (!drawn) {
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory for a gradient");
        return;
    }
    op_run_gradient(seed, tensor->count, drawn);
    tern_seed_grad(ctx, tensor, TERN_F64, given ? given : drawn);
    if (how->touch && tensor->grad)
        how->touch(tensor->grad);
    free(drawn);
}

/* False if no gradient flows through any output. */
static bool forward(tern_ctx *ctx, const tern_problem *problem, const op_run_how *how,
                    tern_tensor **in, tern_tensor **out)
{
    bool any = false;
    for (int use = 0; use < (how->uses ? how->uses : 1); use++) {
        tern_problem_apply(ctx, problem, in, out);
        for (int i = 0; i < TERN_MAX_SAVED && tern_ok(ctx); i++)
            if (out[i] && out[i]->requires_grad) {
                seed_gradient(ctx, out[i], how->upstream[i], (uint32_t)(1 + i), how);
                any = true;
            }
    }
    return any;
}

static void backward(tern_ctx *ctx, const tern_problem *problem, const op_run_how *how,
                     tern_tensor **in, op_result *result)
{
    for (int i = 0; i < problem->count && how->accumulate; i++)
        if (in[i] && in[i]->requires_grad)
            seed_gradient(ctx, in[i], NULL, (uint32_t)(100 + i), how);
    tern_backward(ctx, NULL);
    for (int i = 0; i < problem->count && tern_ok(ctx); i++)
        if (in[i] && in[i]->grad)
            result->grad[i] = read_value(ctx, "grad_", problem->inputs[i].name, in[i]->grad);
}

op_result op_run_on(tern_ctx *ctx, const tern_problem *problem, op_run_how how)
{
    tern_tensor *in[TERN_MAX_ARGS], *out[TERN_MAX_SAVED];
    op_result result = { .value = { { .rank = 0 } } };
    tern_set_training(ctx, !how.eval);
    tern_set_recording(ctx, true);
    tern_set_rng_step(ctx, how.rng_step ? how.rng_step : 3);
    tern_step_begin(ctx, how.signature);
    tern_problem_upload(ctx, problem, true, in);
    for (int i = 0; i < problem->count && tern_ok(ctx) && how.touch; i++)
        if (in[i])
            how.touch(in[i]);
    bool any = forward(ctx, problem, &how, in, out);
    for (int i = 0; i < TERN_MAX_SAVED && tern_ok(ctx); i++)
        if (out[i])
            result.out[i] = read_value(ctx, "", problem->op->out[i].name, out[i]);
    if (any && tern_ok(ctx))
        backward(ctx, problem, &how, in, &result);
    for (int i = 0; i < problem->count && tern_ok(ctx); i++)
        if (in[i])
            result.in[i] = read_value(ctx, "", problem->inputs[i].name, in[i]);
    return result;
}

op_result op_run(const char *device, const char *name, const char *inputs, const char *options,
                 op_run_how how)
{
    tern_error error = { 0 };
    tern_problem problem;
    const tern_op *op = tern_op_find(name, &error);
    if (!op || !tern_problem_make(&problem, op, inputs, options, 7, &error))
        fail_msg("%s", error.message);
    tern_ctx *ctx = open_recording(device);
    op_result result = op_run_on(ctx, &problem, how);
    assert_tern_ok(ctx);
    tern_problem_free(&problem);
    tern_ctx_free(ctx);
    return result;
}
