/* What attention sees: masks are as good as cutting the sequence, causality ends bottom
 * right, what is masked gives zero whatever it holds, and a bias of -inf is a mask. */
#include "tests/check.h"

#include <math.h>
#include <string.h>

#include "core/rng.h"
#include "kernels/attention/attention.h"

/* One row, heads 2, D 3, Dv 5: small enough to write out by hand. */
enum { QUERIES = 6, KEYS = 9, HEADS = 2, DEPTH = 3, VALUE_DEPTH = 5 };
enum { Q_WIDTH = HEADS * DEPTH, V_WIDTH = HEADS * VALUE_DEPTH };

typedef struct sequences {
    float q[QUERIES][Q_WIDTH], k[KEYS][Q_WIDTH], v[KEYS][V_WIDTH], grad_y[QUERIES][V_WIDTH];
    uint8_t query_mask[QUERIES], key_mask[KEYS];
    bool has_bias;
    float bias[HEADS * QUERIES * KEYS]; /* [HEADS][queries][keys] */
    int64_t queries, keys;
} sequences;

typedef struct answer {
    float y[QUERIES][V_WIDTH], grad_q[QUERIES][Q_WIDTH], grad_k[KEYS][Q_WIDTH],
        grad_v[KEYS][V_WIDTH], weights[HEADS][QUERIES][KEYS], grad_bias[HEADS * QUERIES * KEYS];
} answer;

static void draw(float *values, size_t bytes, tern_rng *rng)
{
    for (size_t i = 0; i < bytes / sizeof *values; i++)
        values[i] = (float)tern_rng_normal(rng);
}

static sequences draw_sequences(void)
{
    tern_rng rng = tern_rng_make(3, TERN_STREAM_TEST, 0);
    sequences s = { .queries = QUERIES, .keys = KEYS };
    draw(&s.q[0][0], sizeof s.q, &rng);
    draw(&s.k[0][0], sizeof s.k, &rng);
    draw(&s.v[0][0], sizeof s.v, &rng);
    draw(&s.grad_y[0][0], sizeof s.grad_y, &rng);
    memset(s.query_mask, 1, sizeof s.query_mask);
    memset(s.key_mask, 1, sizeof s.key_mask);
    return s;
}

/* Results that are not there (fewer keys) stay zero. */
static answer attend(const char *device, const sequences *s, bool causal)
{
    answer result = { 0 };
    float weights[HEADS * QUERIES * KEYS];
    tern_ctx *ctx = open_recording(device);
    tern_tensor *q = tern_input(ctx, "q", TERN_F32, 3, (int64_t[]){ 1, s->queries, Q_WIDTH }, s->q);
    tern_tensor *k = tern_input(ctx, "k", TERN_F32, 3, (int64_t[]){ 1, s->keys, Q_WIDTH }, s->k);
    tern_tensor *v = tern_input(ctx, "v", TERN_F32, 3, (int64_t[]){ 1, s->keys, V_WIDTH }, s->v);
    tern_tensor *query_mask =
        tern_input(ctx, "query_mask", TERN_U8, 2, (int64_t[]){ 1, s->queries }, s->query_mask);
    tern_tensor *key_mask =
        tern_input(ctx, "key_mask", TERN_U8, 2, (int64_t[]){ 1, s->keys }, s->key_mask);
    tern_require_grad(ctx, q);
    tern_require_grad(ctx, k);
    tern_require_grad(ctx, v);
    tern_tensor *bias = NULL;
    if (s->has_bias)
        bias = tern_require_grad(ctx, tern_input(ctx, "bias", TERN_F32, 3,
                                                 (int64_t[]){ HEADS, s->queries, s->keys },
                                                 s->bias));
    tern_tensor *out = NULL;
    tern_tensor *y = tern_attention(ctx, q, k, v, query_mask, key_mask, bias,
                                    (tern_attention_opts){ .heads = HEADS, .causal = causal,
                                                           .return_weights = true },
                                    &out);
    tern_seed_grad(ctx, y, TERN_F32, s->grad_y);
    tern_backward(ctx, NULL);
    tern_read(ctx, y, TERN_F32, result.y);
    tern_read(ctx, q->grad, TERN_F32, result.grad_q);
    tern_read(ctx, k->grad, TERN_F32, result.grad_k);
    tern_read(ctx, v->grad, TERN_F32, result.grad_v);
    if (bias)
        tern_read(ctx, bias->grad, TERN_F32, result.grad_bias);
    tern_read(ctx, out, TERN_F32, weights);
    for (int h = 0; h < HEADS; h++)
        for (int64_t i = 0; i < s->queries; i++)
            memcpy(result.weights[h][i], weights + (h * s->queries + i) * s->keys,
                   (size_t)s->keys * sizeof(float));
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
    return result;
}

static const char *const devices[] = { "ref", "cpu" };

/* Moves the rows with mask 1 to the front; returns how many. */
static int64_t compact(void *rows, size_t row_bytes, const uint8_t *mask, int64_t count)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++)
        if (mask[i])
            memmove((char *)rows + (size_t)kept++ * row_bytes, (char *)rows + (size_t)i * row_bytes,
                    row_bytes);
    return kept;
}

static void a_key_mask_equals_leaving_the_keys_out(void **state)
{
    static const uint8_t mask[KEYS] = { 0, 1, 1, 0, 1, 0, 0, 1, 0 };
    (void)state;
    for (int device = 0; device < 2; device++) {
        sequences masked = draw_sequences();
        memcpy(masked.key_mask, mask, sizeof mask);
        answer got = attend(devices[device], &masked, false);

        sequences cut = draw_sequences();
        cut.keys = compact(cut.k, sizeof cut.k[0], mask, KEYS);
        compact(cut.v, sizeof cut.v[0], mask, KEYS);
        answer want = attend(devices[device], &cut, false);

        assert_memory_equal(got.y, want.y, sizeof want.y);
        assert_memory_equal(got.grad_q, want.grad_q, sizeof want.grad_q);
        compact(got.grad_k, sizeof got.grad_k[0], mask, KEYS);
        compact(got.grad_v, sizeof got.grad_v[0], mask, KEYS);
        assert_memory_equal(got.grad_k, want.grad_k, (size_t)cut.keys * sizeof want.grad_k[0]);
        assert_memory_equal(got.grad_v, want.grad_v, (size_t)cut.keys * sizeof want.grad_v[0]);
    }
}

static void a_query_mask_equals_leaving_the_queries_out(void **state)
{
    static const uint8_t mask[QUERIES] = { 1, 0, 0, 1, 1, 0 };
    (void)state;
    for (int device = 0; device < 2; device++) {
        sequences masked = draw_sequences();
        memcpy(masked.query_mask, mask, sizeof mask);
        answer got = attend(devices[device], &masked, false);

        sequences cut = draw_sequences();
        cut.queries = compact(cut.q, sizeof cut.q[0], mask, QUERIES);
        compact(cut.grad_y, sizeof cut.grad_y[0], mask, QUERIES);
        answer want = attend(devices[device], &cut, false);

        for (int i = 0; i < QUERIES; i++)
            for (int d = 0; d < V_WIDTH && !mask[i]; d++)
                assert_true(got.y[i][d] == 0);
        compact(got.y, sizeof got.y[0], mask, QUERIES);
        compact(got.grad_q, sizeof got.grad_q[0], mask, QUERIES);
        assert_memory_equal(got.y, want.y, (size_t)cut.queries * sizeof want.y[0]);
        assert_memory_equal(got.grad_q, want.grad_q, (size_t)cut.queries * sizeof want.grad_q[0]);
        assert_memory_equal(got.grad_k, want.grad_k, sizeof want.grad_k);
        assert_memory_equal(got.grad_v, want.grad_v, sizeof want.grad_v);
    }
}

static void check_causal(const char *device, int64_t queries, int64_t keys)
{
    sequences all = draw_sequences();
    all.queries = queries;
    all.keys = keys;
    answer got = attend(device, &all, true);
    for (int64_t i = 0; i < queries; i++) {
        sequences one = draw_sequences();
        one.queries = 1;
        one.keys = keys;
        memcpy(one.q[0], all.q[i], sizeof one.q[0]);
        for (int64_t j = 0; j < keys; j++)
            one.key_mask[j] = j <= i + keys - queries;
        answer want = attend(device, &one, false);
        assert_memory_equal(got.y[i], want.y[0], sizeof want.y[0]);
        for (int h = 0; h < HEADS; h++)
            assert_memory_equal(got.weights[h][i], want.weights[h][0], sizeof want.weights[h][0]);
    }
}

static void causality_is_aligned_bottom_right(void **state)
{
    (void)state;
    for (int device = 0; device < 2; device++) {
        check_causal(devices[device], 6, 6);
        check_causal(devices[device], 4, 9);
        check_causal(devices[device], 6, 2); /* the first four queries see nothing */
    }
}

static void check_finite(const float *values, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof *values; i++)
        assert_true(isfinite(values[i]));
}

static void what_padding_holds_does_not_matter(void **state)
{
    (void)state;
    for (int device = 0; device < 2; device++) {
        sequences clean = draw_sequences();
        clean.query_mask[2] = clean.key_mask[0] = clean.key_mask[8] = 0;
        sequences dirty = clean;
        for (int d = 0; d < Q_WIDTH; d++)
            dirty.q[2][d] = dirty.k[0][d] = dirty.k[8][d] = NAN;
        for (int d = 0; d < V_WIDTH; d++)
            dirty.v[0][d] = dirty.v[8][d] = dirty.grad_y[2][d] = NAN;
        answer want = attend(devices[device], &clean, false);
        answer got = attend(devices[device], &dirty, false);
        assert_memory_equal(&got, &want, sizeof want);
        check_finite(&got.y[0][0], sizeof got);
    }
}

static void without_a_key_everything_is_zero(void **state)
{
    answer zero = { 0 };
    (void)state;
    for (int device = 0; device < 2; device++) {
        sequences s = draw_sequences();
        memset(s.key_mask, 0, sizeof s.key_mask);
        answer got = attend(devices[device], &s, false);
        for (size_t i = 0; i < sizeof got / sizeof(float); i++)
            assert_true(((float *)&got)[i] == 0); /* -0 is fine */
        memset(s.key_mask, 1, sizeof s.key_mask);
        memset(s.query_mask, 0, sizeof s.query_mask);
        got = attend(devices[device], &s, true);
        assert_memory_equal(&got, &zero, sizeof got);
    }
}

static void weights_are_what_multiplies_v(void **state)
{
    (void)state;
    sequences s = draw_sequences();
    s.key_mask[3] = 0;
    answer a = attend("cpu", &s, false);
    for (int h = 0; h < HEADS; h++)
        for (int i = 0; i < QUERIES; i++) {
            double sum = 0;
            for (int j = 0; j < KEYS; j++)
                sum += a.weights[h][i][j];
            assert_true(fabs(sum - 1) < 1e-6);
            assert_true(a.weights[h][i][3] == 0);
            for (int d = 0; d < VALUE_DEPTH; d++) {
                double y = 0;
                for (int j = 0; j < KEYS; j++)
                    y += a.weights[h][i][j] * s.v[j][h * VALUE_DEPTH + d];
                assert_true(fabs(y - a.y[i][h * VALUE_DEPTH + d]) < 1e-6);
            }
        }
}

/* Scores of hundreds overflow exp unless the greatest is taken out first. */
static void large_scores_do_not_overflow(void **state)
{
    (void)state;
    for (int device = 0; device < 2; device++) {
        sequences s = draw_sequences();
        for (int i = 0; i < QUERIES; i++)
            for (int d = 0; d < Q_WIDTH; d++)
                s.q[i][d] *= 300;
        answer got = attend(devices[device], &s, false);
        check_finite(&got.y[0][0], sizeof got);
    }
}

static void a_bias_of_minus_infinity_hides_a_key_as_a_mask_does(void **state)
{
    static const uint8_t mask[KEYS] = { 0, 1, 1, 0, 1, 0, 0, 1, 0 };
    (void)state;
    for (int device = 0; device < 2; device++) {
        sequences biased = draw_sequences(), masked = draw_sequences();
        biased.has_bias = true;
        memcpy(masked.key_mask, mask, sizeof mask);
        for (int row = 0; row < HEADS * QUERIES; row++)
            for (int j = 0; j < KEYS; j++)
                biased.bias[row * KEYS + j] = mask[j] ? 0 : -INFINITY;
        answer got = attend(devices[device], &biased, false);
        answer want = attend(devices[device], &masked, false);
        const float *a = &got.y[0][0], *b = &want.y[0][0];
        check_finite(a, sizeof got);
        for (size_t i = 0; i < offsetof(answer, grad_bias) / sizeof *a; i++)
            assert_true(fabsf(a[i] - b[i]) < 1e-5f);
    }
}

static void a_bias_that_hides_every_key_gives_zero(void **state)
{
    (void)state;
    for (int device = 0; device < 2; device++) {
        sequences s = draw_sequences();
        s.has_bias = true;
        for (int i = 0; i < HEADS * QUERIES * KEYS; i++)
            s.bias[i] = -INFINITY;
        answer got = attend(devices[device], &s, false);
        for (size_t i = 0; i < sizeof got / sizeof(float); i++)
            assert_true(((float *)&got)[i] == 0);
    }
}

/* The bias of padding is not even read, and gets no gradient. */
static void the_bias_of_padding_does_not_matter(void **state)
{
    (void)state;
    for (int device = 0; device < 2; device++) {
        sequences clean = draw_sequences();
        clean.has_bias = true;
        clean.query_mask[2] = clean.key_mask[0] = clean.key_mask[8] = 0;
        for (int i = 0; i < HEADS * QUERIES * KEYS; i++)
            clean.bias[i] = 0.1f * (float)(i % 7);
        sequences dirty = clean;
        for (int i = 0; i < HEADS * QUERIES * KEYS; i++)
            if (!clean.query_mask[i / KEYS % QUERIES] || !clean.key_mask[i % KEYS])
                dirty.bias[i] = NAN;
        answer want = attend(devices[device], &clean, false);
        answer got = attend(devices[device], &dirty, false);
        assert_memory_equal(&got, &want, sizeof want);
        for (int i = 0; i < HEADS * QUERIES * KEYS; i++)
            if (isnan(dirty.bias[i]))
                assert_true(got.grad_bias[i] == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_mask_equals_leaving_the_keys_out),
        cmocka_unit_test(a_query_mask_equals_leaving_the_queries_out),
        cmocka_unit_test(causality_is_aligned_bottom_right),
        cmocka_unit_test(what_padding_holds_does_not_matter),
        cmocka_unit_test(without_a_key_everything_is_zero),
        cmocka_unit_test(weights_are_what_multiplies_v),
        cmocka_unit_test(large_scores_do_not_overflow),
        cmocka_unit_test(a_bias_of_minus_infinity_hides_a_key_as_a_mask_does),
        cmocka_unit_test(a_bias_that_hides_every_key_gives_zero),
        cmocka_unit_test(the_bias_of_padding_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
