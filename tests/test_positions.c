/* sinusoidal positions and rotary embedding: what they are for, and what takes long
 * sequences to see. */
#include "tests/check.h"

#include <math.h>
#include <string.h>

#include "kernels/positions/rotary.h"
#include "kernels/positions/sinusoidal_positions.h"
#include "tests/against_ref.h"

static const char *const devices[] = { "ref", "cpu" };
enum { DEVICES = 2, LENGTH = 9, SIZE = 6 };

/* The same query and key at every position. */
static tern_tensor *everywhere(tern_ctx *ctx, const double *row)
{
    double x[LENGTH][SIZE];
    for (int t = 0; t < LENGTH; t++)
        memcpy(x[t], row, sizeof x[t]);
    return tern_input(ctx, "x", TERN_F64, 2, (int64_t[]){ LENGTH, SIZE }, x);
}

static double product(const double *a, const double *b)
{
    double sum = 0;
    for (int d = 0; d < SIZE; d++)
        sum += a[d] * b[d];
    return sum;
}

static void a_rotated_product_depends_on_the_distance_alone(void **state)
{
    (void)state;
    const double query[] = { 0.5, -1, 2, 0.25, 1, 3 }, key[] = { 1, 0.75, -0.5, 2, -2, 0.5 };
    for (int d = 0; d < DEVICES; d++)
        for (int pairing = 0; pairing < 2; pairing++) {
            tern_ctx *ctx = open_recording(devices[d]);
            tern_rotary_opts opts = { .pairing = pairing, .base = 50 };
            double q[LENGTH][SIZE], k[LENGTH][SIZE];
            tern_read(ctx, tern_rotary(ctx, everywhere(ctx, query), opts), TERN_F64, q);
            opts.offset = 1000;
            tern_read(ctx, tern_rotary(ctx, everywhere(ctx, key), opts), TERN_F64, k);
            assert_tern_ok(ctx);
            assert_true(fabs(product(q[0], k[3]) - product(q[0], k[2])) > 0.1);
            for (int t = 1; t + 3 < LENGTH; t++)
                assert_true(fabs(product(q[t], k[t + 3]) - product(q[0], k[3])) < 1e-5);
            tern_ctx_free(ctx);
        }
}

/* The angle of position 10^6 has six digits before the point: in float32 one would be left. */
static void far_positions_are_as_exact_as_near_ones(void **state)
{
    (void)state;
    enum { FAR = 1000000, STEPS = 200 };
    static double code[STEPS][2];
    for (int d = 0; d < DEVICES; d++) {
        tern_ctx *ctx = open_recording(devices[d]);
        tern_read(ctx, tern_sinusoidal_positions(ctx, NULL, (tern_sinusoidal_positions_opts){
                      .length = STEPS, .size = 2, .offset = FAR }), TERN_F64, code);
        assert_tern_ok(ctx);
        for (int t = 0; t < STEPS; t++) {
            assert_true(fabs(code[t][0] - sin(FAR + t)) < 1e-7);
            assert_true(fabs(code[t][1] - cos(FAR + t)) < 1e-7);
        }
        tern_ctx_free(ctx);
    }
}

/* Longer than a tile of positions, wider than the pairs taken at once, many tiles of rows. */
static void long_sequences_give_what_ref_gives(void **state)
{
    (void)state;
    assert_cpu_follows_ref("sinusoidal_positions", "x=[2,149,167]", "", 0);
    assert_cpu_follows_ref("rotary", "x=[2,149,142]", "", 0);
    assert_cpu_follows_ref("rotary", "x=[3,67,142]", "pairing=halves offset=61", 0);
}

static void what_does_not_fit_is_named(void **state)
{
    (void)state;
    const double row[SIZE] = { 0 };
    tern_ctx *ctx = open_recording("cpu");
    tern_rotary(ctx, everywhere(ctx, row), (tern_rotary_opts){ .heads = 2 });
    assert_tern_fails(ctx, TERN_ERR_SHAPE, "rotary: x [9,6] must be [...,T,H*D] with H = 2 heads");
    tern_clear_error(ctx);
    tern_step_begin(ctx, 1);
    tern_sinusoidal_positions(ctx, everywhere(ctx, row),
                              (tern_sinusoidal_positions_opts){ .size = 6 });
    assert_tern_fails(ctx, TERN_ERR_OPTION, "length and size are for no x, here it is [9,6]");
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rotated_product_depends_on_the_distance_alone),
        cmocka_unit_test(far_positions_are_as_exact_as_near_ones),
        cmocka_unit_test(long_sequences_give_what_ref_gives),
        cmocka_unit_test(what_does_not_fit_is_named),
    };
    return cmocka_run_group_tests_name("positions", tests, NULL, NULL);
}
