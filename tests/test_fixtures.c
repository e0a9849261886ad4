/* ref against PyTorch in float64: the fixtures of tests/fixtures/make_ops.py, which
 * says how a fixture file is laid out. */
#include "tests/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/safetensors.h"
#include "kernels/table.h"
#include "tests/op_run.h"

/* Of the value itself, or of a thousandth of the tensor's largest value where
 * an element is smaller than that: what is left of a cancellation. */
static const double TOLERANCE = 1e-10;

/* Below this a fixture holds PyTorch's rounding: the gradient of a normalised row of
 * one element is 0, where PyTorch finds 1e-13. */
static const double NOISE = 1e-12;

/* -------------------------------------------------------- fixture files -- */

typedef struct fixture {
    const tern_op *op;
    tern_safetensors *file;
    int cases;
    bool *used; /* by number of the tensor in the file */
} fixture;

static fixture open_fixture(const tern_op *op)
{
    char path[128];
    tern_error error = { 0 };
    snprintf(path, sizeof path, "tests/fixtures/ops/%s.safetensors", op->name);
    fixture fix = { .op = op, .file = tern_safetensors_open(path, &error) };
    if (!fix.file)
        fail_msg("op %s has no fixture: %s", op->name, error.message);
    const char *cases = tern_safetensors_metadata(fix.file, "cases");
    fix.cases = cases ? atoi(cases) : 0;
    fix.used = calloc((size_t)tern_safetensors_count(fix.file) + 1, sizeof *fix.used);
    if (fix.cases < 1 || !fix.used)
        fail_msg("%s: no cases", path);
    return fix;
}

static void close_fixture(fixture *fix)
{
    tern_safetensors_close(fix->file);
    free(fix->used);
}

/* NULL if the case has no tensor of that name. */
static const tern_stored *case_tensor(fixture *fix, int number, const char *prefix,
                                      const char *name)
{
    char full[96];
    snprintf(full, sizeof full, "%d/%s%s", number, prefix, name);
    for (int i = 0; i < tern_safetensors_count(fix->file); i++)
        if (strcmp(tern_safetensors_name(fix->file, i), full) == 0) {
            tern_error error = { 0 };
            const tern_stored *stored = tern_safetensors_at(fix->file, i, &error);
            assert_non_null(stored);
            fix->used[i] = true;
            return stored;
        }
    return NULL;
}

static const char *case_metadata(const fixture *fix, int number, const char *key)
{
    char full[64];
    snprintf(full, sizeof full, "%d.%s", number, key);
    const char *text = tern_safetensors_metadata(fix->file, full);
    return text ? text : "";
}

static bool load_input(fixture *fix, int number, tern_problem *problem, int at,
                       const tern_arg *arg, const char *name)
{
    const tern_stored *stored = case_tensor(fix, number, "", name);
    if (!stored)
        return false;
    tern_problem_input *input = &problem->inputs[at];
    *input = (tern_problem_input){ .present = true, .arg = arg, .rank = stored->rank,
                                   .count = stored->count, .values = malloc(stored->bytes + 1) };
    snprintf(input->name, sizeof input->name, "%s", name);
    memcpy(input->shape, stored->shape, sizeof input->shape);
    memcpy(input->values, stored->data, stored->bytes);
    if (problem->count < at + 1)
        problem->count = at + 1;
    return true;
}

static tern_problem load_problem(fixture *fix, int number)
{
    tern_problem problem;
    tern_error error = { 0 };
    if (!tern_problem_make(&problem, fix->op, "", case_metadata(fix, number, "options"), 0,
                           &error))
        fail_msg("%s, case %d: %s", fix->op->name, number, error.message);
    for (int i = 0; i < tern_op_input_count(fix->op); i++) {
        const tern_arg *arg = &fix->op->in[i];
        char name[48];
        if (!(arg->flags & TERN_VARIADIC)) {
            load_input(fix, number, &problem, i, arg, arg->name);
            continue;
        }
        for (int k = 0; i + k < TERN_MAX_ARGS; k++) {
            snprintf(name, sizeof name, "%s%d", arg->name, k);
            if (!load_input(fix, number, &problem, i + k, arg, name))
                break;
        }
    }
    return problem;
}

/* ------------------------------------------------------------ comparing -- */

static void compare(const fixture *fix, int number, const op_value *found,
                    const tern_stored *expected, const double *existing)
{
    double largest = 0;
    const double *wanted = expected->data;
    bool same = found->rank == expected->rank;
    for (int axis = 0; axis < expected->rank && same; axis++)
        same = found->shape[axis] == expected->shape[axis];
    if (!same)
        fail_msg("%s, case %d: %s has another shape", fix->op->name, number, found->name);
    if (expected->dtype == TERN_U8) {
        for (int64_t i = 0; i < found->count; i++)
            if (found->values[i] != ((const uint8_t *)expected->data)[i])
                fail_msg("%s, case %d: %s[%d] is %g", fix->op->name, number, found->name, (int)i,
                         found->values[i]);
        return;
    }
    assert_int_equal(expected->dtype, TERN_F64);
    for (int64_t i = 0; i < expected->count; i++)
        largest = fmax(largest, fabs(wanted[i]));
    for (int64_t i = 0; i < expected->count; i++) {
        double value = found->values[i] - (existing ? existing[i] : 0);
        double magnitude = fmax(fabs(wanted[i]), 1e-3 * largest);
        if (existing)
            magnitude += fabs(existing[i]);
        if (!(fabs(value - wanted[i]) <= TOLERANCE * magnitude + NOISE))
            fail_msg("%s, case %d (%s): %s[%d] is %.17g, PyTorch says %.17g%s", fix->op->name,
                     number, case_metadata(fix, number, "options"), found->name, (int)i, value,
                     wanted[i], existing ? " (accumulating)" : "");
    }
}

/* What stood in an input's gradient before it was added to; NULL if nothing did. */
static double *existing_gradient(int input, const op_value *found, bool accumulate)
{
    if (!accumulate)
        return NULL;
    double *existing = calloc((size_t)found->count + 1, sizeof *existing);
    assert_non_null(existing);
    op_run_gradient((uint32_t)(100 + input), found->count, existing);
    return existing;
}

static void compare_value(fixture *fix, int number, const char *prefix, const op_value *found,
                          const double *existing)
{
    const tern_stored *expected = case_tensor(fix, number, prefix, found->name);
    if (!expected)
        fail_msg("%s, case %d: the fixture has no %s%s", fix->op->name, number, prefix,
                 found->name);
    compare(fix, number, found, expected, existing);
}

static void compare_run(fixture *fix, int number, const tern_problem *problem,
                        const op_result *run, bool accumulate)
{
    for (int i = 0; i < TERN_MAX_SAVED; i++)
        if (*run->out[i].name)
            compare_value(fix, number, "out_", &run->out[i], NULL);
    for (int i = 0; i < problem->count; i++) {
        if (*run->in[i].name && (problem->inputs[i].arg->flags & TERN_MUTATED))
            compare_value(fix, number, "after_", &run->in[i], NULL);
        if (!*run->grad[i].name)
            continue;
        double *existing = existing_gradient(i, &run->grad[i], accumulate);
        compare_value(fix, number, "", &run->grad[i], existing);
        free(existing);
    }
}

static void check_case(tern_ctx *ctx, fixture *fix, int number, bool accumulate)
{
    tern_problem problem = load_problem(fix, number);
    op_run_how how = { .signature = (uint64_t)number, .accumulate = accumulate,
                       .eval = !atoi(case_metadata(fix, number, "training")) };
    for (int i = 0; i < tern_op_output_count(fix->op); i++) {
        const tern_stored *upstream = case_tensor(fix, number, "grad_out_", fix->op->out[i].name);
        how.upstream[i] = upstream ? upstream->data : NULL;
    }
    op_result run = op_run_on(ctx, &problem, how);
    if (!tern_ok(ctx))
        fail_msg("%s, case %d: %s", fix->op->name, number, tern_ctx_error(ctx)->message);
    compare_run(fix, number, &problem, &run, accumulate);
    op_result_free(&run);
    tern_problem_free(&problem);
}

/* --------------------------------------------------------------- tests -- */

static void check_all_ops(bool accumulate)
{
    for (const tern_op *const *op = tern_op_table(); *op; op++) {
        fixture fix = open_fixture(*op);
        tern_ctx *ctx = open_context(
            (tern_ctx_opts){ .device = "ref", .seed = 7, .poison = true });
        for (int number = 0; number < fix.cases; number++)
            check_case(ctx, &fix, number, accumulate);
        for (int i = 0; i < tern_safetensors_count(fix.file); i++)
            if (!fix.used[i])
                fail_msg("%s: nothing was compared with %s", (*op)->name,
                         tern_safetensors_name(fix.file, i));
        tern_ctx_free(ctx);
        close_fixture(&fix);
    }
}

static void ref_computes_what_pytorch_computes(void **state)
{
    (void)state;
    check_all_ops(false);
}

static void gradients_are_added_to_those_that_are_there(void **state)
{
    (void)state;
    check_all_ops(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ref_computes_what_pytorch_computes),
        cmocka_unit_test(gradients_are_added_to_those_that_are_there),
    };
    return cmocka_run_group_tests_name("fixtures", tests, NULL, NULL);
}
