#include "tests/op_probe.h"

#include "core/registry.h"
#include "core/rng.h"
#include "kernels/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------- moving -- */

/* What the "moved" provider needs to know: a kernel has no closure. */
static struct {
    const tern_impl *original;
    tern_impl wrapper;
    double size; /* 0: nothing moves */
    tern_rng rng;
    tern_cost forward, backward; /* of the last call */
} moving;

static void move(tern_tensor *tensor)
{
    if (moving.size > 0 && tensor && tensor->dtype == TERN_F64 && tensor->data)
        for (int64_t i = 0; i < tensor->count; i++)
            ((double *)tensor->data)[i] *= 1 + moving.size * tern_rng_normal(&moving.rng);
}

static void moved_forward(tern_call *call)
{
    moving.forward = moving.backward = (tern_cost){ 0 };
    if (call->op->cost)
        call->op->cost(call, &moving.forward, &moving.backward);
    moving.original->forward(call);
    for (int i = 0; i < call->outputs; i++)
        move(call->out[i]);
    for (int i = 0; i < call->saveds; i++)
        move(call->saved[i]);
    for (int i = 0; i < tern_op_input_count(call->op); i++)
        if (call->op->in[i].flags & TERN_MUTATED)
            move(call->in[i]);
}

tern_ctx *op_probe_open_movable(const tern_op *op, tern_error *error)
{
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "ref", .seed = 7 }, error);
    if (!ctx)
        return NULL;
    moving.original = tern_find_impl(ctx, op);
    moving.size = 0;
    if (!moving.original) {
        tern_error_set(error, TERN_ERR_MISSING, "%s has no implementation on ref", op->name);
        tern_ctx_free(ctx);
        return NULL;
    }
    moving.wrapper = *moving.original;
    moving.wrapper.provider = "moved";
    moving.wrapper.forward = moved_forward;
    tern_add_impl(ctx, &moving.wrapper);
    tern_set_provider(ctx, op->name, "moved");
    return ctx;
}

/* ------------------------------------------------------------- results -- */

static void keep(tern_ctx *ctx, op_probe *run, const char *prefix, const char *name,
                 const tern_tensor *tensor, double flops)
{
    op_value *value = &run->value[run->count++];
    size_t room = (size_t)tensor->count + 1;
    snprintf(value->name, sizeof value->name, "%s%s", prefix, name);
    value->rank = tensor->rank;
    value->count = tensor->count;
    memcpy(value->shape, tensor->shape, sizeof value->shape);
    value->terms = fmax(1, flops / 2 / fmax(1, (double)tensor->count));
    value->values = calloc(room, sizeof *value->values);
    int32_t *integers = calloc(room, sizeof *integers);
    if (!value->values || !integers) {
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory for %s", value->name);
    } else if (tern_dtype_is_real(tensor->dtype)) {
        tern_read(ctx, tensor, TERN_F64, value->values);
    } else {
        tern_read(ctx, tensor, tensor->dtype, integers);
        for (int64_t i = 0; i < tensor->count; i++)
            value->values[i] = tensor->dtype == TERN_U8 ? ((const uint8_t *)integers)[i]
                                                        : integers[i];
    }
    free(integers);
}

const op_value *op_probe_find(const op_probe *run, const char *name)
{
    for (int i = 0; i < run->count; i++)
        if (strcmp(run->value[i].name, name) == 0)
            return &run->value[i];
    return NULL;
}

void op_probe_free(op_probe *run)
{
    for (int i = 0; i < run->count; i++)
        free(run->value[i].values);
    run->count = 0;
}

/* ------------------------------------------------------------- running -- */

void op_probe_gradient(uint32_t seed, int64_t count, double *values)
{
    for (int64_t i = 0; i < count; i += 4) {
        uint32_t counter[4] = { (uint32_t)i, 0, TERN_STREAM_TEST, seed }, word[4];
        tern_philox(3, counter, word);
        for (int64_t k = 0; k < 4 && i + k < count; k++)
            values[i + k] = 4 * tern_uniform(word[k]) - 2;
    }
}

static void seed_gradient(tern_ctx *ctx, tern_tensor *tensor, const double *given, uint32_t seed)
{
    double *drawn = calloc((size_t)tensor->count + 1, sizeof *drawn);
    if (!drawn) {
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory for a gradient");
        return;
    }
    op_probe_gradient(seed, tensor->count, drawn);
    tern_seed_grad(ctx, tensor, TERN_F64, given ? given : drawn);
    move(tensor->grad);
    free(drawn);
}

static void run_backward(tern_ctx *ctx, const tern_problem *problem, const op_probe_opts *opts,
                         tern_tensor **in, tern_tensor **out, op_probe *run)
{
    bool any = false;
    for (int i = 0; i < TERN_MAX_SAVED; i++)
        if (out[i] && out[i]->requires_grad) {
            seed_gradient(ctx, out[i], opts->upstream[i], (uint32_t)(1 + i));
            any = true;
        }
    for (int i = 0; i < problem->count && opts->accumulate; i++)
        if (in[i] && in[i]->requires_grad)
            seed_gradient(ctx, in[i], NULL, (uint32_t)(100 + i));
    if (any)
        tern_backward(ctx, NULL);
    for (int i = 0; i < problem->count && tern_ok(ctx); i++)
        if (any && in[i] && in[i]->grad)
            keep(ctx, run, "grad_", problem->inputs[i].name, in[i]->grad, moving.backward.flops);
}

void op_probe_make(tern_ctx *ctx, const tern_problem *problem, op_probe_opts opts, op_probe *run)
{
    tern_tensor *in[TERN_MAX_ARGS], *out[TERN_MAX_SAVED];
    run->count = 0;
    moving.size = opts.move;
    moving.rng = tern_rng_make(5, TERN_STREAM_TEST, opts.move_draw);
    tern_set_training(ctx, opts.training);
    tern_set_recording(ctx, true);
    tern_set_rng_step(ctx, 3);
    tern_step_begin(ctx, opts.signature);
    tern_problem_upload(ctx, problem, true, in);
    if (!tern_ok(ctx))
        return;
    for (int i = 0; i < problem->count; i++)
        move(in[i]);
    tern_problem_apply(ctx, problem, in, out);
    for (int i = 0; i < TERN_MAX_SAVED && tern_ok(ctx); i++)
        if (out[i])
            keep(ctx, run, "", problem->op->out[i].name, out[i], moving.forward.flops);
    for (int i = 0; i < problem->count && tern_ok(ctx); i++)
        if (in[i] && (problem->inputs[i].arg->flags & TERN_MUTATED))
            keep(ctx, run, "after_", problem->inputs[i].name, in[i], moving.forward.flops);
    if (tern_ok(ctx))
        run_backward(ctx, problem, &opts, in, out, run);
}
