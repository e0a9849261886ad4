/* Promises of modality dropout: in training modalities go at the rate asked for and never
 * all of a row, the same ones on every device; in inference none; and what is left is told. */
#include "tests/check.h"

#include <math.h>
#include <string.h>

#include "kernels/table.h"
#include "layers/modality_dropout.h"

enum { ROWS = 4000, MODALITIES = 3, STEPS = 2 };

static tern_ctx *open_device(const char *device, uint64_t seed)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = device, .seed = seed, .poison = true },
                              &error);
    if (!ctx)
        fail_msg("%s", error.message);
    tern_set_training(ctx, true);
    return ctx;
}

/* What is left of rows that have everything, in one step. */
static void drop(tern_ctx *ctx, double p, uint8_t left[ROWS][MODALITIES])
{
    static uint8_t all[ROWS * STEPS];
    uint8_t mask[ROWS * STEPS];
    tern_tensor *masks[MODALITIES];
    double count[ROWS];
    memset(all, 1, sizeof all);
    tern_step_begin(ctx, 0);
    for (int m = 0; m < MODALITIES; m++)
        masks[m] = tern_input(ctx, "mask", TERN_U8, 2, (int64_t[]){ ROWS, STEPS }, all);
    tern_modalities found = tern_drop_modalities(ctx, masks, MODALITIES, p);
    tern_read(ctx, found.present, TERN_U8, left);
    tern_read(ctx, found.count, TERN_F64, count);
    for (int m = 0; m < MODALITIES; m++) {
        tern_read(ctx, found.mask[m], TERN_U8, mask);
        for (int n = 0; n < ROWS; n++)
            for (int t = 0; t < STEPS; t++)
                assert_int_equal(mask[n * STEPS + t], left[n][m]);
    }
    for (int n = 0; n < ROWS; n++)
        assert_true(count[n] == left[n][0] + left[n][1] + left[n][2]);
    assert_tern_ok(ctx);
}

static void modalities_go_at_the_rate_asked_for_and_never_all(void **state)
{
    static uint8_t left[ROWS][MODALITIES];
    const double rates[] = { 0.3, 0.9, 1 };
    (void)state;
    tern_ctx *ctx = open_device("cpu", 3);
    for (int r = 0; r < 3; r++) {
        double p = rates[r];
        /* All three would go with chance p^3; then one of them stays. */
        double want = p - p * p * p / MODALITIES, off = 5 * sqrt(0.25 / ROWS);
        drop(ctx, p, left);
        for (int m = 0; m < MODALITIES; m++) {
            int gone = 0;
            for (int n = 0; n < ROWS; n++)
                gone += !left[n][m];
            assert_true(fabs((double)gone / ROWS - want) < off);
        }
        for (int n = 0; n < ROWS; n++) {
            int there = left[n][0] + left[n][1] + left[n][2];
            assert_true(p < 1 ? there >= 1 : there == 1);
        }
    }
    tern_ctx_free(ctx);
}

static void the_same_go_on_every_device_and_others_in_every_step(void **state)
{
    static uint8_t ref[ROWS][MODALITIES], cpu[ROWS][MODALITIES], next[ROWS][MODALITIES];
    (void)state;
    tern_ctx *a = open_device("ref", 7), *b = open_device("cpu", 7);
    drop(a, 0.4, ref);
    drop(b, 0.4, cpu);
    assert_memory_equal(ref, cpu, sizeof ref);
    drop(b, 0.4, next);
    assert_memory_not_equal(cpu, next, sizeof next);
    tern_ctx_free(a);
    tern_ctx_free(b);
}

static void none_go_in_inference(void **state)
{
    static uint8_t left[ROWS][MODALITIES];
    (void)state;
    tern_ctx *ctx = open_device("cpu", 3);
    tern_set_training(ctx, false);
    drop(ctx, 1, left);
    for (int n = 0; n < ROWS; n++)
        assert_true(left[n][0] && left[n][1] && left[n][2]);
    tern_ctx_free(ctx);
}

static void what_is_missing_in_the_data_stays_missing(void **state)
{
    const uint8_t face[] = { 1, 0,  0, 0,  0, 0 }, text[] = { 0,  1,  0 };
    uint8_t present[3][2];
    double count[3];
    (void)state;
    tern_ctx *ctx = open_device("cpu", 3);
    tern_step_begin(ctx, 0);
    tern_tensor *masks[] = { tern_input(ctx, "face", TERN_U8, 2, (int64_t[]){ 3, 2 }, face),
                             tern_input(ctx, "text", TERN_U8, 2, (int64_t[]){ 3, 1 }, text) };
    tern_modalities found = tern_drop_modalities(ctx, masks, 2, 1);
    tern_read(ctx, found.present, TERN_U8, present);
    tern_read(ctx, found.count, TERN_F64, count);
    assert_tern_ok(ctx);
    assert_memory_equal(present, ((uint8_t[3][2]){ { 1, 0 }, { 0, 1 }, { 0, 0 } }), sizeof present);
    assert_true(count[0] == 1 && count[1] == 1 && count[2] == 0);
    tern_ctx_free(ctx);
}

static void what_does_not_fit_is_named(void **state)
{
    (void)state;
    tern_ctx *ctx = open_device("meta", 3);
    tern_step_begin(ctx, 0);
    tern_tensor *masks[] = { tern_input(ctx, "face", TERN_U8, 2, (int64_t[]){ 3, 2 }, NULL),
                             tern_input(ctx, "text", TERN_U8, 2, (int64_t[]){ 4, 1 }, NULL) };
    tern_drop_modalities(ctx, masks, 2, 0.5);
    assert_tern_fails(ctx, TERN_ERR_SHAPE,
                      "modality_dropout: mask number 1 [4,1] must be [N,T], of as many rows as the "
                      "first, [3,2]");
    tern_clear_error(ctx);
    tern_step_begin(ctx, 1);
    tern_drop_modalities(ctx, masks, 0, 0.5);
    assert_tern_fails(ctx, TERN_ERR_OPTION, "0 modalities, 1 to 16 are possible");
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modalities_go_at_the_rate_asked_for_and_never_all),
        cmocka_unit_test(the_same_go_on_every_device_and_others_in_every_step),
        cmocka_unit_test(none_go_in_inference),
        cmocka_unit_test(what_is_missing_in_the_data_stays_missing),
        cmocka_unit_test(what_does_not_fit_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
