/* The error bounds that core/smath.h states, over samples of all floats, for the
 * scalar and the vector functions as compiled at every SIMD level. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "core/smath.h"
#include "tests/vmath.h"

enum { BLOCK = 4096, STRIDE = 4099 }; /* every STRIDE-th float is a sample */

enum { EXP, LOG, TANH, ERF, SIGMOID, GELU, GELU_SLOPE };

static long double phi(long double x)
{
    return 0.5L * erfcl(-x / sqrtl(2));
}

static long double exact(int function, long double x)
{
    switch (function) {
    case EXP: return expl(x);
    case LOG: return logl(x);
    case TANH: return tanhl(x);
    case ERF: return erfl(x);
    case SIGMOID: return 1 / (1 + expl(-x));
    case GELU: return x * phi(x);
    default: return phi(x) + x * expl(-x * x / 2) / sqrtl(2 * acosl(-1));
    }
}

/* Allowed |error| where the exact result is `want`. */
static long double bound(int function, float x, long double want)
{
    static const double ulps[] = { 1.1, 1.0, 2.5, 1.5, 2.5, 7.0 };
    long double underflow = function == GELU && x < -12.9f ? 8 * 0x1p-149L : 0;
    int exponent;
    if (function == GELU_SLOPE)
        return 1.5L * 0x1p-23L;
    frexpl(want, &exponent);
    exponent = exponent < -125 ? -125 : exponent;
    return ulps[function] * ldexpl(1, exponent - 24) + underflow;
}

static int within_bound(int function, float x, float got, long double want)
{
    if (isnan(want))
        return isnan(got);
    if (isinf((float)want) || isinf(got))
        return (float)want == got;
    return fabsl(got - want) <= bound(function, x, want);
}

typedef struct simd_level {
    const char *name;
    const vmath_function *functions;
    int supported;
} simd_level;

static int simd_levels(simd_level level[3])
{
    level[0] = (simd_level){ "base", vmath_base, 1 };
    level[1] = (simd_level){ "avx2", vmath_avx2,
                             __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") };
    level[2] = (simd_level){ "avx512", vmath_avx512,
                             __builtin_cpu_supports("avx512f") &&
                             __builtin_cpu_supports("avx512bw") &&
                             __builtin_cpu_supports("avx512dq") &&
                             __builtin_cpu_supports("avx512vl") };
    return 3;
}

/* Samples spread over all bit patterns: both signs, denormals, infinities, NaN. */
static void fill_samples(float x[BLOCK], uint32_t *next)
{
    for (int i = 0; i < BLOCK; i++, *next += STRIDE)
        x[i] = tern_bits_float((int32_t)*next);
}

/* gelu is specified down to where its formula is finite. */
static int is_specified(int function, float x)
{
    return function < GELU || isnan(x) || (x > -1e30f && x < 1e30f);
}

static void check_block(int function, const simd_level *level, const float *x,
                        const long double *want)
{
    const vmath_function *f = &level->functions[function];
    float scalar[BLOCK], vector[BLOCK];
    f->scalar(x, scalar, BLOCK);
    f->vector(x, vector, BLOCK);
    for (int i = 0; i < BLOCK; i++) {
        if (!is_specified(function, x[i]))
            continue;
        if (!within_bound(function, x[i], scalar[i], want[i]))
            fail_msg("%s %s(%a) = %a, exactly %La", level->name, f->name, (double)x[i],
                     (double)scalar[i], want[i]);
        if (memcmp(&scalar[i], &vector[i], sizeof(float)) &&
            !(isnan(scalar[i]) && isnan(vector[i])))
            fail_msg("%s %s(%a): scalar %a, vector %a", level->name, f->name, (double)x[i],
                     (double)scalar[i], (double)vector[i]);
    }
}

static void check_function(int function)
{
    simd_level level[3];
    int levels = simd_levels(level);
    uint32_t next = 0;
    for (int64_t block = 0; block < (INT64_C(1) << 32) / STRIDE / BLOCK; block++) {
        float x[BLOCK];
        long double want[BLOCK];
        fill_samples(x, &next);
        for (int i = 0; i < BLOCK; i++)
            want[i] = exact(function, x[i]);
        for (int l = 0; l < levels; l++)
            if (level[l].supported)
                check_block(function, &level[l], x, want);
    }
}

static void exp_keeps_its_bound(void **state) { (void)state; check_function(EXP); }
static void log_keeps_its_bound(void **state) { (void)state; check_function(LOG); }
static void tanh_keeps_its_bound(void **state) { (void)state; check_function(TANH); }
static void erf_keeps_its_bound(void **state) { (void)state; check_function(ERF); }
static void sigmoid_keeps_its_bound(void **state) { (void)state; check_function(SIGMOID); }
static void gelu_keeps_its_bound(void **state) { (void)state; check_function(GELU); }
static void gelu_slope_keeps_its_bound(void **state) { (void)state; check_function(GELU_SLOPE); }

static void edges_are_exact(void **state)
{
    (void)state;
    assert_true(tern_expf(0) == 1 && tern_expf(-INFINITY) == 0 && tern_expf(INFINITY) == INFINITY);
    assert_true(tern_expf(88.7228f) < INFINITY && tern_expf(88.7229f) == INFINITY);
    assert_true(tern_expf(-103.97f) == 0x1p-149f && tern_expf(-103.98f) == 0);
    assert_true(tern_expf(-88.0f) > 0 && tern_expf(-88.0f) < 0x1p-126f); /* denormal */
    assert_true(tern_logf(1) == 0 && tern_logf(INFINITY) == INFINITY);
    assert_true(tern_logf(0) == -INFINITY && tern_logf(-0.0f) == -INFINITY);
    assert_true(isnan(tern_logf(-0x1p-149f)) && isnan(tern_logf(-INFINITY)));
    assert_true(tern_tanhf(INFINITY) == 1 && tern_tanhf(-INFINITY) == -1);
    assert_true(tern_tanhf(0x1p-149f) == 0x1p-149f && signbit(tern_tanhf(-0.0f)));
    assert_true(tern_erff(INFINITY) == 1 && tern_erff(-INFINITY) == -1);
    assert_true(signbit(tern_erff(-0.0f)));
    assert_true(tern_sigmoidf(0) == 0.5f && tern_sigmoidf(INFINITY) == 1);
    assert_true(tern_sigmoidf(-INFINITY) == 0 && tern_sigmoidf(-100.0f) > 0);
    assert_true(tern_geluf(0) == 0 && tern_geluf(1e30f) == 1e30f && tern_geluf(-1e30f) == 0);
    assert_true(tern_gelu_slopef(0) == 0.5f && tern_gelu_slopef(30) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_keeps_its_bound),
        cmocka_unit_test(log_keeps_its_bound),
        cmocka_unit_test(tanh_keeps_its_bound),
        cmocka_unit_test(erf_keeps_its_bound),
        cmocka_unit_test(sigmoid_keeps_its_bound),
        cmocka_unit_test(gelu_keeps_its_bound),
        cmocka_unit_test(gelu_slope_keeps_its_bound),
        cmocka_unit_test(edges_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
