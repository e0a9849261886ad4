/* Are the sample problems of the contracts good enough for the tests that live on them?
 * Each option has to be given values that matter, each optional input has to be there and
 * missing, and shapes have to be awkward: only then does agreement of cpu with ref on the
 * samples (test_cpu_against_ref) say that no option is ignored and no tail is missed. */
#include "tests/check.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/table.h"
#include "tests/op_run.h"

static tern_problem make_problem(const tern_op *op, const tern_sample *sample)
{
    tern_problem problem;
    tern_error error = { 0 };
    if (!tern_problem_make(&problem, op, sample->inputs, sample->options, 29, &error))
        fail_msg("%s(%s): %s", op->name, sample->inputs, error.message);
    return problem;
}

/* The next sample for checks from `sample` on, or NULL. */
static const tern_sample *next_check(const tern_sample *sample)
{
    while (sample && sample->uses && !(sample->uses & TERN_SAMPLE_CHECK))
        sample++;
    return sample && sample->uses ? sample : NULL;
}

/* -------------------------------------------------------------- options -- */

static size_t field_bytes(const tern_option *option)
{
    size_t length = option->length > 1 ? (size_t)option->length : 1;
    switch (option->type) {
    case TERN_OPTION_INT: return length * sizeof(int64_t);
    case TERN_OPTION_REAL: return length * sizeof(double);
    case TERN_OPTION_BOOL: return sizeof(bool);
    default: return sizeof(int);
    }
}

/* The problem gives another result, or none at all, when the option is left at its
 * default. */
static bool makes_a_difference(tern_ctx *ctx, const tern_problem *problem,
                               const tern_option *option, uint64_t *signature)
{
    char saved[16 * sizeof(int64_t)], text[OP_DIFFERENCE_TEXT];
    char *field = (char *)problem->options + option->offset;
    size_t bytes = field_bytes(option);
    assert_true(bytes <= sizeof saved);
    op_result with = op_run_on(ctx, problem, (op_run_how){ .signature = ++*signature });
    assert_tern_ok(ctx);
    memcpy(saved, field, bytes);
    memset(field, 0, bytes);
    op_result without = op_run_on(ctx, problem, (op_run_how){ .signature = ++*signature });
    memcpy(field, saved, bytes);
    bool differs = !tern_ok(ctx) || op_results_differ(&with, &without, text);
    tern_clear_error(ctx);
    op_result_free(&with);
    op_result_free(&without);
    return differs;
}

/* The field holds the value `wanted`; of an array two entries that are not the same. */
static bool has_value(const tern_problem *problem, const tern_option *option, int wanted)
{
    const char *field = (const char *)problem->options + option->offset;
    size_t entry = field_bytes(option) / (option->length > 1 ? (size_t)option->length : 1);
    if (option->type == TERN_OPTION_CHOICE)
        return *(const int *)(const void *)field == wanted;
    return option->length <= 1 || memcmp(field, field + entry, entry) != 0;
}

/* In some sample the option has that value, and it matters there. */
static bool some_sample_needs(tern_ctx *ctx, const tern_op *op, const tern_option *option,
                              int wanted, uint64_t *signature)
{
    bool found = false;
    for (const tern_sample *sample = next_check(op->samples); sample && !found;
         sample = next_check(sample + 1)) {
        tern_problem problem = make_problem(op, sample);
        found = has_value(&problem, option, wanted) &&
                makes_a_difference(ctx, &problem, option, signature);
        tern_problem_free(&problem);
    }
    return found;
}

static int check_options(tern_ctx *ctx, const tern_op *op)
{
    int missing = 0;
    uint64_t signature = 0;
    for (const tern_option *option = op->options; option && option->type; option++) {
        bool choice = option->type == TERN_OPTION_CHOICE;
        for (int value = 0; choice ? option->choices[value] != NULL : value < 1; value++) {
            if ((choice && value == (int)option->fallback) ||
                some_sample_needs(ctx, op, option, value, &signature))
                continue;
            print_error("%s: no sample in which %s%s%s makes a difference\n", op->name,
                        option->name, choice ? "=" : "", choice ? option->choices[value] : "");
            missing++;
        }
    }
    return missing;
}

static void every_option_makes_a_difference_in_some_sample(void **state)
{
    int missing = 0;
    (void)state;
    for (const tern_op *const *op = tern_op_table(); *op; op++) {
        tern_ctx *ctx = open_context((tern_ctx_opts){ .device = "ref", .seed = 7 });
        missing += check_options(ctx, *op);
        tern_ctx_free(ctx);
    }
    assert_int_equal(missing, 0);
}

/* --------------------------------------------------------------- inputs -- */

static void every_optional_input_is_given_and_left_out(void **state)
{
    int missing = 0;
    (void)state;
    for (const tern_op *const *op = tern_op_table(); *op; op++)
        for (int i = 0; i < tern_op_input_count(*op); i++) {
            bool given = false, left_out = !((*op)->in[i].flags & TERN_OPTIONAL);
            for (const tern_sample *sample = next_check((*op)->samples); sample;
                 sample = next_check(sample + 1)) {
                tern_problem problem = make_problem(*op, sample);
                given |= problem.inputs[i].present;
                left_out |= !problem.inputs[i].present;
                tern_problem_free(&problem);
            }
            if (given && left_out)
                continue;
            print_error("%s: %s is %s in every sample\n", (*op)->name, (*op)->in[i].name,
                        given ? "given" : "missing");
            missing++;
        }
    assert_int_equal(missing, 0);
}

/* --------------------------------------------------------------- shapes -- */

/* Of the last axis, along which vectors lie: less than any vector holds (2, as the pairs of
 * rotary need two); more than any holds, but no multiple; the same with a rest at every
 * level, which the 4H sums of an lstm cannot have.  And nothing at all. */
enum { NARROW = 1, WIDE = 2, RAGGED = 4, EMPTY = 8 };

/* What the samples show of one input or output. */
typedef struct shapes_seen {
    unsigned found;
    int64_t last; /* extent of the last axis in the sample before */
    bool free;    /* which is not the same in all samples         */
} shapes_seen;

static void see(shapes_seen *seen, int rank, const int64_t *shape, int64_t count)
{
    int64_t last = rank > 0 ? shape[rank - 1] : 1;
    if (count == 0) {
        seen->found |= EMPTY;
        return;
    }
    seen->free |= seen->last != 0 && seen->last != last;
    seen->last = last;
    seen->found |= (last <= 2 ? NARROW : 0) | (last > 16 && last % 16 != 0 ? WIDE : 0) |
                   (last > 16 && last % 4 != 0 ? RAGGED : 0);
}

static bool is_real(const tern_arg *arg)
{
    return arg->kind == TERN_REAL || arg->kind == TERN_ANY;
}

/* 1 and a message if reals are never wide; a size that is always the same (a scale, a loss)
 * is not free to be another. */
static int is_never_wide(const tern_op *op, const tern_arg *arg, const shapes_seen *seen)
{
    if (!is_real(arg) || !seen->free || seen->found & WIDE)
        return 0;
    print_error("%s: no sample in which the last axis of %s is above 16 and no multiple of it\n",
                op->name, arg->name);
    return 1;
}

/* Masks and indices count only in an op that has nothing else. */
static unsigned shapes_of_inputs(const tern_op *op, const shapes_seen *in)
{
    unsigned of_reals = 0, of_all = 0;
    bool any = false;
    for (int i = 0; i < tern_op_input_count(op); i++) {
        any |= is_real(&op->in[i]);
        of_reals |= is_real(&op->in[i]) ? in[i].found : in[i].found & EMPTY;
        of_all |= in[i].found;
    }
    return any ? of_reals : of_all;
}

static void see_samples(tern_ctx *ctx, const tern_op *op, shapes_seen *in, shapes_seen *out)
{
    int inputs = tern_op_input_count(op);
    uint64_t signature = 0;
    for (const tern_sample *sample = next_check(op->samples); sample;
         sample = next_check(sample + 1)) {
        tern_problem problem = make_problem(op, sample);
        op_result result = op_run_on(ctx, &problem, (op_run_how){ .signature = ++signature });
        assert_tern_ok(ctx);
        for (int i = 0; i < problem.count; i++) /* all of a variadic input are one */
            if (problem.inputs[i].present)
                see(&in[i < inputs ? i : inputs - 1], problem.inputs[i].rank,
                    problem.inputs[i].shape, problem.inputs[i].count);
        for (int i = 0; i < tern_op_output_count(op); i++)
            if (*result.out[i].name)
                see(&out[i], result.out[i].rank, result.out[i].shape, result.out[i].count);
        op_result_free(&result);
        tern_problem_free(&problem);
    }
}

static int count_missing_shapes(tern_ctx *ctx, const tern_op *op)
{
    shapes_seen in[TERN_MAX_ARGS] = { { 0 } }, out[TERN_MAX_SAVED] = { { 0 } };
    int missing = 0;
    see_samples(ctx, op, in, out);
    for (int i = 0; i < tern_op_input_count(op); i++)
        missing += is_never_wide(op, &op->in[i], &in[i]);
    for (int i = 0; i < tern_op_output_count(op); i++)
        missing += is_never_wide(op, &op->out[i], &out[i]);
    unsigned found = shapes_of_inputs(op, in);
    if (found == (NARROW | WIDE | RAGGED | EMPTY))
        return missing;
    print_error("%s: no sample with a last axis that is%s%s%s\n", op->name,
                found & NARROW ? "" : " narrow", found & RAGGED ? "" : " wide, with a rest",
                found & EMPTY ? "" : " empty");
    return missing + 1;
}

static void every_op_has_samples_of_awkward_shapes(void **state)
{
    int missing = 0;
    (void)state;
    for (const tern_op *const *op = tern_op_table(); *op; op++) {
        tern_ctx *ctx = open_context((tern_ctx_opts){ .device = "ref", .seed = 7 });
        missing += count_missing_shapes(ctx, *op);
        tern_ctx_free(ctx);
    }
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_makes_a_difference_in_some_sample),
        cmocka_unit_test(every_optional_input_is_given_and_left_out),
        cmocka_unit_test(every_op_has_samples_of_awkward_shapes),
    };
    return cmocka_run_group_tests_name("samples", tests, NULL, NULL);
}
