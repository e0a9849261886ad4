/* core/smath.h and core/vmath.h as compiled at each SIMD level, for test_vmath. */
#ifndef TERN_TESTS_VMATH_H
#define TERN_TESTS_VMATH_H

#include <stdint.h>

enum { VMATH_FUNCTIONS = 10 };

/* Apply a function to count values; count is a multiple of 16. */
typedef void (*vmath_apply)(const float *x, float *y, int64_t count);
typedef void (*vmath_apply2)(const float *x, const float *y, float *z, int64_t count);

typedef struct vmath_function {
    const char *name;
    vmath_apply scalar, vector;
} vmath_function;

typedef struct vmath_power {
    vmath_apply2 scalar, vector;
} vmath_power;

extern const vmath_function vmath_base[VMATH_FUNCTIONS], vmath_avx2[VMATH_FUNCTIONS],
    vmath_avx512[VMATH_FUNCTIONS];
extern const vmath_power vmath_power_base, vmath_power_avx2, vmath_power_avx512;

#endif
