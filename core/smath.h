/* float32 exp, log, pow, tanh, erf, sigmoid, softplus and gelu, branch free, for one
 * value.
 *
 * Plain C that nvcc compiles too; core/vmath.h has the same algorithms for SIMD
 * vectors.  Scalar and vector give the same bits when both are compiled with or
 * both without fused multiply-add.
 *
 * Greatest error in units in the last place (ulp) of the exact result, with and
 * without fused multiply-add; tests/test_vmath.c checks it over all floats:
 *
 *   tern_expf        1.1   inf from 88.73 on, 0 below -103.98
 *   tern_logf        1.0   log(0) = -inf, NaN for x < 0
 *   tern_tanhf       2.5
 *   tern_erff        1.5
 *   tern_sigmoidf    2.5   where it underflows, too
 *   tern_geluf       7.0   in the negative tail, too; plus 8 * 2^-149 below -12.9,
 *                          where Phi underflows gradually
 *   tern_gelu_slopef 1.5 * 2^-23, absolute: the slope crosses 0 at -0.75
 *   tern_gelu_tanhf  3.5   from -1 on; below, 2^-24, absolute
 *   tern_gelu_tanh_slopef  2 * 2^-23, absolute
 *   tern_softplusf   2.0   log(1 + e^x)
 *   tern_powf        0.6   zeros, infinities and NaN as C's pow
 *
 * Denormals are honoured going in and coming out, and NaN gives NaN.  Gelu and
 * its slope at an infinity are what inf * 0 makes of the formula, as in PyTorch.
 *
 * The polynomials are macros because one C expression then serves float and
 * vector; their coefficients are minimax fits, rounded to float one by one.
 */
#ifndef TERN_CORE_SMATH_H
#define TERN_CORE_SMATH_H

#include "core/rng.h" /* TERN_HD */

#include <stdint.h>
#include <string.h>

/* (e^r - 1 - r) / r^2 for |r| <= ln(2)/2, so that exp and expm1 share it. */
#define TERN_EXP_POLYNOMIAL(r)                                                                    \
    ((((1.39399897e-3f * (r) + 8.3665764e-3f) * (r) + 4.16664109e-2f) * (r) + 1.66665435e-1f) *   \
         (r) + 0.5f)

/* (log(1+f) - f + f^2/2) / f^3 for 1+f in [sqrt(1/2), sqrt(2)]. */
#define TERN_LOG_POLYNOMIAL(f)                                                                    \
    ((((((((6.74926937e-2f * (f) - 1.16700985e-1f) * (f) + 1.18835486e-1f) * (f) -                \
          1.24062337e-1f) * (f) + 1.42203584e-1f) * (f) - 1.66679889e-1f) * (f) +                 \
       2.00020716e-1f) * (f) - 2.50000089e-1f) * (f) + 3.33333135e-1f)

/* erf(x)/x - 1 as a function of u = x^2 in [0,1]. */
#define TERN_ERF_POLYNOMIAL(u)                                                                    \
    ((((((7.80690389e-5f * (u) - 7.9978531e-4f) * (u) + 5.1871622e-3f) * (u) - 2.68533472e-2f) *  \
        (u) + 1.12835787e-1f) * (u) - 3.7612626e-1f) * (u) + 1.28379166e-1f)

/* The normal distribution's upper tail Q(a) = 1 - Phi(a) over exp(-a^2/2), a
 * smooth function of a in [0,15], as a quotient.  All terms are positive, so
 * nothing cancels. */
#define TERN_TAIL_NUMERATOR(a)                                                                    \
    ((((4.12493339e-3f * (a) + 4.06947248e-2f) * (a) + 1.83421776e-1f) * (a) + 4.38555032e-1f) *  \
         (a) + 0.5f)
#define TERN_TAIL_DENOMINATOR(a)                                                                  \
    (((((1.03395591e-2f * (a) + 1.0201285e-1f) * (a) + 4.6996215e-1f) * (a) + 1.20329177f) *      \
          (a) + 1.67499495f) * (a) + 1.0f)

/* log2((1+s) / (1-s)) / s as a function of u = s^2 <= 0.0295 (the series of atanh), and
 * e^z for |z| <= ln(2)/2.  For pow, in double: what is cut off is below 2^-32. */
#define TERN_LOG2_SERIES(u)                                                                       \
    (2.8853900817779268 *                                                                         \
     (((((((u) * (1.0 / 13) + 1.0 / 11) * (u) + 1.0 / 9) * (u) + 1.0 / 7) * (u) + 1.0 / 5) *      \
           (u) + 1.0 / 3) * (u) + 1.0))
#define TERN_EXP_SERIES(z)                                                                        \
    (((((((((z) * (1.0 / 40320) + 1.0 / 5040) * (z) + 1.0 / 720) * (z) + 1.0 / 120) * (z) +       \
          1.0 / 24) * (z) + 1.0 / 6) * (z) + 0.5) * (z) + 1.0) * (z) + 1.0)

#define TERN_SIGN_BIT INT32_MIN
#define TERN_LOG2_E 1.44269504f
/* ln(2) in two parts; the first has 9 bits, so its product with an exponent is exact. */
#define TERN_LN2_HIGH 0.693359375f
#define TERN_LN2_LOW (-2.12194440e-4f)
/* Adding 1.5 * 2^23 rounds to an integer, found in the sum's low bits. */
#define TERN_ROUND_SHIFT 12582912.0f
#define TERN_ROUND_SHIFT_BITS 0x4B400000
#define TERN_SQRT2 1.41421356f
#define TERN_INVERSE_SQRT_2PI 0.398942280f
#define TERN_TAIL_LIMIT 15.0f /* Q(15) < 2^-150 rounds to 0 */
#define TERN_FLOAT_MAX 0x1.fffffep127f
/* The same for doubles: 1.5 * 2^52 rounds; ONE is where 1.0 has its exponent, ROOT_HALF
 * are the bits of sqrt(1/2). */
#define TERN_WIDE_LN2 0.69314718055994531
#define TERN_WIDE_SHIFT 0x1.8p52
#define TERN_WIDE_SHIFT_BITS UINT64_C(0x4338000000000000)
#define TERN_WIDE_ONE_BITS UINT64_C(0x3FF0000000000000)
#define TERN_WIDE_ROOT_HALF_BITS UINT64_C(0x3FE6A09E667F3BCD)
/* 2^160 is inf and 2^-160 is 0 as a float. */
#define TERN_WIDE_POWER_LIMIT 160.0
/* gelu's tanh form is x * sigmoid(x * (LINEAR + CUBIC * x^2)): 2 sqrt(2/pi) times 1 and
 * 0.044715. */
#define TERN_GELU_LINEAR 1.59576912f
#define TERN_GELU_CUBIC 7.13548162e-2f

TERN_HD static inline int32_t tern_float_bits(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

TERN_HD static inline float tern_bits_float(int32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* 2^n for -126 <= n <= 127. */
TERN_HD static inline float tern_power_of_two(int32_t n)
{
    return tern_bits_float((int32_t)((uint32_t)(n + 127) << 23));
}

/* e^r * 2^n, where shifted = n + TERN_ROUND_SHIFT.  In two steps of 2^(n/2), as
 * 2^n itself may be below or above what a float holds while the result is not. */
TERN_HD static inline float tern_exp_scale(float r, float shifted)
{
    int32_t n = tern_float_bits(shifted) - TERN_ROUND_SHIFT_BITS;
    int32_t half = n >> 1;
    float power = TERN_EXP_POLYNOMIAL(r) * (r * r) + r + 1.0f;
    return power * tern_power_of_two(half) * tern_power_of_two(n - half);
}

TERN_HD static inline float tern_expf(float x)
{
    /* What vanishes (masked scores of -inf, say) is computed as exp(0) and left out:
     * arithmetic that underflows is slow on many processors. */
    int vanishes = x < -104.0f;
    x = vanishes ? 0.0f : x > 89.0f ? 89.0f : x;
    float shifted = x * TERN_LOG2_E + TERN_ROUND_SHIFT;
    float n = shifted - TERN_ROUND_SHIFT;
    float r = (x - n * TERN_LN2_HIGH) - n * TERN_LN2_LOW;
    return vanishes ? 0.0f : tern_exp_scale(r, shifted);
}

/* exp(-a^2/2) for 0 <= a <= TERN_TAIL_LIMIT.  Rounding a^2 would cost up to a^2/2
 * ulp; so a is cut to 12 bits, whose square is exact, and the rest joins the
 * reduced argument. */
TERN_HD static inline float tern_exp_half_square(float a)
{
    float high = tern_bits_float(tern_float_bits(a) & (int32_t)0xFFFFF000);
    float rest = (a - high) * (a + high) * 0.5f;
    float x = high * high * -0.5f;
    float shifted = x * TERN_LOG2_E + TERN_ROUND_SHIFT;
    float n = shifted - TERN_ROUND_SHIFT;
    float r = (x - n * TERN_LN2_HIGH) - n * TERN_LN2_LOW - rest;
    return tern_exp_scale(r, shifted);
}

TERN_HD static inline float tern_logf(float x)
{
    int denormal = x < 0x1p-126f;
    float scaled = denormal ? x * 0x1p23f : x;
    /* The exponent counted from sqrt(1/2), so that 1+f is centred on 1. */
    uint32_t bits = (uint32_t)tern_float_bits(scaled), above = bits - 0x3F3504F3u;
    float n = (float)(((int32_t)above >> 23) - (denormal ? 23 : 0));
    float f = tern_bits_float((int32_t)(bits - (above & 0xFF800000u))) - 1.0f;
    float square = f * f;
    float rest = (TERN_LOG_POLYNOMIAL(f) * f - 0.5f) * square;
    float y = n * TERN_LN2_HIGH + (rest + (n * TERN_LN2_LOW + f));
    y = x > TERN_FLOAT_MAX ? x : y;
    y = x == 0 ? tern_bits_float((int32_t)0xFF800000) : y;
    return x >= 0 ? y : tern_bits_float(0x7FC00000);
}

/* (e^2|x| - 1) / (e^2|x| + 1), through expm1 so that small x stay exact. */
TERN_HD static inline float tern_tanhf(float x)
{
    float twice = 2.0f * tern_bits_float(tern_float_bits(x) & 0x7FFFFFFF);
    twice = twice > 18.5f ? 18.5f : twice; /* tanh rounds to 1 from 9.02 on */
    float shifted = twice * TERN_LOG2_E + TERN_ROUND_SHIFT;
    float n = shifted - TERN_ROUND_SHIFT;
    float r = (twice - n * TERN_LN2_HIGH) - n * TERN_LN2_LOW;
    float power = tern_power_of_two(tern_float_bits(shifted) - TERN_ROUND_SHIFT_BITS);
    float minus_one = TERN_EXP_POLYNOMIAL(r) * (r * r) + r; /* e^r - 1 */
    minus_one = power * minus_one + (power - 1.0f);
    float y = minus_one / (minus_one + 2.0f);
    return tern_bits_float(tern_float_bits(y) | (tern_float_bits(x) & TERN_SIGN_BIT));
}

TERN_HD static inline float tern_sigmoidf(float x)
{
    float e = tern_expf(tern_bits_float(tern_float_bits(x) | TERN_SIGN_BIT));
    return (x >= 0 ? 1.0f : e) / (1.0f + e);
}

/* sigmoid(x), and *density = sigmoid'(x) = e^-|x| / (1 + e^-|x|)^2 without the
 * cancellation of y * (1 - y). */
TERN_HD static inline float tern_logistic(float x, float *density)
{
    float e = tern_expf(tern_bits_float(tern_float_bits(x) | TERN_SIGN_BIT));
    float whole = 1.0f + e;
    *density = e / (whole * whole);
    return (x >= 0 ? 1.0f : e) / whole;
}

/* log(1 + e^x) = max(x, 0) + log(1 + e), e = e^-|x|; what the sum 1 + e loses of e is
 * put back, as log(sum + lost) = log(sum) + lost / sum. */
TERN_HD static inline float tern_softplusf(float x)
{
    float e = tern_expf(tern_bits_float(tern_float_bits(x) | TERN_SIGN_BIT));
    float sum = 1.0f + e, lost = e - (sum - 1.0f);
    return (x > 0 ? x : 0) + (tern_logf(sum) + lost / sum);
}

TERN_HD static inline float tern_erff(float x)
{
    float a = tern_bits_float(tern_float_bits(x) & 0x7FFFFFFF);
    a = a > 4.0f ? 4.0f : a; /* erf rounds to 1 from 3.92 on */
    float square = a * a, scaled = a * TERN_SQRT2;
    float small = TERN_ERF_POLYNOMIAL(square) * a + a;
    float tail = TERN_TAIL_NUMERATOR(scaled) / TERN_TAIL_DENOMINATOR(scaled);
    float large = 1.0f - 2.0f * tail * tern_expf(-square);
    float y = a < 1.0f ? small : large;
    return tern_bits_float(tern_float_bits(y) | (tern_float_bits(x) & TERN_SIGN_BIT));
}

/* Phi(x), the normal distribution, and *density = exp(-x^2/2) / sqrt(2 pi). */
TERN_HD static inline float tern_normal(float x, float *density)
{
    float a = tern_bits_float(tern_float_bits(x) & 0x7FFFFFFF);
    a = a > TERN_TAIL_LIMIT ? TERN_TAIL_LIMIT : a;
    float e = tern_exp_half_square(a);
    float tail = TERN_TAIL_NUMERATOR(a) / TERN_TAIL_DENOMINATOR(a) * e;
    *density = e * TERN_INVERSE_SQRT_2PI;
    return x < 0 ? tail : 1.0f - tail;
}

/* x * Phi(x), the exact gelu (Hendrycks and Gimpel 2016, arXiv:1606.08415). */
TERN_HD static inline float tern_geluf(float x)
{
    float density;
    return x * tern_normal(x, &density);
}

/* d gelu / dx = Phi(x) + x * density(x). */
TERN_HD static inline float tern_gelu_slopef(float x)
{
    float density;
    float phi = tern_normal(x, &density);
    return x * density + phi;
}

/* gelu's tanh form, 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), which is x times a
 * sigmoid: so nothing cancels in the negative tail. */
TERN_HD static inline float tern_gelu_tanhf(float x)
{
    return x * tern_sigmoidf(x * (TERN_GELU_LINEAR + TERN_GELU_CUBIC * (x * x)));
}

TERN_HD static inline float tern_gelu_tanh_slopef(float x)
{
    float density, square = x * x;
    float share = tern_logistic(x * (TERN_GELU_LINEAR + TERN_GELU_CUBIC * square), &density);
    return share + x * density * (TERN_GELU_LINEAR + 3.0f * TERN_GELU_CUBIC * square);
}

/* --------------------------------------------------------------- pow -- */

/* log2(x) of a positive finite float, in double, where no float is denormal. */
TERN_HD static inline double tern_log2_wide(float x)
{
    double wide = x, mantissa;
    uint64_t bits;
    memcpy(&bits, &wide, sizeof bits);
    /* The exponent counted from sqrt(1/2), so that the mantissa is centred on 1. */
    uint64_t n = ((bits + (TERN_WIDE_ONE_BITS - TERN_WIDE_ROOT_HALF_BITS)) >> 52) - 1023;
    bits -= n << 52;
    memcpy(&mantissa, &bits, sizeof bits);
    double s = (mantissa - 1.0) / (mantissa + 1.0), u = s * s;
    return TERN_LOG2_SERIES(u) * s + (double)(int64_t)n;
}

/* 2^t, rounded once: a double holds what is denormal or too large for a float. */
TERN_HD static inline float tern_exp2_wide(double t)
{
    double limit = TERN_WIDE_POWER_LIMIT, power;
    t = t > limit ? limit : t < -limit ? -limit : t;
    double shifted = t + TERN_WIDE_SHIFT;
    double z = (t - (shifted - TERN_WIDE_SHIFT)) * TERN_WIDE_LN2;
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits - TERN_WIDE_SHIFT_BITS + 1023) << 52;
    memcpy(&power, &bits, sizeof bits);
    return (float)(TERN_EXP_SERIES(z) * power);
}

/* x^y as C's pow: 2^(y log2|x|), with the sign of x where y is an odd integer.  In
 * double, as an error of log2 is multiplied by y. */
TERN_HD static inline float tern_powf(float x, float y)
{
    float a = tern_bits_float(tern_float_bits(x) & 0x7FFFFFFF);
    float b = tern_bits_float(tern_float_bits(y) & 0x7FFFFFFF), half = 0.5f * b;
    /* Adding 2^23 rounds to an integer; from 2^23 on there is nothing else, from 2^24
     * on no odd one. */
    int integer = b >= 0x1p23f || (b + 0x1p23f) - 0x1p23f == b;
    int odd = integer && b < 0x1p24f && (half + 0x1p23f) - 0x1p23f != half;
    double infinite = tern_bits_float(0x7F800000);
    double log = a == 0 ? -infinite : a <= TERN_FLOAT_MAX ? tern_log2_wide(a) : (double)a;
    double t = a == 1 && b > TERN_FLOAT_MAX ? 0 : y * log; /* 1^inf is 1 */
    float power = tern_exp2_wide(t);
    power = odd ? tern_bits_float(tern_float_bits(power) ^ (tern_float_bits(x) & TERN_SIGN_BIT))
                : power;
    power = x < 0 && a <= TERN_FLOAT_MAX && !integer ? tern_bits_float(0x7FC00000) : power;
    return y == 0 || x == 1 ? 1.0f : power;
}

#endif
