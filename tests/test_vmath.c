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

enum { EXP, LOG, TANH, ERF, SIGMOID, GELU, GELU_SLOPE, SOFTPLUS, GELU_TANH, GELU_TANH_SLOPE };

static long double phi(long double x)
{
    return 0.5L * erfcl(-x / sqrtl(2));
}

/* What gelu's tanh form multiplies x with. */
static long double tanh_share(long double x)
{
    return 1 / (1 + expl(-2 * sqrtl(2 / acosl(-1)) * (x + 0.044715L * x * x * x)));
}

static long double tanh_slope(long double x)
{
    long double share = tanh_share(x), rest = tanh_share(-x);
    long double inner = 2 * sqrtl(2 / acosl(-1)) * (1 + 3 * 0.044715L * x * x);
    return share + (share * rest > 0 ? x * share * rest * inner : 0);
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
    case SOFTPLUS: return (x > 0 ? x : 0) + log1pl(expl(-fabsl(x)));
    case GELU_TANH: return x * tanh_share(x);
    case GELU_TANH_SLOPE: return tanh_slope(x);
    default: return phi(x) + x * expl(-x * x / 2) / sqrtl(2 * acosl(-1));
    }
}

/* Allowed |error| where the exact result is `want`. */
static long double bound(int function, float x, long double want)
{
    static const double ulps[] = { 1.1, 1.0, 2.5, 1.5, 2.5, 7.0, 0, 2.0, 3.5 };
    long double underflow = function == GELU && x < -12.9f ? 8 * 0x1p-149L : 0;
    int exponent;
    if (function == GELU_SLOPE)
        return 1.5L * 0x1p-23L;
    if (function == GELU_TANH_SLOPE)
        return 0x1p-22L;
    if (function == GELU_TANH && x < -1)
        return 0x1p-24L;
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

/* gelu is specified as far as its formula is finite, and so is x^2 of the tanh form. */
static int is_specified(int function, float x)
{
    float limit = function >= GELU_TANH ? 1e18f : 1e30f;
    return function < GELU || function == SOFTPLUS || isnan(x) || (x > -limit && x < limit);
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

static void softplus_keeps_its_bound(void **state) { (void)state; check_function(SOFTPLUS); }
static void gelu_tanh_keeps_its_bound(void **state) { (void)state; check_function(GELU_TANH); }

static void gelu_tanh_slope_keeps_its_bound(void **state)
{
    (void)state;
    check_function(GELU_TANH_SLOPE);
}

/* ----------------------------------------------------------------- pow -- */

static int pow_within_bound(float got, long double want)
{
    int exponent;
    if (isnan(want))
        return isnan(got);
    if ((signbit(got) != 0) != (signbit(want) != 0))
        return 0;
    if (isinf((float)want) || isinf(got))
        return (float)want == got;
    frexpl(want, &exponent);
    return fabsl(got - want) <= 0.6L * ldexpl(1, (exponent < -125 ? -125 : exponent) - 24);
}

/* count is a multiple of 16. */
static void check_pow(const float *x, const float *y, int count)
{
    const vmath_power *power[3] = { &vmath_power_base, &vmath_power_avx2, &vmath_power_avx512 };
    float scalar[BLOCK], vector[BLOCK];
    simd_level level[3];
    for (int l = 0; l < simd_levels(level); l++) {
        if (!level[l].supported)
            continue;
        power[l]->scalar(x, y, scalar, count);
        power[l]->vector(x, y, vector, count);
        for (int i = 0; i < count; i++) {
            long double want = powl(x[i], y[i]);
            if (!pow_within_bound(scalar[i], want))
                fail_msg("%s pow(%a, %a) = %a, exactly %La", level[l].name, (double)x[i],
                         (double)y[i], (double)scalar[i], want);
            if (memcmp(&scalar[i], &vector[i], sizeof(float)) &&
                !(isnan(scalar[i]) && isnan(vector[i])))
                fail_msg("%s pow(%a, %a): scalar %a, vector %a", level[l].name, (double)x[i],
                         (double)y[i], (double)scalar[i], (double)vector[i]);
        }
    }
}

/* Any floats; bases near 1, where an error of the logarithm is multiplied by a large
 * exponent; results of all sizes; negative bases with integers. */
static void pow_keeps_its_bound(void **state)
{
    tern_rng rng = tern_rng_make(1, TERN_STREAM_TEST, 0);
    float x[BLOCK], y[BLOCK];
    (void)state;
    for (int block = 0; block < 40; block++) {
        for (int i = 0; i < BLOCK; i++) {
            double u = tern_rng_uniform(&rng), v = tern_rng_uniform(&rng);
            switch (i % 4) {
            case 0:
                x[i] = tern_bits_float((int32_t)(u * 0x1p31));
                y[i] = tern_bits_float((int32_t)((v - 0.5) * 0x1p32));
                break;
            case 1: x[i] = (float)(1 + (u - 0.5) * 1e-3), y[i] = (float)((v - 0.5) * 2e5); break;
            case 2: x[i] = (float)(10 * u), y[i] = (float)((v - 0.5) * 80); break;
            default: x[i] = (float)(-60 * u), y[i] = floorf((float)(v * 41)) - 20;
            }
        }
        check_pow(x, y, BLOCK);
    }
}

/* Every pair of zeros, ones, odd and even integers, the last floats that are not
 * integers, the first that are even, denormals, the largest, infinities and NaN. */
static void pow_has_the_special_cases_of_c(void **state)
{
    static const float special[16] = { 0, 1, 0.5f, 2, 3, 0x1.fffffep-1f, 0x1.8p22f + 0.5f,
                                       0x1p23f + 1, 0x1p24f, 0x1p25f, 0x1p-149f, TERN_FLOAT_MAX,
                                       1.5f, 1e-30f, INFINITY, NAN };
    float x[32], y[32];
    (void)state;
    for (int i = 0; i < 32; i++) {
        for (int k = 0; k < 32; k++) {
            x[k] = i < 16 ? special[i] : -special[i - 16];
            y[k] = k < 16 ? special[k] : -special[k - 16];
        }
        check_pow(x, y, 32);
    }
}

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
    assert_true(tern_gelu_tanhf(0) == 0 && tern_gelu_tanhf(1e30f) == 1e30f);
    assert_true(tern_gelu_tanhf(-1e30f) == 0 && tern_gelu_tanh_slopef(0) == 0.5f);
    assert_true(tern_softplusf(INFINITY) == INFINITY && tern_softplusf(-INFINITY) == 0);
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
        cmocka_unit_test(softplus_keeps_its_bound),
        cmocka_unit_test(gelu_tanh_keeps_its_bound),
        cmocka_unit_test(gelu_tanh_slope_keeps_its_bound),
        cmocka_unit_test(pow_keeps_its_bound),
        cmocka_unit_test(pow_has_the_special_cases_of_c),
        cmocka_unit_test(edges_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
