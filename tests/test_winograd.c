/* Promises of conv2d where Winograd's F(4x4,3x3) computes it: any image size and number of
 * channels, in inference one packing of a parameter for all of them, and rounding errors that
 * stay near those of a direct sum; so do the gradients, of which that of weight is a sum of
 * products over all tiles. */
#include "tests/check.h"

#include <math.h>
#include <stdlib.h>

#include "core/params.h"
#include "core/rng.h"
#include "kernels/conv2d/conv2d.h"
#include "tests/against_ref.h"

/* Images within, at and just beyond one tile; pads that hide the kernel, up to more than it;
 * channels that are half a vector, a vector and primes around them. */
static const char *const problems[][2] = {
    { "x=[4,1,1,8] weight=[3,3,3,8] bias=[3]", "pad=1,1" },
    { "x=[3,1,9,11] weight=[8,3,3,11]", "pad=1,1" },
    { "x=[5,2,3,9] weight=[17,3,3,9] bias=[17]", "pad=1,1" },
    { "x=[4,4,4,13] weight=[1,3,3,13] bias=[1]", "pad=0,0" },
    { "x=[3,5,7,17] weight=[8,3,3,17] bias=[8]", "pad=0,2" },
    { "x=[1,6,9,16] weight=[31,3,3,16] bias=[31]", "pad=2,1" },
    { "x=[1,7,9,37] weight=[35,3,3,37]", "pad=1,0" },
    { "x=[1,3,7,8] weight=[9,3,3,8] bias=[9]", "pad=3,4" },
    /* What the gradient of weight sums: in fewer chunks than there are tiles for, as their sums
     * are large; chunks of two blocks each; an odd number of tiles by pairs, in one chunk. */
    { "x=[20,8,7,60] weight=[99,3,3,60] bias=[99]", "pad=1,1" },
    { "x=[61,16,15,8] weight=[9,3,3,8] bias=[9]", "pad=1,1" },
    { "x=[7,6,5,29] weight=[67,3,3,29] bias=[67]", "pad=1,1" },
    { "x=[9,3,4,8] weight=[11,3,3,8] bias=[11]", "pad=1,1" },
};

enum { PROBLEMS = sizeof problems / sizeof *problems };

/* An element's error is in proportion to what its whole tile sums, however few terms it has
 * itself at a border: so a share of the largest value is allowed, 34 eps. */
static const double TOLERANCE = 4e-6;

static void cpu_follows_ref_at_awkward_sizes(void **state)
{
    (void)state;
    for (int i = 0; i < PROBLEMS; i++)
        assert_cpu_follows_ref("conv2d", problems[i][0], problems[i][1], TOLERANCE);
}

/* The sums are many times as large as what sigmoid and tanh make of them. */
static const double ACTIVATED = 2e-5;

static void cpu_follows_ref_with_every_activation(void **state)
{
    static const char *const activations[] = { "relu", "gelu", "sigmoid", "tanh" };
    char options[100];
    (void)state;
    for (int i = 0; i < PROBLEMS; i++) {
        snprintf(options, sizeof options, "%s activation=%s", problems[i][1], activations[i % 4]);
        assert_cpu_follows_ref("conv2d", problems[i][0], options, ACTIVATED);
    }
}

/* ---------------------------------------------------------- inference -- */

enum { MOST_VALUES = 1 << 17 };

/* A weight [O,3,columns,I] as a parameter, in inference. */
typedef struct network {
    tern_ctx *ctx;
    tern_tensor *weight;
} network;

static float normal_at(uint32_t place, int64_t number)
{
    tern_rng rng = tern_rng_make(place, TERN_STREAM_TEST, (uint32_t)number);
    return (float)tern_rng_normal(&rng);
}

/* Columns beyond the third are zero, and change nothing but the implementation. */
static network open_network(tern_ctx_opts opts, int64_t outputs, int64_t columns, int64_t inputs)
{
    network n = { .ctx = open_context(opts) };
    float *values = calloc((size_t)(outputs * 3 * columns * inputs), sizeof *values);
    assert_non_null(values);
    tern_set_inference_only(n.ctx);
    n.weight = tern_param(n.ctx, "weight", 4, (int64_t[]){ outputs, 3, columns, inputs },
                          (tern_param_opts){ .init = { .kind = TERN_INIT_ONE } });
    tern_params_freeze(n.ctx);
    for (int64_t o = 0, from = 0; o < 3 * outputs; o++)
        for (int64_t i = 0; i < 3 * inputs; i++)
            values[o * columns * inputs + i] = normal_at(1, from++);
    tern_write(n.ctx, n.weight, TERN_F32, values);
    free(values);
    return n;
}

/* Without padding.  Returns how many values were read. */
static int64_t infer(network n, const int64_t *shape, double *y)
{
    int64_t count = shape[0] * shape[1] * shape[2] * shape[3];
    float *x = malloc((size_t)count * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < count; i++)
        x[i] = normal_at(2, i);
    tern_step_begin(n.ctx, (uint64_t)count);
    tern_tensor *out = tern_conv2d(n.ctx, tern_input(n.ctx, "x", TERN_F32, 4, shape, x), n.weight,
                                   NULL, (tern_conv2d_opts){ 0 });
    assert_true(out->count <= MOST_VALUES);
    tern_read(n.ctx, out, TERN_F64, y);
    assert_tern_ok(n.ctx);
    free(x);
    return out->count;
}

static double rms(const double *a, const double *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += (a[i] - (b ? b[i] : 0)) * (a[i] - (b ? b[i] : 0));
    return sqrt(sum / (double)count);
}

static void a_parameter_that_is_packed_once_serves_images_of_any_size(void **state)
{
    static const int64_t shapes[][4] = { { 1, 64, 64, 19 }, { 2, 9, 7, 19 }, { 1, 3, 3, 19 },
                                         { 1, 3, 12, 19 },  { 0, 5, 5, 19 }, { 9, 4, 3, 19 },
                                         { 1, 64, 64, 19 } };
    const tern_ctx_opts opts = { .device = "cpu", .threads = 2, .poison = true };
    static double found[MOST_VALUES], wanted[MOST_VALUES];
    network n = open_network(opts, 21, 3, 19);
    network ref = open_network((tern_ctx_opts){ .device = "ref" }, 21, 3, 19);
    size_t packed = 0;
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        int64_t count = infer(n, shapes[i], found);
        assert_int_equal(count, infer(ref, shapes[i], wanted));
        if (count)
            assert_true(rms(found, wanted, count) < 1e-6 * rms(wanted, NULL, count));
        assert_true(!packed || packed == tern_memory(n.ctx).packed_bytes);
        packed = tern_memory(n.ctx).packed_bytes;
    }
    tern_ctx_free(n.ctx);
    tern_ctx_free(ref.ctx);
}

/* ------------------------------------------------------------- errors -- */

/* In units of eps = 2^-24, as a part of the root mean square of the result. */
static double error_of(int64_t columns, int64_t inputs)
{
    enum { SIZE = 19, OUTPUTS = 16 };
    static double found[MOST_VALUES], wanted[MOST_VALUES];
    const int64_t shape[] = { 1, SIZE, SIZE, inputs };
    network n = open_network((tern_ctx_opts){ .device = "cpu" }, OUTPUTS, columns, inputs);
    network ref = open_network((tern_ctx_opts){ .device = "ref" }, OUTPUTS, columns, inputs);
    int64_t count = infer(n, shape, found);
    assert_int_equal(count, infer(ref, shape, wanted));
    tern_ctx_free(n.ctx);
    tern_ctx_free(ref.ctx);
    return rms(found, wanted, count) / rms(wanted, NULL, count) * 0x1p24;
}

/* Found, with normal deviates for x and weight (avx512):
 *
 *      I           16    64   128   512
 *      Winograd   8.0  13.4  18.2  35.1
 *      direct     3.5   7.4  10.1  20.1        */
static void errors_are_at_most_three_times_those_of_a_direct_sum(void **state)
{
    static const int64_t inputs[] = { 16, 64, 128, 512 };
    (void)state;
    for (int i = 0; i < 4; i++) {
        double winograd = error_of(3, inputs[i]), direct = error_of(4, inputs[i]);
        assert_true(winograd != direct && winograd < 3 * direct);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_follows_ref_at_awkward_sizes),
        cmocka_unit_test(cpu_follows_ref_with_every_activation),
        cmocka_unit_test(a_parameter_that_is_packed_once_serves_images_of_any_size),
        cmocka_unit_test(errors_are_at_most_three_times_those_of_a_direct_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
