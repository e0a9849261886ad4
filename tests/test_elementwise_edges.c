/* Zeros, kinks, infinities and NaN in elementwise ops, forward and backward: as PyTorch
 * has them, on ref and on cpu at every SIMD level.  The fixture is made by
 * tests/fixtures/make_elementwise_edges.py, which says how it is laid out. */
#include "tests/check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/safetensors.h"
#include "kernels/problem.h"
#include "kernels/table.h"

static tern_safetensors *open_fixture(void)
{
    tern_error error = { 0 };
    tern_safetensors *file =
        tern_safetensors_open("tests/fixtures/elementwise_edges.safetensors", &error);
    if (!file)
        fail_msg("%s", error.message);
    return file;
}

static const tern_stored *stored(const tern_safetensors *file, const char *name)
{
    tern_error error = { 0 };
    const tern_stored *tensor = tern_safetensors_find(file, name, &error);
    if (!tensor)
        fail_msg("%s", error.message);
    return tensor;
}

static const char *metadata(const tern_safetensors *file, int number, const char *key)
{
    char full[32];
    snprintf(full, sizeof full, "%d.%s", number, key);
    const char *text = tern_safetensors_metadata(file, full);
    assert_non_null(text);
    return text;
}

/* What is finite may be off by rounding: of 1 where a gradient is a small difference. */
static bool agrees(double got, double want, double epsilon)
{
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got);
    return got == want || fabs(got - want) <= 8 * epsilon * fmax(fabs(want), 1);
}

static void compare(tern_ctx *ctx, const tern_safetensors *file, int number, const char *what,
                    const tern_tensor *found)
{
    char full[32];
    snprintf(full, sizeof full, "%d/%s", number, what);
    const tern_stored *expected = stored(file, full);
    const double *want = expected->data;
    bool ref = strcmp(tern_device(ctx), "ref") == 0;
    double *got = calloc((size_t)expected->count, sizeof *got);
    assert_non_null(got);
    assert_int_equal(found->count, expected->count);
    tern_read(ctx, found, TERN_F64, got);
    assert_tern_ok(ctx);
    for (int64_t i = 0; i < expected->count; i++)
        if (!agrees(got[i], want[i], ref ? 1e-13 : FLT_EPSILON))
            fail_msg("%s %s on %s %s: %s[%d] is %g, PyTorch says %g",
                     metadata(file, number, "op"), metadata(file, number, "options"),
                     tern_device(ctx), tern_simd_level(ctx), what, (int)i, got[i], want[i]);
    free(got);
}

static void check_case(tern_ctx *ctx, const tern_safetensors *file, int number)
{
    static const char *const two[] = { "a", "b" }, *const one[] = { "x" };
    tern_error error = { 0 };
    tern_problem problem;
    const tern_op *op = tern_op_find(metadata(file, number, "op"), &error);
    if (!op || !tern_problem_make(&problem, op, "", metadata(file, number, "options"), 0, &error))
        fail_msg("%s", error.message);
    int count = tern_op_input_count(op);
    const char *const *names = count == 2 ? two : one;
    tern_tensor *in[2], *y;
    double *seed = NULL;
    tern_step_begin(ctx, (uint64_t)number);
    tern_set_recording(ctx, true);
    for (int i = 0; i < count; i++) {
        const tern_stored *values = stored(file, names[i]);
        in[i] = tern_require_grad(ctx, tern_input(ctx, names[i], TERN_F64, values->rank,
                                                  values->shape, values->data));
        seed = realloc(seed, (size_t)values->count * sizeof *seed);
        assert_non_null(seed);
        for (int64_t k = 0; k < values->count; k++)
            seed[k] = 3;
    }
    y = tern_apply(ctx, op, in, count, problem.options, NULL);
    tern_seed_grad(ctx, y, TERN_F64, seed);
    tern_backward(ctx, NULL);
    assert_tern_ok(ctx);
    compare(ctx, file, number, "y", y);
    for (int i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "grad_%s", names[i]);
        compare(ctx, file, number, name, in[i]->grad);
    }
    free(seed);
    tern_problem_free(&problem);
}

static void check_device(tern_ctx_opts opts)
{
    tern_error error = { 0 };
    tern_safetensors *file = open_fixture();
    opts.poison = true;
    tern_ctx *ctx = tern_open(opts, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    int cases = atoi(tern_safetensors_metadata(file, "cases"));
    assert_true(cases > 0);
    for (int number = 0; number < cases; number++)
        check_case(ctx, file, number);
    tern_ctx_free(ctx);
    tern_safetensors_close(file);
}

static void ref_treats_special_values_as_pytorch_does(void **state)
{
    (void)state;
    check_device((tern_ctx_opts){ .device = "ref" });
}

static void cpu_treats_special_values_as_pytorch_does(void **state)
{
    const char *levels[4];
    (void)state;
    for (int level = tern_simd_levels(levels) - 1; level >= 0; level--)
        check_device((tern_ctx_opts){ .device = "cpu", .simd = levels[level] });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ref_treats_special_values_as_pytorch_does),
        cmocka_unit_test(cpu_treats_special_values_as_pytorch_does),
    };
    return cmocka_run_group_tests_name("elementwise_edges", tests, NULL, NULL);
}
