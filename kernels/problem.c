/* Building the inputs of a sample problem; see problem.h. */
#include "kernels/problem.h"

#include "core/rng.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reals keep this far from zero, where relu and the like have their kink. */
static const double KINK_MARGIN = 0.05;

int tern_op_input_index(const tern_op *op, const char *name)
{
    for (int i = 0; i < tern_op_input_count(op); i++) {
        size_t length = strlen(op->in[i].name);
        if (strncmp(op->in[i].name, name, length) != 0)
            continue;
        const char *rest = name + length;
        if (op->in[i].flags & TERN_VARIADIC)
            while (isdigit((unsigned char)*rest))
                rest++;
        if (!*rest)
            return i;
    }
    return -1;
}

tern_dtype tern_kind_host_dtype(tern_kind kind)
{
    return kind == TERN_INDEX ? TERN_I32 : kind == TERN_MASK ? TERN_U8 : TERN_F64;
}

/* -------------------------------------------------------------- values -- */

static double draw_real(tern_rng *rng, const tern_sample_input *spec)
{
    if (spec->has_range)
        return (float)(spec->low + (spec->high - spec->low) * tern_rng_uniform(rng));
    double value = tern_rng_normal(rng);
    return (float)(value + (value < 0 ? -KINK_MARGIN : KINK_MARGIN));
}

static int32_t draw_index(tern_rng *rng, const tern_sample_input *spec)
{
    int64_t low = spec->has_range ? (int64_t)spec->low : 0;
    int64_t high = spec->has_range ? (int64_t)spec->high : 1;
    return (int32_t)(low + tern_rng_below(rng, (uint32_t)(high - low + 1)));
}

static uint8_t draw_mask(tern_rng *rng, const tern_sample_input *spec)
{
    if (spec->has_range)
        return (uint8_t)draw_index(rng, spec);
    return tern_rng_below(rng, 4) != 0;
}

static void draw_values(tern_problem_input *input, const tern_sample_input *spec, tern_rng *rng)
{
    for (int64_t i = 0; i < input->count; i++)
        switch (input->arg->kind) {
        case TERN_ANY:
        case TERN_REAL: ((double *)input->values)[i] = draw_real(rng, spec); break;
        case TERN_INDEX: ((int32_t *)input->values)[i] = draw_index(rng, spec); break;
        case TERN_MASK: ((uint8_t *)input->values)[i] = draw_mask(rng, spec); break;
        case TERN_KIND_END: break;
        }
}

/* rng NULL: no values. */
static bool make_input(tern_problem *problem, const tern_sample_input *spec, tern_rng *rng,
                       tern_error *error)
{
    const tern_op *op = problem->op;
    int at = tern_op_input_index(op, spec->name);
    if (at < 0)
        return tern_error_set(error, TERN_ERR_ARGUMENT, "%s has no input %s", op->name, spec->name);
    const tern_arg *arg = &op->in[at];
    while ((arg->flags & TERN_VARIADIC) && at < TERN_MAX_ARGS && problem->inputs[at].present)
        at++;
    if (at == TERN_MAX_ARGS || problem->inputs[at].present)
        return tern_error_set(error, TERN_ERR_ARGUMENT, "%s: input %s is given too often", op->name,
                              spec->name);
    tern_problem_input *input = &problem->inputs[at];
    *input = (tern_problem_input){ .present = true, .arg = arg, .rank = spec->rank, .count = 1 };
    snprintf(input->name, sizeof input->name, "%s", spec->name);
    for (int axis = 0; axis < spec->rank; axis++) {
        input->shape[axis] = spec->shape[axis];
        input->count *= spec->shape[axis];
    }
    if (at + 1 > problem->count)
        problem->count = at + 1;
    if (!rng)
        return true;
    input->values = calloc((size_t)input->count + 1, tern_dtype_size(tern_kind_host_dtype(arg->kind)));
    if (!input->values)
        return tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for input %s", op->name,
                              spec->name);
    draw_values(input, spec, rng);
    return true;
}

bool tern_problem_set_options(tern_problem *problem, const char *text, tern_error *error)
{
    char word[128];
    while (text && *text) {
        while (isspace((unsigned char)*text))
            text++;
        size_t length = strcspn(text, " \t\n");
        if (!length)
            break;
        if (length >= sizeof word)
            return tern_error_set(error, TERN_ERR_OPTION, "option too long: %.40s...", text);
        memcpy(word, text, length);
        word[length] = '\0';
        char *equals = strchr(word, '=');
        if (!equals)
            return tern_error_set(error, TERN_ERR_OPTION, "%s: option=value wanted", word);
        *equals = '\0';
        if (!tern_option_parse(problem->op, problem->options, word, equals + 1, error))
            return false;
        text += length;
    }
    return true;
}

static bool make(tern_problem *problem, const tern_op *op, const char *inputs, const char *options,
                 tern_rng *rng, tern_error *error)
{
    tern_sample_input spec;
    *problem = (tern_problem){ .op = op, .options = calloc(1, op->options_size + 1),
                               .count = tern_op_input_count(op) };
    bool ok = problem->options ||
              tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for options", op->name);
    ok = ok && tern_problem_set_options(problem, options, error);
    for (const char *at = inputs; ok && (at = tern_sample_next(at, &spec, error));)
        ok = make_input(problem, &spec, rng, error);
    if (!ok || error->code) {
        tern_problem_free(problem);
        return false;
    }
    return true;
}

bool tern_problem_make(tern_problem *problem, const tern_op *op, const char *inputs,
                       const char *options, uint64_t seed, tern_error *error)
{
    tern_rng rng = tern_rng_make(seed, TERN_STREAM_TEST, 0);
    return make(problem, op, inputs, options, &rng, error);
}

bool tern_problem_outline(tern_problem *problem, const tern_op *op, const char *inputs,
                          const char *options, tern_error *error)
{
    return make(problem, op, inputs, options, NULL, error);
}

void tern_problem_free(tern_problem *problem)
{
    for (int i = 0; i < TERN_MAX_ARGS; i++)
        free(problem->inputs[i].values);
    free(problem->options);
    *problem = (tern_problem){ 0 };
}

/* ------------------------------------------------------------- running -- */

void tern_problem_upload(tern_ctx *ctx, const tern_problem *problem, bool with_grad,
                         tern_tensor **inputs)
{
    for (int i = 0; i < problem->count; i++) {
        const tern_problem_input *input = &problem->inputs[i];
        inputs[i] = NULL;
        if (!input->present)
            continue;
        inputs[i] = tern_input(ctx, input->name, tern_kind_host_dtype(input->arg->kind),
                               input->rank, input->shape, input->values);
        if (with_grad && (input->arg->flags & TERN_DIFF))
            tern_require_grad(ctx, inputs[i]);
    }
}

void tern_problem_apply(tern_ctx *ctx, const tern_problem *problem, tern_tensor *const *inputs,
                        tern_tensor **outputs)
{
    for (int i = 0; i < TERN_MAX_SAVED; i++)
        outputs[i] = NULL;
    tern_apply(ctx, problem->op, inputs, problem->count, problem->options, outputs);
}
