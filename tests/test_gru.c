/* Promises of gru beyond its gradient check: lengths are as good as running each row
 * alone, reverse is forward on reversed rows, padding may hold anything, and the cpu
 * backend agrees with the plain float64 loops at every SIMD level and number of threads. */
#include "tests/check.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/rng.h"
#include "kernels/gru/gru.h"
#include "kernels/table.h"
#include "tests/op_run.h"

typedef struct problem {
    const char *inputs, *options;
} problem;

/* Hidden sizes around the vector widths 4, 8, 16 and panels of four vectors; rows
 * around slices of four. */
static const problem problems[] = {
    { "x=[2,5,3] w_ih=[12,3] w_hh=[12,4] b_ih=[12] b_hh=[12] lengths=[2]{1..5} h0=[2,4]", "" },
    { "x=[3,4,5] w_ih=[9,5] w_hh=[9,3] b_ih=[9] b_hh=[9] lengths=[3]{0..4} h0=[3,3]",
      "reverse=true" },
    { "x=[1,1,1] w_ih=[3,1] w_hh=[3,1]", "" },
    { "x=[7,3,2] w_ih=[93,2] w_hh=[93,31]{-0.2..0.2} b_ih=[93]", "" },
    { "x=[9,6,13] w_ih=[51,13] w_hh=[51,17]{-0.3..0.3} b_hh=[51] lengths=[9]{0..6} h0=[9,17]",
      "reverse=true" },
    { "x=[5,4,70] w_ih=[240,70]{-0.2..0.2} w_hh=[240,80]{-0.1..0.1} lengths=[5]{0..4}", "" },
    { "x=[2,2,0] w_ih=[15,0] w_hh=[15,5] b_ih=[15]", "" },
    { "x=[2,3,2] w_ih=[6,2] w_hh=[6,2] lengths=[2]{0..0} h0=[2,2]", "" },
    { "x=[2,0,3] w_ih=[6,3] w_hh=[6,2] b_ih=[6] h0=[2,2]", "" },
    { "x=[0,3,2] w_ih=[6,2] w_hh=[6,2] b_ih=[6]", "" },
};
enum { PROBLEMS = sizeof problems / sizeof problems[0] };

/* A few ulp for each of up to 80 terms, carried on through up to six steps. */
static const double TOLERANCE = 64 * FLT_EPSILON;

static void check_against_ref(const problem *p, op_run_how how)
{
    char what[200];
    op_result want = op_run("gru", p->inputs, p->options, (op_run_how){ .uses = how.uses });
    op_result got = op_run("gru", p->inputs, p->options, how);
    for (int i = 0; i < TERN_GRU_OUTPUTS; i++) {
        snprintf(what, sizeof what, "output %d, %s %s %s", i, p->inputs, p->options, how.simd);
        assert_values_near(what, &got.out[i], &want.out[i], NULL, TOLERANCE);
    }
    for (int i = 0; i < TERN_GRU_INPUTS; i++) {
        snprintf(what, sizeof what, "gradient %d, %s %s %s", i, p->inputs, p->options, how.simd);
        assert_values_near(what, &got.grad[i], &want.grad[i], NULL, TOLERANCE);
    }
    op_result_free(&want);
    op_result_free(&got);
}

static void every_simd_level_agrees_with_ref(void **state)
{
    const char *levels[4];
    int count = tern_simd_levels(levels);
    (void)state;
    for (int level = 0; level < count; level++)
        for (int i = 0; i < PROBLEMS; i++)
            check_against_ref(&problems[i],
                              (op_run_how){ .device = "cpu", .simd = levels[level] });
}

static void gradients_accumulate_over_uses(void **state)
{
    (void)state;
    for (int i = 0; i < PROBLEMS; i++)
        check_against_ref(&problems[i], (op_run_how){ .device = "cpu", .uses = 3 });
}

static void bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    for (int i = 0; i < PROBLEMS; i++) {
        op_result one = op_run("gru", problems[i].inputs, problems[i].options,
                               (op_run_how){ .device = "cpu", .threads = 1 });
        for (int threads = 2; threads <= 3; threads++) {
            op_result many = op_run("gru", problems[i].inputs, problems[i].options,
                                    (op_run_how){ .device = "cpu", .threads = threads });
            if (!op_results_equal(&one, &many))
                fail_msg("%d threads give other bits: %s %s", threads, problems[i].inputs,
                         problems[i].options);
            op_result_free(&many);
        }
        op_result_free(&one);
    }
}

/* --------------------------------------------------- rows of their own -- */

enum { ROWS = 6, STEPS = 7, INPUTS = 3, HIDDEN = 5 };

typedef struct batch {
    int rows, steps;
    float x[ROWS][STEPS][INPUTS], h0[ROWS][HIDDEN];
    float grad_y[ROWS][STEPS][HIDDEN], grad_h_n[ROWS][HIDDEN];
    int32_t lengths[ROWS];
} batch;

typedef struct answer {
    float y[ROWS][STEPS][HIDDEN], h_n[ROWS][HIDDEN];
    float grad_x[ROWS][STEPS][INPUTS], grad_h0[ROWS][HIDDEN];
    float grad_w_ih[3 * HIDDEN][INPUTS], grad_w_hh[3 * HIDDEN][HIDDEN];
    float grad_b_ih[3 * HIDDEN], grad_b_hh[3 * HIDDEN];
} answer;

static void draw(void *values, size_t bytes, tern_rng *rng)
{
    for (size_t i = 0; i < bytes / sizeof(float); i++)
        ((float *)values)[i] = (float)tern_rng_normal(rng);
}

static batch draw_batch(void)
{
    static const int32_t lengths[ROWS] = { 3, 7, 0, 1, 6, 7 };
    tern_rng rng = tern_rng_make(5, TERN_STREAM_TEST, 0);
    batch b = { .rows = ROWS, .steps = STEPS };
    draw(b.x, sizeof b.x, &rng);
    draw(b.h0, sizeof b.h0, &rng);
    draw(b.grad_y, sizeof b.grad_y, &rng);
    draw(b.grad_h_n, sizeof b.grad_h_n, &rng);
    memcpy(b.lengths, lengths, sizeof lengths);
    return b;
}

static tern_tensor *leaf(tern_ctx *ctx, const char *name, int rank, const int64_t *shape,
                         const float *values)
{
    return tern_require_grad(ctx, tern_input(ctx, name, TERN_F32, rank, shape, values));
}

/* b's arrays must be dense for its rows and steps. */
static answer run(const char *device, const batch *b, bool reverse)
{
    float w_ih[3 * HIDDEN][INPUTS], w_hh[3 * HIDDEN][HIDDEN], b_ih[3 * HIDDEN], b_hh[3 * HIDDEN];
    tern_rng rng = tern_rng_make(6, TERN_STREAM_TEST, 0);
    tern_error error = { 0 };
    answer a = { 0 };
    draw(w_ih, sizeof w_ih, &rng);
    draw(w_hh, sizeof w_hh, &rng);
    draw(b_ih, sizeof b_ih, &rng);
    draw(b_hh, sizeof b_hh, &rng);
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = device, .poison = true }, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    tern_set_recording(ctx, true);
    tern_step_begin(ctx, 0);
    const int64_t sequence[] = { b->rows, b->steps, INPUTS }, state[] = { b->rows, HIDDEN };
    tern_tensor *x = leaf(ctx, "x", 3, sequence, &b->x[0][0][0]);
    tern_tensor *h0 = leaf(ctx, "h0", 2, state, &b->h0[0][0]);
    tern_gru_weights weights = {
        .w_ih = leaf(ctx, "w_ih", 2, (int64_t[]){ 3 * HIDDEN, INPUTS }, &w_ih[0][0]),
        .w_hh = leaf(ctx, "w_hh", 2, (int64_t[]){ 3 * HIDDEN, HIDDEN }, &w_hh[0][0]),
        .b_ih = leaf(ctx, "b_ih", 1, (int64_t[]){ 3 * HIDDEN }, b_ih),
        .b_hh = leaf(ctx, "b_hh", 1, (int64_t[]){ 3 * HIDDEN }, b_hh),
    };
    tern_tensor *lengths = tern_input(ctx, "lengths", TERN_I32, 1, state, b->lengths);
    tern_gru_outputs out = tern_gru(ctx, x, weights, lengths, h0,
                                      (tern_gru_opts){ .reverse = reverse });
    tern_seed_grad(ctx, out.y, TERN_F32, b->grad_y);
    tern_seed_grad(ctx, out.h_n, TERN_F32, b->grad_h_n);
    tern_backward(ctx, NULL);
    assert_tern_ok(ctx);
    tern_read(ctx, out.y, TERN_F32, a.y);
    tern_read(ctx, out.h_n, TERN_F32, a.h_n);
    tern_read(ctx, x->grad, TERN_F32, a.grad_x);
    tern_read(ctx, h0->grad, TERN_F32, a.grad_h0);
    tern_read(ctx, weights.w_ih->grad, TERN_F32, a.grad_w_ih);
    tern_read(ctx, weights.w_hh->grad, TERN_F32, a.grad_w_hh);
    tern_read(ctx, weights.b_ih->grad, TERN_F32, a.grad_b_ih);
    tern_read(ctx, weights.b_hh->grad, TERN_F32, a.grad_b_hh);
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
    return a;
}

static const char *const devices[] = { "ref", "cpu" };

static void assert_near(const char *what, const void *got, const void *want, size_t bytes)
{
    const float *g = got, *w = want;
    for (size_t i = 0; i < bytes / sizeof(float); i++)
        if (!(fabsf(g[i] - w[i]) <= 1e-5f * (1 + fabsf(w[i]))))
            fail_msg("%s: element %zu is %.9g, %.9g wanted", what, i, g[i], w[i]);
}

static void assert_zero(const float *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        assert_true(values[i] == 0);
}

/* Row n of b as a batch of its own, without padding. */
static batch row_alone(const batch *b, int n)
{
    batch one = { .rows = 1, .steps = b->lengths[n] };
    memcpy(one.x, b->x[n], sizeof one.x[0]);
    memcpy(one.h0, b->h0[n], sizeof one.h0[0]);
    memcpy(one.grad_y, b->grad_y[n], sizeof one.grad_y[0]);
    memcpy(one.grad_h_n, b->grad_h_n[n], sizeof one.grad_h_n[0]);
    one.lengths[0] = b->lengths[n];
    return one;
}

static void add(float *sum, const float *values, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof(float); i++)
        sum[i] += values[i];
}

static void check_rows_alone(const char *device, bool reverse)
{
    batch b = draw_batch();
    answer together = run(device, &b, reverse), sum = { 0 };
    for (int n = 0; n < ROWS; n++) {
        batch one = row_alone(&b, n);
        answer alone = run(device, &one, reverse);
        size_t length = (size_t)b.lengths[n];
        assert_near("y", together.y[n], alone.y, length * sizeof alone.y[0][0]);
        assert_zero(together.y[n][length], (int64_t)(STEPS - length) * HIDDEN);
        assert_near("h_n", together.h_n[n], alone.h_n, sizeof alone.h_n[0]);
        assert_near("grad_x", together.grad_x[n], alone.grad_x, length * sizeof alone.grad_x[0][0]);
        assert_zero(together.grad_x[n][length], (int64_t)(STEPS - length) * INPUTS);
        assert_near("grad_h0", together.grad_h0[n], alone.grad_h0, sizeof alone.grad_h0[0]);
        add(&sum.grad_w_ih[0][0], &alone.grad_w_ih[0][0], sizeof sum.grad_w_ih);
        add(&sum.grad_w_hh[0][0], &alone.grad_w_hh[0][0], sizeof sum.grad_w_hh);
        add(sum.grad_b_ih, alone.grad_b_ih, sizeof sum.grad_b_ih);
        add(sum.grad_b_hh, alone.grad_b_hh, sizeof sum.grad_b_hh);
    }
    assert_near("grad_w_ih", together.grad_w_ih, sum.grad_w_ih, sizeof sum.grad_w_ih);
    assert_near("grad_w_hh", together.grad_w_hh, sum.grad_w_hh, sizeof sum.grad_w_hh);
    assert_near("grad_b_ih", together.grad_b_ih, sum.grad_b_ih, sizeof sum.grad_b_ih);
    assert_near("grad_b_hh", together.grad_b_hh, sum.grad_b_hh, sizeof sum.grad_b_hh);
}

static void lengths_equal_running_each_row_alone(void **state)
{
    (void)state;
    for (int device = 0; device < 2; device++) {
        check_rows_alone(devices[device], false);
        check_rows_alone(devices[device], true);
    }
}

/* Reverse the valid steps of every row of values[ROWS][STEPS][width]. */
static void reverse_rows(float *values, int width, const int32_t *lengths)
{
    for (int n = 0; n < ROWS; n++, values += STEPS * width)
        for (int t = 0; t < lengths[n] / 2; t++)
            for (int i = 0; i < width; i++) {
                float *a = values + t * width + i;
                float *b = values + (lengths[n] - 1 - t) * width + i;
                float swap = *a;
                *a = *b;
                *b = swap;
            }
}

static void reverse_equals_forward_on_reversed_rows(void **state)
{
    (void)state;
    for (int device = 0; device < 2; device++) {
        batch b = draw_batch();
        answer backwards = run(devices[device], &b, true);
        reverse_rows(&b.x[0][0][0], INPUTS, b.lengths);
        reverse_rows(&b.grad_y[0][0][0], HIDDEN, b.lengths);
        answer forwards = run(devices[device], &b, false);
        reverse_rows(&forwards.y[0][0][0], HIDDEN, b.lengths);
        reverse_rows(&forwards.grad_x[0][0][0], INPUTS, b.lengths);
        assert_near("all", &backwards, &forwards, sizeof forwards);
    }
}

static void what_padding_holds_does_not_matter(void **state)
{
    (void)state;
    for (int device = 0; device < 2; device++) {
        batch clean = draw_batch(), dirty = clean;
        for (int n = 0; n < ROWS; n++)
            for (int t = clean.lengths[n]; t < STEPS; t++) {
                for (int i = 0; i < INPUTS; i++)
                    dirty.x[n][t][i] = NAN;
                for (int j = 0; j < HIDDEN; j++)
                    dirty.grad_y[n][t][j] = NAN;
            }
        answer want = run(devices[device], &clean, false);
        answer got = run(devices[device], &dirty, false);
        assert_memory_equal(&got, &want, sizeof want);
    }
}

static void a_row_of_length_zero_passes_its_state_and_gradient_on(void **state)
{
    (void)state;
    for (int device = 0; device < 2; device++) {
        batch b = draw_batch();
        answer a = run(devices[device], &b, device == 1);
        assert_int_equal(b.lengths[2], 0);
        assert_memory_equal(a.h_n[2], b.h0[2], sizeof b.h0[2]);
        assert_memory_equal(a.grad_h0[2], b.grad_h_n[2], sizeof b.grad_h_n[2]);
    }
}

/* Lengths that do not fit come from broken data; they must not reach memory. */
static void lengths_outside_the_sequence_are_clamped(void **state)
{
    (void)state;
    for (int device = 0; device < 2; device++) {
        batch b = draw_batch();
        b.lengths[2] = 0;
        b.lengths[5] = STEPS;
        answer want = run(devices[device], &b, true);
        b.lengths[2] = -3;
        b.lengths[5] = 1000;
        answer got = run(devices[device], &b, true);
        assert_memory_equal(&got, &want, sizeof want);
    }
}

/* --------------------------------------------------------------- errors -- */

static void fails(const int64_t *x, const int64_t *w_ih, const int64_t *w_hh, int64_t bias,
                  int64_t rows, const char *message)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "meta" }, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    tern_step_begin(ctx, 0);
    tern_gru_weights weights = { .w_ih = tern_full(ctx, 2, w_ih, 1),
                                  .w_hh = tern_full(ctx, 2, w_hh, 1),
                                  .b_hh = tern_full(ctx, 1, &bias, 1) };
    tern_gru(ctx, tern_full(ctx, 3, x, 1), weights, NULL,
              tern_full(ctx, 2, (int64_t[]){ rows, 4 }, 0), (tern_gru_opts){ 0 });
    assert_tern_fails(ctx, TERN_ERR_SHAPE, message);
    tern_ctx_free(ctx);
}

static void wrong_shapes_are_named(void **state)
{
    const int64_t x[] = { 2, 5, 3 }, w_ih[] = { 12, 3 }, w_hh[] = { 12, 4 };
    (void)state;
    fails(x, w_ih, (int64_t[]){ 16, 4 }, 12, 2, "w_hh must be [3H,H] with H >= 1, not [16,4]");
    fails(x, (int64_t[]){ 12, 4 }, w_hh, 12, 2, "w_ih must be [12,3] (3H,I), not [12,4]");
    fails(x, w_ih, w_hh, 8, 2, "b_hh must be [12] (3H), not [8]");
    fails(x, w_ih, w_hh, 12, 3, "h0 must be [2,4] (N,H), not [3,4]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_simd_level_agrees_with_ref),
        cmocka_unit_test(gradients_accumulate_over_uses),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(lengths_equal_running_each_row_alone),
        cmocka_unit_test(reverse_equals_forward_on_reversed_rows),
        cmocka_unit_test(what_padding_holds_does_not_matter),
        cmocka_unit_test(a_row_of_length_zero_passes_its_state_and_gradient_on),
        cmocka_unit_test(lengths_outside_the_sequence_are_clamped),
        cmocka_unit_test(wrong_shapes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
