/* Promises of linear on the cpu backend: it agrees with the plain float64 loops at every
 * SIMD level and shape, through our own GEMM and OpenBLAS's. */
#include "tests/check.h"

#include "kernels/matmul/openblas.h"
#include "tests/against_ref.h"

/* Small batches take other paths through GEMM than large ones; sizes around the widths of
 * vectors and tiles; sums longer than a block along k.  Long sums are of small numbers:
 * the slope of gelu would magnify their rounding beyond that of the gradients. */
static const char *const problems[] = {
    "x=[5,7] weight=[3,7] bias=[3]",
    "x=[1,1] weight=[1,1]",
    "x=[1,300]{-0.1..0.1} weight=[31,300] bias=[31]",
    "x=[2,3,31] weight=[17,31] bias=[17]",
    "x=[16,128]{-0.1..0.1} weight=[96,128] bias=[96]",
    "x=[97,19] weight=[23,19] bias=[23]",
    "x=[3,67,64]{-0.1..0.1} weight=[128,64]",
    "x=[1201,13] weight=[11,13] bias=[11]",
    "x=[131]{-0.1..0.1} weight=[5,131] bias=[5]",
    "x=[0,6] weight=[5,6] bias=[5]",
    "x=[4,0] weight=[5,0] bias=[5]",
};
enum { PROBLEMS = sizeof problems / sizeof problems[0] };

static const char *const activations[] = { "activation=none", "activation=relu",
                                           "activation=gelu", "activation=sigmoid",
                                           "activation=tanh" };
enum { ACTIVATIONS = sizeof activations / sizeof activations[0] };

static void cpu_follows_ref_at_every_level_and_shape_with_every_activation(void **state)
{
    (void)state;
    for (int i = 0; i < PROBLEMS; i++)
        for (int act = 0; act < ACTIVATIONS; act++)
            assert_sums_follow_ref("linear", NULL, problems[i], activations[act]);
}

static void openblas_follows_ref(void **state)
{
    (void)state;
    if (!tern_openblas_sgemm(NULL))
        skip();
    assert_non_null(tern_openblas_corename());
    for (int i = 0; i < PROBLEMS; i++)
        for (int act = 0; act < ACTIVATIONS; act++)
            assert_sums_follow_ref("linear", "openblas", problems[i], activations[act]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_follows_ref_at_every_level_and_shape_with_every_activation),
        cmocka_unit_test(openblas_follows_ref),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
