/* Conversions keep every value, or name the one that cannot be kept. */
#include "tests/check.h"

#include <math.h>
#include <string.h>

#include "core/convert.h"

static tern_values list(tern_dtype dtype, const void *data, int64_t count)
{
    return (tern_values){ .name = "x", .dtype = dtype, .rank = 1, .shape = { count },
                          .count = count, .data = data };
}

static void small_whole_numbers_become_anything_but_bf16(void **state)
{
    (void)state;
    static const uint8_t bytes[] = { 0, 1, 200 };
    static const int32_t ints[] = { 0, 1, 200 };
    static const int64_t longs[] = { 0, 1, 200 };
    const tern_values from[] = { list(TERN_U8, bytes, 3), list(TERN_I32, ints, 3),
                                 list(TERN_I64, longs, 3) };
    for (int f = 0; f < 3; f++) {
        tern_error error = { 0 };
        double f64[3];
        float f32[3];
        int64_t i64[3];
        int32_t i32[3];
        uint8_t u8[3], unused[8];
        assert_true(tern_convert(&from[f], TERN_F64, f64, &error) && f64[2] == 200);
        assert_true(tern_convert(&from[f], TERN_F32, f32, &error) && f32[2] == 200);
        assert_true(tern_convert(&from[f], TERN_I64, i64, &error) && i64[2] == 200);
        assert_true(tern_convert(&from[f], TERN_I32, i32, &error) && i32[2] == 200);
        assert_true(tern_convert(&from[f], TERN_U8, u8, &error) && u8[2] == 200);
        assert_false(tern_convert(&from[f], TERN_BF16, unused, &error));
        assert_int_equal(error.code, TERN_ERR_DTYPE);
    }
}

static void reals_widen_exactly_and_f64_is_rounded_to_f32(void **state)
{
    (void)state;
    const double doubles[] = { 0.1, -1e300, INFINITY, NAN };
    const float floats[] = { 0.1f, -INFINITY };
    const uint16_t bf16[] = { 0x3fc0, 0xc000 }; /* 1.5, -2 */
    tern_error error = { 0 };
    tern_values from = list(TERN_F64, doubles, 1);
    float f32[4];
    double f64[4];
    assert_true(tern_convert(&from, TERN_F32, f32, &error) && f32[0] == 0.1f);
    from = list(TERN_F64, doubles + 2, 2);
    assert_true(tern_convert(&from, TERN_F32, f32, &error) && isinf(f32[0]) && isnan(f32[1]));
    from = list(TERN_F32, floats, 2);
    assert_true(tern_convert(&from, TERN_F64, f64, &error));
    assert_true(f64[0] == (double)0.1f && f64[1] == -INFINITY);
    from = list(TERN_BF16, bf16, 2);
    assert_true(tern_convert(&from, TERN_F32, f32, &error) && f32[0] == 1.5f && f32[1] == -2);
    assert_true(tern_convert(&from, TERN_F64, f64, &error) && f64[0] == 1.5 && f64[1] == -2);
    assert_int_equal(error.code, TERN_OK);
    from = list(TERN_F64, doubles, 2);
    assert_false(tern_convert(&from, TERN_F32, f32, &error));
    assert_string_equal(error.message, "x[1] is -1e+300, which f32 cannot hold");
}

static void what_does_not_fit_is_named_by_its_place(void **state)
{
    (void)state;
    static const int64_t wide[] = { 0, 1, 2, 3, (int64_t)1 << 31, -1 };
    static const int64_t fine[] = { (int64_t)1 << 24, -((int64_t)1 << 62), ((int64_t)1 << 24) + 1 };
    static const int32_t negative[] = { 255, -1 };
    static const float half[] = { 0.5f };
    int32_t i32[6];
    uint8_t u8[2];
    float f32[3];
    double f64[3];
    const int64_t extremes[] = { INT32_MIN, INT32_MAX };
    tern_error error = { 0 };
    tern_values from = { .name = "ids", .dtype = TERN_I64, .rank = 3, .shape = { 1, 3, 2 },
                         .count = 6, .data = wide };
    assert_false(tern_convert(&from, TERN_I32, i32, &error));
    assert_int_equal(error.code, TERN_ERR_DATA);
    assert_string_equal(error.message, "ids[0,2,0] is 2147483648, which i32 cannot hold");
    from = list(TERN_I64, extremes, 2);
    error = (tern_error){ 0 };
    assert_true(tern_convert(&from, TERN_I32, i32, &error) && i32[0] == INT32_MIN);

    from = list(TERN_I32, negative, 2);
    assert_false(tern_convert(&from, TERN_U8, u8, &error));
    assert_string_equal(error.message, "x[1] is -1, which u8 cannot hold");

    error = (tern_error){ 0 };
    from = list(TERN_I64, fine, 2);
    assert_true(tern_convert(&from, TERN_F32, f32, &error) && f32[1] == -0x1p62f);
    from = list(TERN_I64, fine, 3);
    assert_true(tern_convert(&from, TERN_F64, f64, &error));
    assert_false(tern_convert(&from, TERN_F32, f32, &error));
    assert_string_equal(error.message, "x[2] is 16777217, which f32 cannot hold");

    error = (tern_error){ 0 };
    from = list(TERN_F32, half, 1);
    from.name = NULL;
    assert_false(tern_convert(&from, TERN_I32, i32, &error));
    assert_string_equal(error.message, "values: f32 values cannot become i32");
    error = (tern_error){ 0 };
    from.dtype = TERN_NO_DTYPE;
    assert_false(tern_convert(&from, TERN_NO_DTYPE, i32, &error));
    assert_int_equal(error.code, TERN_ERR_DTYPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_whole_numbers_become_anything_but_bf16),
        cmocka_unit_test(reals_widen_exactly_and_f64_is_rounded_to_f32),
        cmocka_unit_test(what_does_not_fit_is_named_by_its_place),
    };
    return cmocka_run_group_tests_name("convert", tests, NULL, NULL);
}
