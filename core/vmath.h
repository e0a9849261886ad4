/* float32 exp, log, tanh, erf, sigmoid and gelu for SIMD vectors.
 *
 * Lane by lane the algorithms of core/smath.h, where the methods, error bounds
 * and edge cases are described.
 */
#ifndef TERN_CORE_VMATH_H
#define TERN_CORE_VMATH_H

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
    y = tern_select(x > 0x1.fffffep127f, x, y);
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

#endif
