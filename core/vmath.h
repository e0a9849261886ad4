/* float32 exp, log, pow, sqrt, tanh, erf, sigmoid, softplus and gelu for SIMD vectors.
 *
 * Lane by lane the algorithms of core/smath.h, where the methods, error bounds
 * and edge cases are described.
 */
#ifndef TERN_CORE_VMATH_H
#define TERN_CORE_VMATH_H

#include <math.h>

#include "core/simd.h"
#include "core/smath.h"

/* Unsigned, where the arithmetic of bits may pass the sign. */
typedef uint32_t tern_vu __attribute__((vector_size(TERN_VECTOR_BYTES)));

static inline tern_vf tern_vabs(tern_vf x)
{
    return (tern_vf)((tern_vi)x & 0x7FFFFFFF);
}

/* |x| with the sign of `sign`; x must not be negative. */
static inline tern_vf tern_vcopysign(tern_vf x, tern_vf sign)
{
    return (tern_vf)((tern_vi)x | ((tern_vi)sign & TERN_SIGN_BIT));
}

/* min(x, limit) that keeps NaN. */
static inline tern_vf tern_vlimit(tern_vf x, float limit)
{
    return tern_select(x > limit, tern_splat(limit), x);
}

/* Rounded exactly; the compiler makes one instruction of the loop. */
static inline tern_vf tern_vsqrt(tern_vf x)
{
    float lane[TERN_LANES];
    tern_store(lane, x);
    for (int i = 0; i < TERN_LANES; i++)
        lane[i] = sqrtf(lane[i]);
    return tern_load(lane);
}

static inline tern_vf tern_vpower_of_two(tern_vi n)
{
    return (tern_vf)((tern_vu)(n + 127) << 23);
}

static inline tern_vf tern_vexp_scale(tern_vf r, tern_vf shifted)
{
    tern_vi n = (tern_vi)shifted - TERN_ROUND_SHIFT_BITS;
    tern_vi half = n >> 1;
    tern_vf power = TERN_EXP_POLYNOMIAL(r) * (r * r) + r + 1.0f;
    return power * tern_vpower_of_two(half) * tern_vpower_of_two(n - half);
}

static inline tern_vf tern_vexp(tern_vf x)
{
    tern_vi vanishes = x < -104.0f;
    x = tern_select(vanishes, (tern_vf){ 0 }, tern_vlimit(x, 89.0f));
    tern_vf shifted = x * TERN_LOG2_E + TERN_ROUND_SHIFT;
    tern_vf n = shifted - TERN_ROUND_SHIFT;
    tern_vf r = (x - n * TERN_LN2_HIGH) - n * TERN_LN2_LOW;
    return tern_select(vanishes, (tern_vf){ 0 }, tern_vexp_scale(r, shifted));
}

static inline tern_vf tern_vexp_half_square(tern_vf a)
{
    tern_vf high = (tern_vf)((tern_vi)a & (int32_t)0xFFFFF000);
    tern_vf rest = (a - high) * (a + high) * 0.5f;
    tern_vf x = high * high * -0.5f;
    tern_vf shifted = x * TERN_LOG2_E + TERN_ROUND_SHIFT;
    tern_vf n = shifted - TERN_ROUND_SHIFT;
    tern_vf r = (x - n * TERN_LN2_HIGH) - n * TERN_LN2_LOW - rest;
    return tern_vexp_scale(r, shifted);
}

static inline tern_vf tern_vlog(tern_vf x)
{
    tern_vi denormal = x < 0x1p-126f;
    tern_vf scaled = tern_select(denormal, x * 0x1p23f, x);
    tern_vu bits = (tern_vu)scaled, above = bits - 0x3F3504F3u;
    tern_vf n = __builtin_convertvector(((tern_vi)above >> 23) - (denormal & 23), tern_vf);
    tern_vf f = (tern_vf)(bits - (above & 0xFF800000u)) - 1.0f;
    tern_vf square = f * f;
    tern_vf rest = (TERN_LOG_POLYNOMIAL(f) * f - 0.5f) * square;
    tern_vf y = n * TERN_LN2_HIGH + (rest + (n * TERN_LN2_LOW + f));
    y = tern_select(x > TERN_FLOAT_MAX, x, y);
    y = tern_select(x == 0, tern_splat(tern_bits_float((int32_t)0xFF800000)), y);
    return tern_select(x >= 0, y, tern_splat(tern_bits_float(0x7FC00000)));
}

static inline tern_vf tern_vtanh(tern_vf x)
{
    tern_vf twice = tern_vlimit(2.0f * tern_vabs(x), 18.5f);
    tern_vf shifted = twice * TERN_LOG2_E + TERN_ROUND_SHIFT;
    tern_vf n = shifted - TERN_ROUND_SHIFT;
    tern_vf r = (twice - n * TERN_LN2_HIGH) - n * TERN_LN2_LOW;
    tern_vf power = tern_vpower_of_two((tern_vi)shifted - TERN_ROUND_SHIFT_BITS);
    tern_vf minus_one = TERN_EXP_POLYNOMIAL(r) * (r * r) + r;
    minus_one = power * minus_one + (power - 1.0f);
    return tern_vcopysign(minus_one / (minus_one + 2.0f), x);
}

static inline tern_vf tern_vsigmoid(tern_vf x)
{
    tern_vf e = tern_vexp((tern_vf)((tern_vi)x | TERN_SIGN_BIT));
    return tern_select(x >= 0, tern_splat(1.0f), e) / (1.0f + e);
}

static inline tern_vf tern_vlogistic(tern_vf x, tern_vf *density)
{
    tern_vf e = tern_vexp((tern_vf)((tern_vi)x | TERN_SIGN_BIT));
    tern_vf whole = 1.0f + e;
    *density = e / (whole * whole);
    return tern_select(x >= 0, tern_splat(1.0f), e) / whole;
}

static inline tern_vf tern_vsoftplus(tern_vf x)
{
    tern_vf e = tern_vexp((tern_vf)((tern_vi)x | TERN_SIGN_BIT));
    tern_vf sum = 1.0f + e, lost = e - (sum - 1.0f);
    return tern_select(x > 0, x, (tern_vf){ 0 }) + (tern_vlog(sum) + lost / sum);
}

static inline tern_vf tern_verf(tern_vf x)
{
    tern_vf a = tern_vlimit(tern_vabs(x), 4.0f);
    tern_vf square = a * a, scaled = a * TERN_SQRT2;
    tern_vf small = TERN_ERF_POLYNOMIAL(square) * a + a;
    tern_vf tail = TERN_TAIL_NUMERATOR(scaled) / TERN_TAIL_DENOMINATOR(scaled);
    tern_vf large = 1.0f - 2.0f * tail * tern_vexp(-square);
    return tern_vcopysign(tern_select(a < 1.0f, small, large), x);
}

static inline tern_vf tern_vnormal(tern_vf x, tern_vf *density)
{
    tern_vf a = tern_vlimit(tern_vabs(x), TERN_TAIL_LIMIT);
    tern_vf e = tern_vexp_half_square(a);
    tern_vf tail = TERN_TAIL_NUMERATOR(a) / TERN_TAIL_DENOMINATOR(a) * e;
    *density = e * TERN_INVERSE_SQRT_2PI;
    return tern_select(x < 0, tail, 1.0f - tail);
}

static inline tern_vf tern_vgelu(tern_vf x)
{
    tern_vf density;
    return x * tern_vnormal(x, &density);
}

static inline tern_vf tern_vgelu_slope(tern_vf x)
{
    tern_vf density;
    tern_vf phi = tern_vnormal(x, &density);
    return x * density + phi;
}

static inline tern_vf tern_vgelu_tanh(tern_vf x)
{
    return x * tern_vsigmoid(x * (TERN_GELU_LINEAR + TERN_GELU_CUBIC * (x * x)));
}

static inline tern_vf tern_vgelu_tanh_slope(tern_vf x)
{
    tern_vf density, square = x * x;
    tern_vf share = tern_vlogistic(x * (TERN_GELU_LINEAR + TERN_GELU_CUBIC * square), &density);
    return share + x * density * (TERN_GELU_LINEAR + 3.0f * TERN_GELU_CUBIC * square);
}

/* --------------------------------------------------------------- pow -- */

/* Half a vector of floats fills a vector of doubles. */
typedef float tern_vf_half __attribute__((vector_size(TERN_VECTOR_BYTES / 2)));
typedef double tern_vd __attribute__((vector_size(TERN_VECTOR_BYTES)));
typedef int64_t tern_vl __attribute__((vector_size(TERN_VECTOR_BYTES)));
typedef uint64_t tern_vul __attribute__((vector_size(TERN_VECTOR_BYTES)));

static inline tern_vd tern_select_wide(tern_vl mask, tern_vd a, tern_vd b)
{
    return (tern_vd)((mask & (tern_vl)a) | (~mask & (tern_vl)b));
}

static inline tern_vd tern_vlog2_wide(tern_vd x)
{
    tern_vul bits = (tern_vul)x;
    tern_vul n = ((bits + (TERN_WIDE_ONE_BITS - TERN_WIDE_ROOT_HALF_BITS)) >> 52) - 1023;
    tern_vd mantissa = (tern_vd)(bits - (n << 52));
    tern_vd s = (mantissa - 1.0) / (mantissa + 1.0), u = s * s;
    /* n as a double without an instruction that AVX2 lacks. */
    tern_vd exponent = (tern_vd)(n + TERN_WIDE_SHIFT_BITS) - TERN_WIDE_SHIFT;
    return TERN_LOG2_SERIES(u) * s + exponent;
}

static inline tern_vd tern_vexp2_wide(tern_vd t)
{
    tern_vd limit = TERN_WIDE_POWER_LIMIT - (tern_vd){ 0 };
    t = tern_select_wide(t > limit, limit, tern_select_wide(t < -limit, -limit, t));
    tern_vd shifted = t + TERN_WIDE_SHIFT;
    tern_vd z = (t - (shifted - TERN_WIDE_SHIFT)) * TERN_WIDE_LN2;
    tern_vd power = (tern_vd)(((tern_vul)shifted - TERN_WIDE_SHIFT_BITS + 1023) << 52);
    return TERN_EXP_SERIES(z) * power;
}

/* a^y for a >= 0 or NaN. */
static inline tern_vf_half tern_vpow_half(tern_vf_half a, tern_vf_half y)
{
    tern_vd x = __builtin_convertvector(a, tern_vd);
    tern_vd exponent = __builtin_convertvector(y, tern_vd);
    tern_vd infinite = (double)tern_bits_float(0x7F800000) - (tern_vd){ 0 };
    tern_vd log = tern_select_wide(x < infinite, tern_vlog2_wide(x), x);
    log = tern_select_wide(x == 0, -infinite, log);
    tern_vl one = (x == 1.0) & ((exponent == infinite) | (exponent == -infinite));
    tern_vd t = tern_select_wide(one, (tern_vd){ 0 }, exponent * log);
    return __builtin_convertvector(tern_vexp2_wide(t), tern_vf_half);
}

static inline tern_vf tern_vpow(tern_vf x, tern_vf y)
{
    tern_vf a = tern_vabs(x), b = tern_vabs(y), half = 0.5f * b, power;
    tern_vi integer = (b >= 0x1p23f) | ((b + 0x1p23f) - 0x1p23f == b);
    tern_vi odd = integer & (b < 0x1p24f) & ((half + 0x1p23f) - 0x1p23f != half);
    tern_vf_half base[2], exponent[2];
    memcpy(base, &a, sizeof a);
    memcpy(exponent, &y, sizeof y);
    for (int i = 0; i < 2; i++)
        base[i] = tern_vpow_half(base[i], exponent[i]);
    memcpy(&power, base, sizeof power);
    power = (tern_vf)((tern_vi)power ^ (odd & (tern_vi)x & TERN_SIGN_BIT));
    tern_vi undefined = (x < 0) & (a <= TERN_FLOAT_MAX) & ~integer;
    power = tern_select(undefined, tern_splat(tern_bits_float(0x7FC00000)), power);
    return tern_select((y == 0) | (x == 1.0f), tern_splat(1.0f), power);
}

#endif
