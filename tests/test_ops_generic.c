/* What every op of the table promises, whatever it computes: the same bits for any
 * number of threads, nothing read that was not written, shapes known without
 * computing, and an error instead of a crash for inputs that make no sense. */
#include "tests/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/table.h"
#include "tests/op_run.h"

/* Samples with more input elements or forward work are left to the benchmarks. */
static const int64_t MAX_ELEMENTS = 600000;
static const double MAX_FLOPS = 20e6;

static tern_problem make_problem(const tern_op *op, const tern_sample *sample)
{
    tern_problem problem;
    tern_error error = { 0 };
    if (!tern_problem_make(&problem, op, sample->inputs, sample->options, 31, &error))
        fail_msg("%s(%s): %s", op->name, sample->inputs, error.message);
    return problem;
}

static op_result run(tern_ctx *ctx, const tern_problem *problem, op_run_how how)
{
    op_result result = op_run_on(ctx, problem, how);
    if (!tern_ok(ctx))
        fail_msg("%s on %s: %s", problem->op->name, tern_device(ctx),
                 tern_ctx_error(ctx)->message);
    return result;
}

/* ------------------------------------------------------------ the same -- */

static int64_t elements_of(const tern_sample *sample)
{
    int64_t elements = 0;
    tern_error error = { 0 };
    tern_sample_input input;
    for (const char *at = sample->inputs; (at = tern_sample_next(at, &input, &error));) {
        int64_t count = 1;
        for (int axis = 0; axis < input.rank; axis++)
            count *= input.shape[axis];
        elements += count;
    }
    return elements;
}

static double flops_of(tern_ctx *meta, const tern_problem *problem, op_run_how how)
{
    op_result declared = run(meta, problem, how);
    op_result_free(&declared);
    return tern_step_flops(meta);
}

/* Run a problem on all contexts; the first is what the others must equal. */
static void compare_runs(const tern_problem *problem, op_run_how how, tern_ctx *const *ctx,
                         const char *const *when, int count)
{
    char what[96];
    op_result first = run(ctx[0], problem, how);
    for (int c = 0; c < count; c++) {
        op_result other = run(ctx[c], problem, how);
        snprintf(what, sizeof what, "%s, first and %s", problem->op->name, when[c]);
        assert_same_bits(what, &first, &other);
        op_result_free(&other);
    }
    op_result_free(&first);
}

static void compare_contexts(const tern_op *op, unsigned uses, tern_ctx *const *ctx,
                             const char *const *when, int count)
{
    tern_ctx *meta = open_context((tern_ctx_opts){ .device = "meta" });
    op_run_how how = { .signature = 0 };
    for (const tern_sample *sample = op->samples; sample && sample->uses; sample++) {
        if (!(sample->uses & uses) || elements_of(sample) > MAX_ELEMENTS)
            continue;
        tern_problem problem = make_problem(op, sample);
        int modes = sample->uses & TERN_SAMPLE_CHECK ? 2 : 1; /* large ones: training only */
        for (int mode = 0; mode < modes; mode++) {
            how.signature++;
            how.eval = mode == 1;
            if (flops_of(meta, &problem, how) <= MAX_FLOPS)
                compare_runs(&problem, how, ctx, when, count);
        }
        tern_problem_free(&problem);
    }
    tern_ctx_free(meta);
}

static void bits_depend_neither_on_threads_nor_on_the_run(void **state)
{
    (void)state;
    static const char *const when[] = { "in a second run", "with 2 threads", "with 3 threads" };
    for (const tern_op *const *op = tern_op_table(); *op; op++) {
        tern_ctx *ctx[3];
        for (int i = 0; i < 3; i++)
            ctx[i] = open_context(
                (tern_ctx_opts){ .device = "cpu", .threads = 1 + i, .seed = 7 });
        compare_contexts(*op, TERN_SAMPLE_CHECK | TERN_SAMPLE_BENCH, ctx, when, 3);
        for (int i = 0; i < 3; i++)
            tern_ctx_free(ctx[i]);
    }
}

static void nothing_is_read_that_was_not_written(void **state)
{
    (void)state;
    static const char *const when[] = { "in a second run", "with poisoned memory" };
    for (const tern_op *const *op = tern_op_table(); *op; op++) {
        tern_ctx *ctx[2];
        for (int i = 0; i < 2; i++)
            ctx[i] = open_context((tern_ctx_opts){
                .device = "cpu", .threads = 2, .seed = 7, .poison = i });
        compare_contexts(*op, TERN_SAMPLE_CHECK, ctx, when, 2);
        for (int i = 0; i < 2; i++)
            tern_ctx_free(ctx[i]);
    }
}

static void meta_knows_the_shapes(void **state)
{
    (void)state;
    for (const tern_op *const *op = tern_op_table(); *op; op++) {
        tern_ctx *meta = open_context((tern_ctx_opts){ .device = "meta" });
        tern_ctx *cpu = open_context((tern_ctx_opts){ .device = "cpu", .threads = 1 });
        uint64_t signature = 0;
        for (const tern_sample *sample = (*op)->samples; sample && sample->uses; sample++) {
            op_run_how how = { .signature = ++signature };
            if (!(sample->uses & TERN_SAMPLE_CHECK))
                continue;
            tern_problem problem = make_problem(*op, sample);
            op_result declared = run(meta, &problem, how), computed = run(cpu, &problem, how);
            assert_same_shapes((*op)->name, &declared, &computed);
            op_result_free(&declared);
            op_result_free(&computed);
            tern_problem_free(&problem);
        }
        tern_ctx_free(meta);
        tern_ctx_free(cpu);
    }
}

/* ----------------------------------------------------------- nonsense -- */

/* An op's samples on the devices on which nonsense is tried. */
typedef struct nonsense {
    tern_ctx *ctx[3]; /* meta, ref, cpu */
    tern_problem problem;
    uint64_t signature;
} nonsense;

/* "model.part1: linear: x [2,3] ..." */
static void assert_tells_place(const tern_op *op, tern_status code, const char *message)
{
    char start[64];
    int length = snprintf(start, sizeof start, ": %s: ", op->name);
    if (code == TERN_OK)
        return;
    if (strncmp(message, "model.part", 10) != 0 || strncmp(message + 11, start, (size_t)length) != 0)
        fail_msg("%s: the message does not begin with place and op: %s", op->name, message);
    if (code == TERN_ERR_SHAPE && !strchr(message, '['))
        fail_msg("%s: the message names no shape: %s", op->name, message);
    if (strstr(message + 11 + length, start + 2))
        fail_msg("%s: the message names the op twice: %s", op->name, message);
}

/* Try the problem as it stands on all devices.  Whether it must fail, or may;
 * what it must not do is crash, or fail on one device only. */
static void attempt(nonsense *n, tern_status wanted, const char *what, const char *input)
{
    n->signature++;
    for (int i = 0; i < 3; i++) {
        tern_scope_push(n->ctx[i], "model.part%d", i);
        op_result result =
            op_run_on(n->ctx[i], &n->problem, (op_run_how){ .signature = n->signature });
        op_result_free(&result);
        tern_scope_pop(n->ctx[i]);
        tern_status code = tern_ctx_error(n->ctx[i])->code;
        const char *message = tern_ctx_error(n->ctx[i])->message;
        if (wanted != TERN_OK && code != wanted)
            fail_msg("%s on %s, %s %s: wanted is a %s error, got %s: %s", n->problem.op->name,
                     tern_device(n->ctx[i]), input, what, tern_status_name(wanted),
                     tern_status_name(code), message);
        assert_tells_place(n->problem.op, code, message);
        tern_clear_error(n->ctx[i]);
    }
}

/* The input under another shape and kind, all zeros, or 1 where it holds reals. */
static void attempt_with(nonsense *n, int at, tern_problem_input changed, tern_status wanted,
                         const char *what)
{
    tern_problem_input original = n->problem.inputs[at];
    changed.count = 1;
    for (int axis = 0; axis < changed.rank; axis++)
        changed.count *= changed.shape[axis];
    changed.values = calloc((size_t)changed.count + 1, sizeof(double));
    assert_non_null(changed.values);
    for (int64_t i = 0; tern_kind_host_dtype(changed.arg->kind) == TERN_F64 && i < changed.count;
         i++)
        ((double *)changed.values)[i] = 1;
    n->problem.inputs[at] = changed;
    attempt(n, wanted, what, original.name);
    free(changed.values);
    n->problem.inputs[at] = original;
}

/* The documented shape has as many axes as it names: "[N, H, W, C]", but not
 * "[..., D]" or "[] or [1]". */
static bool rank_is_fixed(const tern_arg *arg)
{
    const char *close = strchr(arg->shape, ']');
    return arg->shape[0] == '[' && close && !strstr(arg->shape, "...") && !strchr(close, '[');
}

static void attempt_shapes(nonsense *n, int at)
{
    const tern_problem_input original = n->problem.inputs[at];
    tern_status wanted = rank_is_fixed(original.arg) ? TERN_ERR_SHAPE : TERN_OK;
    tern_problem_input changed = original;
    if (original.rank < TERN_MAX_RANK) {
        changed.shape[changed.rank++] = 1;
        attempt_with(n, at, changed, wanted, "with an axis too many");
    }
    if (original.rank > 0) {
        changed = original;
        changed.rank--;
        attempt_with(n, at, changed, wanted, "with an axis too few");
    }
    for (int axis = 0; axis < original.rank; axis++)
        for (int change = 0; change < 3; change++) {
            changed = original;
            changed.shape[axis] = (int64_t[]){ original.shape[axis] + 1, 0, 1 }[change];
            attempt_with(n, at, changed, TERN_OK, "with another extent");
        }
}

static void attempt_kind(nonsense *n, int at)
{
    tern_problem_input changed = n->problem.inputs[at];
    tern_arg other = *changed.arg;
    if (other.kind == TERN_ANY)
        return;
    other.kind = other.kind == TERN_REAL ? TERN_MASK : TERN_REAL;
    other.flags &= ~(unsigned)TERN_DIFF;
    changed.arg = &other;
    attempt_with(n, at, changed, TERN_ERR_DTYPE, "of another kind");
}

/* Class numbers, tokens and lengths that mean nothing: an error or a clamp. */
static void attempt_indices(nonsense *n, int at)
{
    tern_problem_input *input = &n->problem.inputs[at];
    static const int32_t wild[] = { -1, INT32_MIN, 1000, INT32_MAX };
    int32_t *values = input->values, first = input->count ? values[0] : 0;
    for (size_t w = 0; w < sizeof wild / sizeof *wild && input->count; w++) {
        values[0] = wild[w];
        attempt(n, TERN_OK, "of wild values", input->name);
    }
    if (input->count)
        values[0] = first;
}

static void attempt_input(nonsense *n, int at)
{
    tern_problem_input *input = &n->problem.inputs[at];
    if (!(input->arg->flags & TERN_OPTIONAL)) {
        input->present = false;
        attempt(n, TERN_ERR_ARGUMENT, "missing", input->name);
        input->present = true;
    }
    attempt_kind(n, at);
    attempt_shapes(n, at);
    if (input->arg->kind == TERN_INDEX)
        attempt_indices(n, at);
}

static void attempt_option(nonsense *n, const tern_option *option)
{
    char *field = (char *)n->problem.options + option->offset;
    int *choice = (int *)(void *)field;
    double *real = (double *)(void *)field;
    int64_t *whole = (int64_t *)(void *)field;
    tern_status wanted = option->lowest < option->highest ? TERN_ERR_OPTION : TERN_OK;
    double below = option->lowest - fabs(option->lowest) - 1, above = option->highest * 2 + 1;

    if (option->type == TERN_OPTION_CHOICE) {
        int before = *choice;
        *choice = 999;
        attempt(n, TERN_ERR_OPTION, "out of range", option->name);
        *choice = before;
    } else if (option->type == TERN_OPTION_REAL) {
        double before = *real, beyond[] = { NAN, below, above };
        for (int i = 0; i < 3; i++) {
            *real = beyond[i];
            attempt(n, i ? wanted : TERN_ERR_OPTION, "out of range", option->name);
        }
        *real = before;
    } else if (option->type == TERN_OPTION_INT) {
        int64_t before = *whole, beyond[] = { (int64_t)below, (int64_t)above };
        for (int i = 0; i < 2; i++) {
            *whole = beyond[i];
            attempt(n, wanted, "out of range", option->name);
        }
        *whole = before;
    }
}

static void nonsense_is_an_error_and_never_a_crash(void **state)
{
    (void)state;
    static const char *const devices[] = { "meta", "ref", "cpu" };
    for (const tern_op *const *op = tern_op_table(); *op; op++) {
        nonsense n = { .signature = 0 };
        for (int i = 0; i < 3; i++)
            n.ctx[i] = open_context((tern_ctx_opts){ .device = devices[i], .threads = 1 });
        for (const tern_sample *sample = (*op)->samples; sample && sample->uses; sample++) {
            if (!(sample->uses & TERN_SAMPLE_CHECK))
                continue;
            n.problem = make_problem(*op, sample);
            for (int at = 0; at < n.problem.count; at++)
                if (n.problem.inputs[at].present)
                    attempt_input(&n, at);
            for (const tern_option *option = (*op)->options; option && option->type; option++)
                attempt_option(&n, option);
            tern_problem_free(&n.problem);
        }
        for (int i = 0; i < 3; i++)
            tern_ctx_free(n.ctx[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_depend_neither_on_threads_nor_on_the_run),
        cmocka_unit_test(nothing_is_read_that_was_not_written),
        cmocka_unit_test(meta_knows_the_shapes),
        cmocka_unit_test(nonsense_is_an_error_and_never_a_crash),
    };
    return cmocka_run_group_tests_name("ops_generic", tests, NULL, NULL);
}
