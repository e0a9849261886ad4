/* The math functions at one SIMD level: once value by value, once by vectors. */
#include "tests/vmath.h"

#include "core/vmath.h"

typedef float (*scalar_function)(float x);
typedef tern_vf (*vector_function)(tern_vf x);

static inline void each(scalar_function function, const float *x, float *y, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        y[i] = function(x[i]);
}

static inline void lanes(vector_function function, const float *x, float *y, int64_t count)
{
    for (int64_t i = 0; i < count; i += TERN_LANES)
        tern_store(y + i, function(tern_load(x + i)));
}

static void exp_each(const float *x, float *y, int64_t n) { each(tern_expf, x, y, n); }
static void exp_lanes(const float *x, float *y, int64_t n) { lanes(tern_vexp, x, y, n); }
static void log_each(const float *x, float *y, int64_t n) { each(tern_logf, x, y, n); }
static void log_lanes(const float *x, float *y, int64_t n) { lanes(tern_vlog, x, y, n); }
static void tanh_each(const float *x, float *y, int64_t n) { each(tern_tanhf, x, y, n); }
static void tanh_lanes(const float *x, float *y, int64_t n) { lanes(tern_vtanh, x, y, n); }
static void erf_each(const float *x, float *y, int64_t n) { each(tern_erff, x, y, n); }
static void erf_lanes(const float *x, float *y, int64_t n) { lanes(tern_verf, x, y, n); }
static void sigmoid_each(const float *x, float *y, int64_t n) { each(tern_sigmoidf, x, y, n); }
static void sigmoid_lanes(const float *x, float *y, int64_t n) { lanes(tern_vsigmoid, x, y, n); }
static void gelu_each(const float *x, float *y, int64_t n) { each(tern_geluf, x, y, n); }
static void gelu_lanes(const float *x, float *y, int64_t n) { lanes(tern_vgelu, x, y, n); }
static void slope_each(const float *x, float *y, int64_t n) { each(tern_gelu_slopef, x, y, n); }
static void slope_lanes(const float *x, float *y, int64_t n) { lanes(tern_vgelu_slope, x, y, n); }
static void softplus_each(const float *x, float *y, int64_t n) { each(tern_softplusf, x, y, n); }
static void softplus_lanes(const float *x, float *y, int64_t n) { lanes(tern_vsoftplus, x, y, n); }

static void gelu_tanh_each(const float *x, float *y, int64_t n)
{
    each(tern_gelu_tanhf, x, y, n);
}

static void gelu_tanh_lanes(const float *x, float *y, int64_t n)
{
    lanes(tern_vgelu_tanh, x, y, n);
}

static void gelu_tanh_slope_each(const float *x, float *y, int64_t n)
{
    each(tern_gelu_tanh_slopef, x, y, n);
}

static void gelu_tanh_slope_lanes(const float *x, float *y, int64_t n)
{
    lanes(tern_vgelu_tanh_slope, x, y, n);
}

static void pow_each(const float *x, const float *y, float *z, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        z[i] = tern_powf(x[i], y[i]);
}

static void pow_lanes(const float *x, const float *y, float *z, int64_t n)
{
    for (int64_t i = 0; i < n; i += TERN_LANES)
        tern_store(z + i, tern_vpow(tern_load(x + i), tern_load(y + i)));
}

const vmath_power TERN_LEVEL(vmath_power) = { pow_each, pow_lanes };

const vmath_function TERN_LEVEL(vmath)[VMATH_FUNCTIONS] = {
    { "exp", exp_each, exp_lanes },
    { "log", log_each, log_lanes },
    { "tanh", tanh_each, tanh_lanes },
    { "erf", erf_each, erf_lanes },
    { "sigmoid", sigmoid_each, sigmoid_lanes },
    { "gelu", gelu_each, gelu_lanes },
    { "gelu_slope", slope_each, slope_lanes },
    { "softplus", softplus_each, softplus_lanes },
    { "gelu_tanh", gelu_tanh_each, gelu_tanh_lanes },
    { "gelu_tanh_slope", gelu_tanh_slope_each, gelu_tanh_slope_lanes },
};
