/* Power spectra of TERN_LANES signals at once; see fft.h. */
#include "kernels/log_mel/fft.h"

enum { MOST_RADIX = 5 };

typedef struct complex_vector {
    tern_vf real, imaginary;
} complex_vector;

static inline complex_vector add(complex_vector a, complex_vector b)
{
    return (complex_vector){ a.real + b.real, a.imaginary + b.imaginary };
}

static inline complex_vector subtract(complex_vector a, complex_vector b)
{
    return (complex_vector){ a.real - b.real, a.imaginary - b.imaginary };
}

static inline complex_vector times(complex_vector a, float factor)
{
    return (complex_vector){ a.real * factor, a.imaginary * factor };
}

/* a - i b and a + i b */
static inline complex_vector minus_i(complex_vector a, complex_vector b)
{
    return (complex_vector){ a.real + b.imaginary, a.imaginary - b.real };
}

static inline complex_vector plus_i(complex_vector a, complex_vector b)
{
    return (complex_vector){ a.real - b.imaginary, a.imaginary + b.real };
}

static inline complex_vector turned(complex_vector a, const float *turn)
{
    return (complex_vector){ a.real * turn[0] - a.imaginary * turn[1],
                             a.real * turn[1] + a.imaginary * turn[0] };
}

/* Complex element number `at` of [length, 2, TERN_LANES]. */
static inline complex_vector load_element(const float *z, int64_t at)
{
    return (complex_vector){ tern_load(z + 2 * at * TERN_LANES),
                             tern_load(z + (2 * at + 1) * TERN_LANES) };
}

static inline void store_element(float *z, int64_t at, complex_vector value)
{
    tern_store(z + 2 * at * TERN_LANES, value.real);
    tern_store(z + (2 * at + 1) * TERN_LANES, value.imaginary);
}

/* ---------------------------------------------- transforms of 2 to 5 elements, in place -- */

static inline void transform2(complex_vector *z)
{
    complex_vector sum = add(z[0], z[1]);
    z[1] = subtract(z[0], z[1]);
    z[0] = sum;
}

static inline void transform3(complex_vector *z)
{
    const float sine = 0.866025403784438646763f; /* of a third of a turn */
    complex_vector sum = add(z[1], z[2]), difference = times(subtract(z[1], z[2]), sine);
    complex_vector middle = subtract(z[0], times(sum, 0.5f));
    z[0] = add(z[0], sum);
    z[1] = minus_i(middle, difference);
    z[2] = plus_i(middle, difference);
}

static inline void transform4(complex_vector *z)
{
    complex_vector even_sum = add(z[0], z[2]), even_difference = subtract(z[0], z[2]);
    complex_vector odd_sum = add(z[1], z[3]), odd_difference = subtract(z[1], z[3]);
    z[0] = add(even_sum, odd_sum);
    z[1] = minus_i(even_difference, odd_difference);
    z[2] = subtract(even_sum, odd_sum);
    z[3] = plus_i(even_difference, odd_difference);
}

static inline void transform5(complex_vector *z)
{
    /* Of one and of two fifths of a turn. */
    const float cosine1 = 0.309016994374947424102f, cosine2 = -0.809016994374947424102f;
    const float sine1 = 0.951056516295153572116f, sine2 = 0.587785252292473129169f;
    complex_vector outer = add(z[1], z[4]), inner = add(z[2], z[3]);
    complex_vector outer_turn = subtract(z[1], z[4]), inner_turn = subtract(z[2], z[3]);
    complex_vector a1 = add(z[0], add(times(outer, cosine1), times(inner, cosine2)));
    complex_vector a2 = add(z[0], add(times(outer, cosine2), times(inner, cosine1)));
    complex_vector b1 = add(times(outer_turn, sine1), times(inner_turn, sine2));
    complex_vector b2 = subtract(times(outer_turn, sine2), times(inner_turn, sine1));
    z[0] = add(z[0], add(outer, inner));
    z[1] = minus_i(a1, b1);
    z[4] = plus_i(a1, b1);
    z[2] = minus_i(a2, b2);
    z[3] = plus_i(a2, b2);
}

/* --------------------------------------------------------------- stages -- */

/* radix and turns are constants where this is inlined, so that z is registers. */
static inline __attribute__((always_inline)) void butterfly(float *signal, int64_t at, int64_t m,
                                                            const int radix, const bool turns,
                                                            const float *const *turn)
{
    complex_vector z[MOST_RADIX];
    for (int p = 0; p < radix; p++)
        z[p] = load_element(signal, at + p * m);
    if (radix == 2)
        transform2(z);
    else if (radix == 3)
        transform3(z);
    else if (radix == 4)
        transform4(z);
    else
        transform5(z);
    for (int q = 0; q < radix; q++)
        store_element(signal, at + q * m, turns && q > 0 ? turned(z[q], turn[q]) : z[q]);
}

/* One stage over all transforms of that length, of which there are points / 2 / length. */
static inline __attribute__((always_inline)) void
stage_of(const tern_fft *fft, float *signal, int64_t length, const int radix)
{
    const int64_t all = fft->points / 2, m = length / radix;
    for (int64_t j = 0; j < m; j++) {
        const float *turn[MOST_RADIX];
        for (int q = 0; q < radix; q++)
            turn[q] = fft->turn + 4 * j * q * (all / length); /* two floats, two real points */
        if (j == 0)
            for (int64_t at = 0; at < all; at += length)
                butterfly(signal, at, m, radix, false, turn);
        else
            for (int64_t at = j; at < all; at += length)
                butterfly(signal, at, m, radix, true, turn);
    }
}

static void run_stage(const tern_fft *fft, float *signal, int64_t length, int radix)
{
    switch (radix) {
    case 2: stage_of(fft, signal, length, 2); break;
    case 3: stage_of(fft, signal, length, 3); break;
    case 4: stage_of(fft, signal, length, 4); break;
    default: stage_of(fft, signal, length, 5); break;
    }
}

/* With a = z[k], b = conj(z[h - k]), h = points / 2, even = (a + b) / 2, odd = (a - b) / 2i:
 *
 *      X[k] = even + exp(-2 pi i k / points) odd,   X[h - k] = conj(even - exp(..) odd)
 */
static void power_of_pair(const tern_fft *fft, const float *z, int64_t k, float *power)
{
    const int64_t half = fft->points / 2;
    complex_vector a = load_element(z, fft->place[k]);
    complex_vector b = load_element(z, fft->place[k ? half - k : 0]);
    complex_vector even = times((complex_vector){ a.real + b.real, a.imaginary - b.imaginary },
                                0.5f);
    complex_vector odd = times((complex_vector){ a.imaginary + b.imaginary, b.real - a.real },
                               0.5f);
    odd = turned(odd, fft->turn + 2 * k);
    complex_vector low = add(even, odd), high = subtract(even, odd);
    tern_store(power + k * TERN_LANES, low.real * low.real + low.imaginary * low.imaginary);
    tern_store(power + (half - k) * TERN_LANES,
               high.real * high.real + high.imaginary * high.imaginary);
}

void TERN_LEVEL(tern_fft_power)(const tern_fft *fft, float *signal, float *power)
{
    int64_t length = fft->points / 2;
    for (int s = 0; s < fft->stages; s++) {
        run_stage(fft, signal, length, fft->radix[s]);
        length /= fft->radix[s];
    }
    for (int64_t k = 0; k <= fft->points / 4; k++)
        power_of_pair(fft, signal, k, power);
}
