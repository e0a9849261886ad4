/* float32 exp, log, tanh, erf, sigmoid and gelu, branch free, for one value.
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
    y = x > 0x1.fffffep127f ? x : y;
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

#endif
