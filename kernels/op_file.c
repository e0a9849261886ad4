/* Running one op from file to file; see op_file.h. */
#include "kernels/op_file.h"

#include "core/safetensors.h"
#include "kernels/problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 64 };

static bool pass_on(tern_ctx *ctx, const tern_error *error)
{
    if (error->code)
        tern_fail(ctx, error->code, "%s", error->message);
    return tern_ok(ctx);
}

static void fail_unknown(tern_ctx *ctx, const tern_op *op, const char *name,
                         const char *const *known, int count)
{
    char list[512] = "";
    const char *nearest = tern_nearest_name(name, known, count);
    for (int i = 0; i < count; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", known[i]);
    if (nearest)
        tern_fail(ctx, TERN_ERR_ARGUMENT, "%s has no input %s, did you mean %s?", op->name, name,
                  nearest);
    else
        tern_fail(ctx, TERN_ERR_ARGUMENT, "%s has no input %s; the file may hold %s", op->name,
                  name, list);
}

/* What is in the file must be wanted, or a slip in a name goes unnoticed. */
static bool names_are_known(tern_ctx *ctx, const tern_op *op, const tern_safetensors *in)
{
    const char *known[2 * TERN_MAX_ARGS];
    char grads[TERN_MAX_SAVED][NAME_BYTES];
    int count = 0;
    for (int i = 0; i < tern_op_input_count(op); i++)
        known[count++] = op->in[i].name;
    for (int i = 0; i < tern_op_output_count(op); i++) {
        snprintf(grads[i], NAME_BYTES, "grad_%s", op->out[i].name);
        known[count++] = grads[i];
    }
    for (int i = 0; i < tern_safetensors_count(in); i++) {
        const char *name = tern_safetensors_name(in, i);
        bool found = tern_op_input_index(op, name) >= 0;
        for (int k = tern_op_input_count(op); k < count; k++)
            found = found || strcmp(known[k], name) == 0;
        if (!found) {
            fail_unknown(ctx, op, name, known, count);
            return false;
        }
    }
    return true;
}

static tern_tensor *stored_input(tern_ctx *ctx, const tern_safetensors *in, const char *name,
                                 bool with_grad)
{
    tern_error error = { 0 };
    const tern_stored *stored = tern_safetensors_find(in, name, &error);
    if (!stored) {
        pass_on(ctx, &error);
        return NULL;
    }
    tern_tensor *tensor =
        tern_input(ctx, name, stored->dtype, stored->rank, stored->shape, stored->data);
    return with_grad ? tern_require_grad(ctx, tensor) : tensor;
}

/* Fill inputs by name; returns how many tern_apply is to be given. */
static int gather_inputs(tern_ctx *ctx, const tern_op *op, const tern_safetensors *in, bool grad,
                         tern_tensor **inputs)
{
    int named = tern_op_input_count(op), count = named;
    for (int i = 0; i < named && tern_ok(ctx); i++) {
        const tern_arg *arg = &op->in[i];
        bool with_grad = grad && (arg->flags & TERN_DIFF);
        inputs[i] = NULL;
        if (tern_safetensors_has(in, arg->name)) {
            inputs[i] = stored_input(ctx, in, arg->name, with_grad);
        } else if (arg->flags & TERN_VARIADIC) {
            char name[NAME_BYTES];
            for (int n = 0; i + n < TERN_MAX_ARGS; n++) {
                snprintf(name, sizeof name, "%s%d", arg->name, n);
                if (!tern_safetensors_has(in, name))
                    break;
                inputs[i + n] = stored_input(ctx, in, name, with_grad);
                count = i + n + 1;
            }
        }
    }
    return count;
}

static void seed_outputs(tern_ctx *ctx, const tern_op *op, const tern_safetensors *in,
                         tern_tensor **outputs)
{
    bool any = false;
    for (int i = 0; i < tern_op_output_count(op) && tern_ok(ctx); i++) {
        char name[NAME_BYTES], want[TERN_SHAPE_TEXT];
        tern_error error = { 0 };
        snprintf(name, sizeof name, "grad_%s", op->out[i].name);
        if (!outputs[i] || !tern_safetensors_has(in, name))
            continue;
        const tern_stored *stored = tern_safetensors_find(in, name, &error);
        if (!stored) {
            pass_on(ctx, &error);
            return;
        }
        if (stored->count != outputs[i]->count) {
            tern_fail(ctx, TERN_ERR_SHAPE, "%s has %lld elements, output %s is %s", name,
                      (long long)stored->count, op->out[i].name,
                      tern_shape_text(outputs[i], want));
            return;
        }
        tern_seed_grad(ctx, outputs[i], stored->dtype, stored->data);
        any = true;
    }
    if (!any && tern_ok(ctx))
        tern_fail(ctx, TERN_ERR_ARGUMENT,
                  "%s: gradients are wanted, but the input file holds no grad_%s", op->name,
                  op->out[0].name);
}

/* Host copies that live until the file is written. */
typedef struct output_list {
    void *values[TERN_MAX_ARGS + TERN_MAX_SAVED];
    int count;
} output_list;

static void add_output(tern_ctx *ctx, tern_safetensors_writer *writer, output_list *list,
                       const char *name, const tern_tensor *tensor)
{
    void *values = malloc(tern_tensor_bytes(tensor) + 1);
    if (!values) {
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory for output %s", name);
        return;
    }
    list->values[list->count++] = values;
    tern_read(ctx, tensor, tensor->dtype, values);
    tern_safetensors_add(writer, name, tensor->dtype, tensor->rank, tensor->shape, values);
}

static bool write_outputs(tern_ctx *ctx, const tern_op *op, const tern_op_file *file,
                          tern_tensor *const *inputs, int count, tern_tensor *const *outputs)
{
    tern_error error = { 0 };
    output_list list = { { NULL }, 0 };
    tern_safetensors_writer *writer = tern_safetensors_create(file->out, &error);
    if (!writer)
        return pass_on(ctx, &error);
    for (int i = 0; i < tern_op_output_count(op); i++)
        if (outputs[i])
            add_output(ctx, writer, &list, op->out[i].name, outputs[i]);
    for (int i = 0; i < count; i++) {
        /* What an op changes in place is a result too. */
        const tern_arg *arg = &op->in[i < tern_op_input_count(op) ? i : tern_op_input_count(op) - 1];
        char name[2 * NAME_BYTES];
        if (inputs[i] && (arg->flags & TERN_MUTATED))
            add_output(ctx, writer, &list, inputs[i]->name, inputs[i]);
        if (!file->grad || !inputs[i] || !inputs[i]->requires_grad || !inputs[i]->grad)
            continue;
        snprintf(name, sizeof name, "grad_%s", inputs[i]->name);
        add_output(ctx, writer, &list, name, inputs[i]->grad);
    }
    if (tern_ok(ctx)) {
        if (!tern_safetensors_finish(writer))
            pass_on(ctx, &error);
    } else {
        tern_safetensors_discard(writer);
    }
    for (int i = 0; i < list.count; i++)
        free(list.values[i]);
    return tern_ok(ctx);
}

static bool set_options(tern_ctx *ctx, tern_problem *problem, const tern_op_file *file)
{
    tern_error error = { 0 };
    for (int i = 0; i < file->option_count && !error.code; i++)
        tern_problem_set_options(problem, file->options[i], &error);
    return pass_on(ctx, &error);
}

bool tern_op_run_file(tern_ctx *ctx, const tern_op *op, const tern_op_file *file)
{
    tern_error error = { 0 };
    tern_tensor *inputs[TERN_MAX_ARGS], *outputs[TERN_MAX_SAVED] = { NULL };
    tern_problem problem;
    tern_safetensors *in = tern_safetensors_open(file->in, &error);
    if (!in)
        return pass_on(ctx, &error);
    if (tern_problem_make(&problem, op, "", "", 0, &error)) {
        tern_set_training(ctx, file->training);
        tern_set_recording(ctx, file->grad);
        tern_step_begin(ctx, 0);
        if (names_are_known(ctx, op, in) && set_options(ctx, &problem, file)) {
            int count = gather_inputs(ctx, op, in, file->grad, inputs);
            tern_apply(ctx, op, inputs, count, problem.options, outputs);
            if (file->grad && tern_ok(ctx)) {
                seed_outputs(ctx, op, in, outputs);
                tern_backward(ctx, NULL);
            }
            if (tern_ok(ctx))
                write_outputs(ctx, op, file, inputs, count, outputs);
        }
        tern_problem_free(&problem);
    }
    pass_on(ctx, &error);
    tern_safetensors_close(in);
    return tern_ok(ctx);
}
