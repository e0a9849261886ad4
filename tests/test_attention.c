/* Promises of attention beyond its gradient check: the cpu backend agrees with the plain
 * float64 loops for lengths and depths of every kind, inference drops nothing, and wrong
 * shapes are named. */
#include "tests/check.h"

#include <float.h>
#include <string.h>

#include "kernels/attention/attention.h"
#include "tests/against_ref.h"

/* More than the samples of the contract: head depths and lengths around the vector widths
 * 4, 8, 16, the register tiles and the blocks of 32 queries.  A few ulp for each of the
 * sums of up to 129 terms that follow one another. */
static void cpu_follows_ref_at_every_level_and_length(void **state)
{
    static const char *const problems[][2] = {
        { "q=[1,33,31] k=[1,67,31] v=[1,67,17]", "causal=true scale=0.3" },
        { "q=[2,71,3] k=[2,37,3] v=[2,37,31] key_mask=[2,37] query_mask=[2,71]", "causal=true" },
        { "q=[3,64,32] k=[3,129,32] v=[3,129,48] key_mask=[3,129]", "heads=2 return_weights=true" },
        { "q=[1,37,4] k=[1,41,4] v=[1,41,8]", "heads=4 return_weights=true causal=true" },
        { "q=[2,40,16] k=[2,45,16] v=[2,45,24] key_mask=[2,45]", "heads=2 dropout=0.3" },
        { "q=[1,35,8] k=[1,35,8] v=[1,35,8]", "dropout=0.5 return_weights=true causal=true" },
        { "q=[2,3,4] k=[2,3,4] v=[2,3,4] key_mask=[2,3]{0..0}", "heads=2 return_weights=true" },
        { "q=[2,40,6] k=[2,67,6] v=[2,67,3] query_mask=[2,40] key_mask=[2,67] bias=[2,3,40,67]",
          "heads=3" },
        { "q=[3,33,8] k=[3,31,8] v=[3,31,6] bias=[2,33,31]",
          "heads=2 causal=true return_weights=true" },
        { "q=[5,7,4] k=[5,17,4] v=[5,17,4] key_mask=[5,17] bias=[7,17]", "heads=4 dropout=0.3" },
        { "q=[3,2,4] k=[3,5,4] v=[3,5,4] bias=[3,1,2,5]", "heads=2" },
        { "q=[2,0,4] k=[2,3,4] v=[2,3,4]", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++)
        assert_cpu_follows_ref("attention", problems[i][0], problems[i][1], 64 * FLT_EPSILON);
}

static void inference_drops_nothing(void **state)
{
    const char *inputs = "q=[2,40,16] k=[2,45,16] v=[2,45,24] key_mask=[2,45]";
    (void)state;
    op_result with = op_run("cpu", "attention", inputs, "heads=2 dropout=0.3",
                            (op_run_how){ .eval = true });
    op_result without = op_run("cpu", "attention", inputs, "heads=2",
                               (op_run_how){ .eval = true });
    assert_same_bits("with dropout and without", &with, &without);
    op_result_free(&with);
    op_result_free(&without);
}

/* --------------------------------------------------------------- errors -- */

typedef struct shapes {
    int64_t q[3], k[3], v[3], query_mask[2], key_mask[2];
    int64_t heads;
    int64_t bias[4]; /* zeros: none */
} shapes;

static void fails(shapes s, tern_status status, const char *message)
{
    tern_ctx *ctx = open_recording("meta");
    tern_tensor *q = tern_full(ctx, 3, s.q, 1), *k = tern_full(ctx, 3, s.k, 1);
    tern_tensor *v = tern_full(ctx, 3, s.v, 1);
    uint8_t ones[64] = { 0 };
    tern_tensor *query_mask = tern_input(ctx, "query_mask", TERN_U8, 2, s.query_mask, ones);
    tern_tensor *key_mask = tern_input(ctx, "key_mask", TERN_U8, 2, s.key_mask, ones);
    tern_tensor *bias = tern_full(ctx, 4, s.bias, 1);
    tern_attention(ctx, q, k, v, query_mask, key_mask, s.bias[3] ? bias : NULL,
                   (tern_attention_opts){ .heads = s.heads }, NULL);
    assert_tern_fails(ctx, status, message);
    tern_ctx_free(ctx);
}

static void wrong_shapes_are_named(void **state)
{
    (void)state;
    const shapes right = { { 2, 3, 8 }, { 2, 5, 8 }, { 2, 5, 4 }, { 2, 3 }, { 2, 5 }, 4, { 0 } };
    shapes s = right;
    s.heads = 3;
    fails(s, TERN_ERR_SHAPE, "q must be [N,L,channels], channels a multiple of 3 heads");
    s = right;
    s.k[2] = 12;
    fails(s, TERN_ERR_SHAPE, "q [2,3,8] and k [2,5,12] must agree in N and channels");
    s = right;
    s.v[1] = 6;
    fails(s, TERN_ERR_SHAPE, "k [2,5,8] and v [2,6,4] must agree in N and Lk");
    s = right;
    s.query_mask[1] = 5;
    fails(s, TERN_ERR_SHAPE, "query_mask must be [2,3], not [2,5]");
    s = right;
    s.key_mask[0] = 1;
    fails(s, TERN_ERR_SHAPE, "key_mask must be [2,5], not [1,5]");
    s = right;
    memcpy(s.bias, (int64_t[]){ 2, 3, 3, 5 }, sizeof s.bias);
    fails(s, TERN_ERR_SHAPE, "bias must be [2,4,3,5] (N,heads,Lq,Lk), where N or heads may be 1");
    s = right;
    s.heads = -1;
    fails(s, TERN_ERR_OPTION, "heads");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_follows_ref_at_every_level_and_length),
        cmocka_unit_test(inference_drops_nothing),
        cmocka_unit_test(wrong_shapes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
