/* Running one op from file to file; see op_file.h. */
#include "kernels/op_file.h"

#include "core/array_file.h"
#include "kernels/problem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 64 };

typedef struct run {
    tern_ctx *ctx;
    const tern_op *op;
    const tern_op_file *file;
    tern_array_file *in; /* NULL: there are no inputs                 */
    int nameless;        /* which input the array of .npy is; or -1   */
    tern_tensor *inputs[TERN_MAX_ARGS], *outputs[TERN_MAX_SAVED];
    int count;           /* of inputs, as tern_apply wants them       */
    tern_op_report *report;
} run;

static unsigned input_flags(const tern_op *op, int i)
{
    int last = tern_op_input_count(op) - 1;
    return op->in[i < last ? i : last].flags;
}

/* --------------------------------------------------------------- report -- */

static void describe(tern_op_array *entry, const char *name, const tern_tensor *tensor)
{
    *entry = (tern_op_array){ .dtype = tensor->dtype, .rank = tensor->rank,
                              .count = tensor->count };
    snprintf(entry->name, sizeof entry->name, "%s", name);
    memcpy(entry->shape, tensor->shape, sizeof entry->shape);
}

static double value_at(const tern_tensor *tensor, const void *values, int64_t i)
{
    switch (tensor->dtype) {
    case TERN_F64: return ((const double *)values)[i];
    case TERN_F32: return ((const float *)values)[i];
    case TERN_I32: return ((const int32_t *)values)[i];
    default: return ((const uint8_t *)values)[i];
    }
}

static void summarise(tern_op_array *entry, const tern_tensor *tensor, const void *values)
{
    double sum = 0;
    entry->lowest = INFINITY;
    entry->highest = -INFINITY;
    for (int64_t i = 0; i < tensor->count; i++) {
        double value = value_at(tensor, values, i);
        if (!isfinite(value)) {
            entry->not_finite++;
            continue;
        }
        sum += value;
        entry->lowest = fmin(entry->lowest, value);
        entry->highest = fmax(entry->highest, value);
    }
    entry->mean = sum / (double)(entry->count - entry->not_finite);
}

/* ---------------------------------------------------------------- names -- */

/* Every name that the input file may hold. */
static int known_names(const tern_op *op, char grads[][NAME_BYTES], const char **known)
{
    int count = 0;
    for (int i = 0; i < tern_op_input_count(op); i++)
        known[count++] = op->in[i].name;
    for (int i = 0; i < tern_op_output_count(op); i++) {
        snprintf(grads[i], NAME_BYTES, "grad_%s", op->out[i].name);
        known[count++] = grads[i];
    }
    return count;
}

static bool unknown_name(const run *r, const char *name, const char *const *known, int count)
{
    char list[512] = "";
    const char *nearest = tern_nearest_name(name, known, count);
    for (int i = 0; i < count; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", known[i]);
    if (nearest)
        tern_fail(r->ctx, TERN_ERR_ARGUMENT, "%s has no input %s, did you mean %s?", r->op->name,
                  name, nearest);
    else
        tern_fail(r->ctx, TERN_ERR_ARGUMENT, "%s has no input %s; the file may hold %s",
                  r->op->name, name, list);
    return false;
}

/* What is in the file must be wanted, or a slip in a name goes unnoticed. */
static bool names_are_known(const run *r)
{
    const char *known[TERN_MAX_ARGS + TERN_MAX_SAVED];
    char grads[TERN_MAX_SAVED][NAME_BYTES];
    int count = known_names(r->op, grads, known);
    for (int i = 0; i < tern_array_file_count(r->in); i++) {
        const char *name = tern_array_file_name(r->in, i);
        bool found = tern_op_input_index(r->op, name) >= 0;
        for (int k = tern_op_input_count(r->op); k < count; k++)
            found = found || strcmp(known[k], name) == 0;
        if (!found)
            return unknown_name(r, name, known, count);
    }
    return true;
}

/* The array of a .npy file has no name: it is the only input that must be given, or the
 * only one that may be.  Its number, or -1 if there is no such input. */
static int nameless_input(const tern_op *op)
{
    int named = tern_op_input_count(op), required = 0, at = named == 1 ? 0 : -1;
    for (int i = 0; i < named; i++)
        if (!(op->in[i].flags & TERN_OPTIONAL)) {
            required++;
            at = i;
        }
    return required <= 1 ? at : -1;
}

static bool open_inputs(run *r)
{
    tern_error error = { 0 };
    r->nameless = -1;
    if (!r->file->in)
        return true;
    r->in = tern_array_file_open(r->file->in, &error);
    if (!r->in)
        return tern_fail_with(r->ctx, &error);
    if (!tern_array_file_has(r->in, ""))
        return names_are_known(r);
    r->nameless = nameless_input(r->op);
    if (r->nameless < 0 || r->file->grad)
        tern_fail(r->ctx, TERN_ERR_ARGUMENT,
                  "%s: a .npy file holds one array; %s wants %s: give .npz or .safetensors",
                  r->file->in, r->op->name,
                  r->file->grad ? "the gradient of its output too" : "several inputs");
    return tern_ok(r->ctx);
}

/* --------------------------------------------------------------- inputs -- */

/* What the contract wants of values of this type. */
static tern_dtype wanted_type(const run *r, tern_kind kind, tern_dtype given)
{
    switch (kind) {
    case TERN_REAL: return tern_real_type(r->ctx);
    case TERN_INDEX: return TERN_I32;
    case TERN_MASK: return TERN_U8;
    default: break;
    }
    if (tern_dtype_is_real(given))
        return tern_real_type(r->ctx);
    return given == TERN_I64 ? TERN_I32 : given;
}

/* `stored` is its name in the file. */
static tern_tensor *read_input(run *r, const char *name, const char *stored, const tern_arg *arg)
{
    tern_error error = { 0 };
    tern_values values;
    if (!tern_array_file_read(r->in, stored, &values, &error)) {
        tern_fail_with(r->ctx, &error);
        return NULL;
    }
    tern_dtype type = wanted_type(r, arg->kind, values.dtype);
    void *host = tern_step_scratch(r->ctx, (size_t)values.count * tern_dtype_size(type) + 1);
    values.name = name;
    if (!host || !tern_convert(&values, type, host, &error)) {
        tern_error_prefix(&error, "%s", r->op->name);
        tern_fail_with(r->ctx, &error);
        return NULL;
    }
    tern_tensor *tensor = tern_input(r->ctx, name, type, values.rank, values.shape, host);
    if (tern_ok(r->ctx) && r->report)
        describe(&r->report->in[r->report->in_count++], name, tensor);
    return r->file->grad && (arg->flags & TERN_DIFF) ? tern_require_grad(r->ctx, tensor) : tensor;
}

/* Of a variadic input x: x0, x1 ... as far as they go.  A later one behind a gap is a slip. */
static void read_variadic(run *r, int first, const tern_arg *arg)
{
    char name[NAME_BYTES], missing[NAME_BYTES] = "";
    bool unnumbered = r->inputs[first] != NULL;
    for (int n = 0; first + n < TERN_MAX_ARGS && tern_ok(r->ctx); n++) {
        snprintf(name, sizeof name, "%s%d", arg->name, n);
        if (!tern_array_file_has(r->in, name)) {
            if (!*missing)
                memcpy(missing, name, sizeof missing);
        } else if (unnumbered) {
            tern_fail(r->ctx, TERN_ERR_ARGUMENT, "%s: %s holds %s and %s: name all with numbers",
                      r->op->name, r->file->in, arg->name, name);
        } else if (*missing) {
            tern_fail(r->ctx, TERN_ERR_ARGUMENT, "%s: %s holds %s, but no %s", r->op->name,
                      r->file->in, name, missing);
        } else {
            r->inputs[first + n] = read_input(r, name, name, arg);
            r->count = first + n + 1;
        }
    }
}

static void read_inputs(run *r)
{
    int named = tern_op_input_count(r->op);
    r->count = named;
    for (int i = 0; r->in && i < named && tern_ok(r->ctx); i++) {
        const tern_arg *arg = &r->op->in[i];
        const char *stored = i == r->nameless ? "" : arg->name;
        if (tern_array_file_has(r->in, stored))
            r->inputs[i] = read_input(r, arg->name, stored, arg);
        if (arg->flags & TERN_VARIADIC)
            read_variadic(r, i, arg);
        if (!r->inputs[i] && !(arg->flags & TERN_OPTIONAL))
            tern_fail(r->ctx, TERN_ERR_ARGUMENT, "%s: %s holds no %s%s, %s", r->op->name,
                      r->file->in, arg->name, arg->flags & TERN_VARIADIC ? "0" : "", arg->shape);
    }
}

/* ------------------------------------------------------------- backward -- */

static bool same_shape(const tern_values *values, const tern_tensor *tensor)
{
    bool same = values->rank == tensor->rank;
    for (int axis = 0; same && axis < tensor->rank; axis++)
        same = values->shape[axis] == tensor->shape[axis];
    return same;
}

static void seed_output(run *r, const char *name, tern_tensor *output)
{
    char want[TERN_SHAPE_TEXT], got[TERN_SHAPE_TEXT];
    tern_error error = { 0 };
    tern_values values;
    if (!tern_array_file_read(r->in, name, &values, &error)) {
        tern_fail_with(r->ctx, &error);
        return;
    }
    tern_tensor header = { .rank = values.rank };
    memcpy(header.shape, values.shape, sizeof header.shape);
    if (!same_shape(&values, output)) {
        tern_fail(r->ctx, TERN_ERR_SHAPE, "%s: %s is %s, output %s is %s", r->op->name, name,
                  tern_shape_text(&header, got), output->name, tern_shape_text(output, want));
        return;
    }
    void *host = tern_step_scratch(r->ctx, tern_tensor_bytes(output) + 1);
    values.name = name;
    if (!host || !tern_convert(&values, output->dtype, host, &error)) {
        tern_error_prefix(&error, "%s", r->op->name);
        tern_fail_with(r->ctx, &error);
        return;
    }
    tern_seed_grad(r->ctx, output, output->dtype, host);
    if (tern_ok(r->ctx) && r->report)
        describe(&r->report->in[r->report->in_count++], name, output);
}

static void seed_outputs(run *r)
{
    bool any = false, differentiable = false;
    for (int i = 0; i < r->count; i++)
        differentiable = differentiable || (r->inputs[i] && r->inputs[i]->requires_grad);
    if (!differentiable)
        tern_fail(r->ctx, TERN_ERR_ARGUMENT,
                  "%s has no gradient: none of the inputs given is differentiable", r->op->name);
    for (int i = 0; i < tern_op_output_count(r->op) && tern_ok(r->ctx); i++) {
        char name[NAME_BYTES];
        snprintf(name, sizeof name, "grad_%s", r->op->out[i].name);
        if (!r->outputs[i] || !r->in || !tern_array_file_has(r->in, name))
            continue;
        seed_output(r, name, r->outputs[i]);
        any = true;
    }
    if (!any && tern_ok(r->ctx))
        tern_fail(r->ctx, TERN_ERR_ARGUMENT,
                  "%s: gradients are wanted, but the input file holds no grad_%s", r->op->name,
                  r->op->out[0].name);
}

/* -------------------------------------------------------------- outputs -- */

/* The file in the making, and host copies that live until it is written. */
typedef struct output_list {
    tern_array_writer *writer;
    void *values[2 * TERN_MAX_ARGS + TERN_MAX_SAVED];
    int count;
} output_list;

static void add_output(run *r, output_list *list, const char *prefix, const char *own_name,
                       const tern_tensor *tensor)
{
    char name[2 * NAME_BYTES];
    void *values = malloc(tern_tensor_bytes(tensor) + 1);
    snprintf(name, sizeof name, "%s%s", prefix, own_name);
    if (!values) {
        tern_fail(r->ctx, TERN_ERR_MEMORY, "no memory for %s", name);
        return;
    }
    list->values[list->count++] = values;
    tern_read(r->ctx, tensor, tensor->dtype, values);
    tern_values written = { .name = name, .dtype = tensor->dtype, .rank = tensor->rank,
                            .count = tensor->count, .data = values };
    memcpy(written.shape, tensor->shape, sizeof written.shape);
    tern_array_add(list->writer, &written);
    if (r->report) {
        tern_op_array *entry = &r->report->out[r->report->out_count++];
        describe(entry, name, tensor);
        summarise(entry, tensor, values);
    }
}

static void add_outputs(run *r, output_list *list)
{
    for (int i = 0; i < tern_op_output_count(r->op); i++)
        if (r->outputs[i])
            add_output(r, list, "", r->op->out[i].name, r->outputs[i]);
    for (int i = 0; i < r->count; i++) {
        const tern_tensor *input = r->inputs[i];
        /* What an op changes in place is a result too. */
        if (input && (input_flags(r->op, i) & TERN_MUTATED))
            add_output(r, list, "", input->name, input);
        if (r->file->grad && input && input->requires_grad && input->grad)
            add_output(r, list, "grad_", input->name, input->grad);
    }
}

static void write_outputs(run *r)
{
    tern_error error = { 0 };
    output_list list = { .writer = tern_array_create(r->file->out, &error) };
    if (list.writer)
        add_outputs(r, &list);
    if (tern_ok(r->ctx))
        tern_array_finish(list.writer);
    else
        tern_array_discard(list.writer);
    tern_fail_with(r->ctx, &error);
    for (int i = 0; i < list.count; i++)
        free(list.values[i]);
}

/* -------------------------------------------------------------- running -- */

static void apply(run *r, const void *options)
{
    read_inputs(r);
    tern_apply(r->ctx, r->op, r->inputs, r->count, options, r->outputs);
    if (r->report)
        r->report->flops = tern_step_flops(r->ctx);
    if (r->file->grad && tern_ok(r->ctx)) {
        seed_outputs(r);
        tern_backward(r->ctx, NULL);
    }
    if (tern_ok(r->ctx))
        write_outputs(r);
}

static bool set_options(tern_ctx *ctx, tern_problem *problem, const tern_op_file *file)
{
    tern_error error = { 0 };
    for (int i = 0; i < file->option_count && !error.code; i++)
        tern_problem_set_options(problem, file->options[i], &error);
    return tern_fail_with(ctx, &error);
}

bool tern_op_run_file(tern_ctx *ctx, const tern_op *op, const tern_op_file *file,
                      tern_op_report *report)
{
    tern_error error = { 0 };
    tern_problem problem;
    run r = { .ctx = ctx, .op = op, .file = file, .report = report };
    if (report)
        *report = (tern_op_report){ 0 };
    if (strcmp(tern_device(ctx), "meta") == 0)
        tern_fail(ctx, TERN_ERR_ARGUMENT, "device meta computes nothing that could be written");
    if (!tern_ok(ctx) || !tern_problem_make(&problem, op, "", "", 0, &error))
        return tern_fail_with(ctx, &error);
    tern_set_training(ctx, file->training);
    tern_set_recording(ctx, file->grad);
    tern_step_begin(ctx, 0);
    if (open_inputs(&r) && set_options(ctx, &problem, file))
        apply(&r, problem.options);
    tern_problem_free(&problem);
    tern_array_file_close(r.in);
    return tern_ok(ctx);
}
