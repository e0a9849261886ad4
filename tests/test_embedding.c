/* embedding: tokens out of range, padding, and a backward that is the same for
 * every number of threads. */
#include "tests/check.h"

#include "core/params.h"
#include "core/rng.h"
#include "kernels/embedding/embedding.h"
#include "kernels/table.h"

#include <stdlib.h>
#include <string.h>

static const char *const devices[] = { "ref", "cpu" };
enum { DEVICES = 2 };

static void a_token_out_of_range_is_named_with_its_position(void **state)
{
    (void)state;
    const int32_t wrong[] = { 5, -1, INT32_MAX, INT32_MIN };
    const char *const messages[] = { "hold 5 at position 2", "hold -1 at position 2",
                                     "hold 2147483647 at position 2",
                                     "hold -2147483648 at position 2" };
    const double table[5 * 3] = { 0 };
    for (int i = 0; i < 4 * DEVICES; i++) {
        tern_ctx *ctx = open_recording(devices[i % DEVICES]);
        const int32_t tokens[] = { 0, 4, wrong[i / DEVICES], 9 };
        tern_embedding(ctx, tern_input(ctx, "table", TERN_F64, 2, (int64_t[]){ 5, 3 }, table),
                       tern_input(ctx, "tokens", TERN_I32, 2, (int64_t[]){ 2, 2 }, tokens),
                       (tern_embedding_opts){ 0 });
        assert_tern_fails(ctx, TERN_ERR_DATA, messages[i / DEVICES]);
        assert_tern_fails(ctx, TERN_ERR_DATA, "rows 0 to 4");
        tern_ctx_free(ctx);
    }
}

/* Tokens 2 2 0 1 with padding 2: its row is read, but has no gradient. */
static void the_padding_row_is_read_but_has_no_gradient(void **state)
{
    (void)state;
    const double table[] = { 1, 2, 3, 4, 5, 6, 7, 8 }, seed[] = { 1, 1, 2, 2, 3, 3, 4, 4 };
    const double wanted[] = { 5, 6, 5, 6, 1, 2, 3, 4 };
    const double wanted_grad[] = { 3, 3, 4, 4, 0, 0, 0, 0 };
    const int32_t tokens[] = { 2, 2, 0, 1 };
    for (int d = 0; d < DEVICES; d++) {
        double got[8];
        tern_ctx *ctx = open_recording(devices[d]);
        tern_tensor *rows = tern_require_grad(
            ctx, tern_input(ctx, "table", TERN_F64, 2, (int64_t[]){ 4, 2 }, table));
        tern_tensor *y = tern_embedding(
            ctx, rows, tern_input(ctx, "tokens", TERN_I32, 1, (int64_t[]){ 4 }, tokens),
            (tern_embedding_opts){ .padding_index = 2, .has_padding = true });
        tern_read(ctx, y, TERN_F64, got);
        assert_memory_equal(got, wanted, sizeof got);
        tern_seed_grad(ctx, y, TERN_F64, seed);
        tern_backward(ctx, NULL);
        tern_read(ctx, rows->grad, TERN_F64, got);
        assert_memory_equal(got, wanted_grad, sizeof got);
        assert_tern_ok(ctx);
        tern_ctx_free(ctx);
    }
}

enum { ROWS = 1009, DIM = 37, TOKENS = 4001 };

/* Two embeddings of one table, so that one share overwrites and one accumulates;
 * twice, so that a second step meets the first one's gradient. */
static float *table_grad(const char *device, const char *simd, int threads)
{
    float *grad = malloc(ROWS * DIM * sizeof *grad), *seed = malloc(TOKENS * DIM * sizeof *seed);
    int32_t tokens[2][TOKENS];
    tern_rng rng = tern_rng_make(4, TERN_STREAM_TEST, 0);
    assert_non_null(grad);
    assert_non_null(seed);
    for (int i = 0; i < 2 * TOKENS; i++) /* few ids are frequent, some never come */
        tokens[i / TOKENS][i % TOKENS] =
            (int32_t)tern_rng_below(&rng, 1 + tern_rng_below(&rng, ROWS));
    for (int i = 0; i < TOKENS * DIM; i++)
        seed[i] = (float)tern_rng_normal(&rng);
    tern_ctx *ctx = open_context((tern_ctx_opts){ .device = device, .simd = simd,
                                                  .threads = threads, .poison = true });
    tern_set_recording(ctx, true);
    tern_tensor *table =
        tern_param(ctx, "table", 2, (int64_t[]){ ROWS, DIM }, (tern_param_opts){ 0 });
    tern_params_freeze(ctx);
    for (int step = 0; step < 2; step++) {
        tern_step_begin(ctx, 0);
        for (int use = 0; use < 2; use++) {
            tern_tensor *ids = tern_input(ctx, "ids", TERN_I32, 1, (int64_t[]){ TOKENS },
                                          tokens[use]);
            tern_tensor *y = tern_embedding(ctx, table, ids, (tern_embedding_opts){ 0 });
            tern_seed_grad(ctx, y, TERN_F32, seed);
        }
        tern_backward(ctx, NULL);
    }
    tern_read(ctx, table->grad, TERN_F32, grad);
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
    free(seed);
    return grad;
}

static void every_simd_level_and_thread_count_gives_the_same_gradient(void **state)
{
    (void)state;
    const char *levels[8];
    float *exact = table_grad("ref", NULL, 1), *first = table_grad("cpu", "base", 1);
    for (int i = 0; i < ROWS * DIM; i++)
        assert_float_equal(first[i], exact[i], 1e-4);
    for (int i = 0, count = tern_simd_levels(levels); i < 2 * count; i++) {
        float *other = table_grad("cpu", levels[i / 2], 1 + i % 2);
        assert_memory_equal(other, first, ROWS * DIM * sizeof *other);
        free(other);
    }
    free(exact);
    free(first);
}

static void a_padding_index_beyond_the_table_is_an_error(void **state)
{
    (void)state;
    const double table[6] = { 0 };
    const int32_t token = 0;
    tern_ctx *ctx = open_recording("cpu");
    tern_embedding(ctx, tern_input(ctx, "table", TERN_F64, 2, (int64_t[]){ 3, 2 }, table),
                   tern_input(ctx, "tokens", TERN_I32, 0, NULL, &token),
                   (tern_embedding_opts){ .padding_index = 3, .has_padding = true });
    assert_tern_fails(ctx, TERN_ERR_OPTION, "padding_index 3 is not a row of table [3,2]");
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_out_of_range_is_named_with_its_position),
        cmocka_unit_test(the_padding_row_is_read_but_has_no_gradient),
        cmocka_unit_test(every_simd_level_and_thread_count_gives_the_same_gradient),
        cmocka_unit_test(a_padding_index_beyond_the_table_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
