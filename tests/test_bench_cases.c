/* Problems with letters for sizes, and values for the letters. */
#include "tests/check.h"

#include "bench/suite/cases.h"
#include "bench/workload/workload.h"
#include "kernels/table.h"
#include "tests/temporary_folder.h"

#include <string.h>

static const tern_op *op_named(const char *name)
{
    tern_error error = { 0 };
    const tern_op *op = tern_op_find(name, &error);
    if (!op)
        fail_msg("%s", error.message);
    return op;
}

static void assert_case(const char *op, const char *inputs, const char *options, const char *shape,
                        int index, int count, const char *wanted, const char *axes_text)
{
    tern_error error = { 0 };
    bench_axes axes = { 0 };
    bench_cases cases = { 0 };
    if (!bench_axes_parse(&axes, shape, &error) ||
        !bench_cases_add(&cases, op_named(op), inputs, options, &axes, &error))
        fail_msg("%s", error.message);
    assert_int_equal(cases.count, count);
    assert_string_equal(cases.of[index].inputs, wanted);
    assert_string_equal(cases.of[index].axes, axes_text);
    bench_cases_free(&cases);
}

static void letters_go_through_their_values(void **state)
{
    (void)state;
    assert_case("matmul", "a=[M,K] b=[K,N]", "", "M=8:64:x2,K=31,N=4:8:+2", 0, 12,
                "a=[8,31] b=[31,4]", "M=8 K=31 N=4");
    assert_case("matmul", "a=[M,K] b=[K,N]", "", "M=8:64:x2,K=31,N=4:8:+2", 11, 12,
                "a=[64,31] b=[31,8]", "M=64 K=31 N=8");
    assert_case("lstm", "x=[1,5,3] w_ih=[4*H,3] w_hh=[4*H,H]", "", "H=7,9", 1, 2,
                "x=[1,5,3] w_ih=[36,3] w_hh=[36,9]", "H=9");
}

static void a_sample_gets_the_contracts_letters(void **state)
{
    (void)state;
    assert_case("matmul", NULL, "", "M=7", 0, 1, "a=[7,256] b=[256,256]", "M=7");
    assert_case("matmul", NULL, "", "32", 0, 1, "a=[32,32] b=[32,32]", "size=32");
    assert_case("lstm", NULL, "", "H=24", 0, 1,
                "x=[1,100,128] w_ih=[96,128]{-0.1..0.1} w_hh=[96,24]{-0.1..0.1} b_ih=[96] b_hh=[96]",
                "H=24");
    assert_case("attention", NULL, "heads=4", "D=8,Dv=16", 0, 1,
                "q=[1,128,32] k=[1,128,32] v=[1,128,64]", "D=8 Dv=16");
    assert_case("attention", NULL, "heads=4", "Lk=5", 0, 1,
                "q=[1,128,32] k=[1,5,32] v=[1,5,32]", "Lk=5");
    assert_case("conv2d", NULL, "groups=4", "I=64,O=32", 0, 1,
                "x=[16,64,64,64] weight=[32,3,3,16] bias=[32]", "I=64 O=32");
}

static void assert_refused(const char *op, const char *inputs, const char *shape, const char *why)
{
    tern_error error = { 0 };
    bench_axes axes = { 0 };
    bench_cases cases = { 0 };
    bool ok = bench_axes_parse(&axes, shape, &error) &&
              bench_cases_add(&cases, op_named(op), inputs, "", &axes, &error);
    if (ok || !strstr(error.message, why))
        fail_msg("%s %s: %s", op, shape, ok ? "was accepted" : error.message);
    bench_cases_free(&cases);
}

static void what_makes_no_sense_is_told(void **state)
{
    (void)state;
    assert_refused("matmul", NULL, "Q=3", "no axis called Q");
    assert_refused("add", NULL, "3", "no axes with names");
    assert_refused("matmul", "a=[M,K] b=[K,N]", "M=3", "size K has no value");
    assert_refused("matmul", "a=[M/2,4] b=[4,4]", "M=3", "does not come out even");
    assert_refused("matmul", "a=[M+2,4] b=[4,4]", "M=3", "only numbers, letters");
    assert_refused("matmul", NULL, "M=8:4", "no size and no range");
    assert_refused("matmul", NULL, "M=8:64:x1", "no size and no range");
    assert_refused("matmul", NULL, "M=8:64:2", "no size and no range");
    assert_refused("matmul", NULL, "=8", "an axis has a name");
    assert_refused("matmul", NULL, "M=1:100", "at most 64 values");
    assert_refused("matmul", NULL, "", "nothing given");
}

/* Its feed-forward layer has gelu fused, whose output backward makes once more. */
static void a_model_stands_for_its_steps_problems(void **state)
{
    (void)state;
    tern_error error = { 0 };
    bench_cases cases = { 0 };
    bool gelu = false, optimiser = false, first = false;
    if (!bench_cases_add_model(&cases, bench_model_find("crossmodal", &error), &error))
        fail_msg("%s", error.message);
    for (int i = 0; i < cases.count; i++) {
        const bench_case *of = &cases.of[i];
        assert_true(of->has_pass && of->count >= 1);
        gelu = gelu || (strcmp(of->op->name, "linear") == 0 && of->pass == 1 &&
                        strstr(of->options, "activation=gelu") &&
                        strcmp(of->gradients, "x,weight,bias") == 0 &&
                        strcmp(of->inputs, "x=[32,8,128] weight=[512,128]{-0.09..0.09} "
                                           "bias=[512]") == 0);
        optimiser = optimiser || (strcmp(of->op->name, "adamw") == 0 &&
                                  strstr(of->inputs, "{0.01..1}"));
        first = first || (strcmp(of->op->name, "layer_norm") == 0 && of->pass == 1 &&
                          strcmp(of->gradients, "gain,bias") == 0);
    }
    assert_true(gelu && optimiser && first);
    bench_cases_free(&cases);
}

static void a_file_of_problems_is_read_or_refused(void **state)
{
    (void)state;
    static const struct { const char *text, *wrong; } files[] = {
        { "{\"format\": \"tern shapes 1\", \"problems\": [{\"op\": \"relu\", \"inputs\": "
          "\"x=[3,5]\", \"pass\": \"bwd\", \"count\": 7, \"gradients\": \"x\"}]}", NULL },
        { "{\"format\": \"tern shapes 1\", \"problems\": [{\"op\": \"rely\", \"inputs\": "
          "\"x=[3,5]\", \"pass\": \"bwd\"}]}", "problems[0]: there is no op rely" },
        { "{\"format\": \"tern shapes 1\", \"problems\": [{\"op\": \"relu\", \"inputs\": "
          "\"x=[3,5]\", \"pass\": \"back\"}]}", "problems[0].pass" },
        { "{\"format\": \"tern shapes 1\", \"problems\": [{\"op\": \"relu\"}]}", "problems[0]" },
        { "{\"format\": \"other\"}", "is no file of `tern profile --save-shapes`" },
        { "{", "line 1" },
    };
    char folder[TEMPORARY_PATH_BYTES], path[TEMPORARY_PATH_BYTES];
    assert_true(temporary_folder_make(folder));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        tern_error error = { 0 };
        bench_cases cases = { 0 };
        assert_true(temporary_file(path, folder, "shapes.json", files[i].text,
                                   strlen(files[i].text)));
        bool ok = bench_cases_add_file(&cases, path, &error);
        if (ok != !files[i].wrong || (!ok && !strstr(error.message, files[i].wrong)))
            fail_msg("%s\n%s", files[i].text, ok ? "was read" : error.message);
        assert_true(!ok || (cases.count == 1 && cases.of[0].count == 7));
        bench_cases_free(&cases);
    }
    temporary_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_go_through_their_values),
        cmocka_unit_test(a_sample_gets_the_contracts_letters),
        cmocka_unit_test(what_makes_no_sense_is_told),
        cmocka_unit_test(a_model_stands_for_its_steps_problems),
        cmocka_unit_test(a_file_of_problems_is_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
