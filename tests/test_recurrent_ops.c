/* Promises of lstm and gru beyond their gradient checks: lengths are as good as running
 * each row alone, reverse is forward on reversed rows, padding may hold anything, and the
 * cpu backend agrees with the plain float64 loops. */
#include "tests/check.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/rng.h"
#include "kernels/gru/gru.h"
#include "kernels/lstm/lstm.h"
#include "tests/against_ref.h"

/* What a test is about: its state. */
typedef struct cell {
    int64_t gates;
    bool has_c; /* c0, c_n: LSTM */
} cell;

static cell lstm = { .gates = 4, .has_c = true }, gru = { .gates = 3 };

/* ---------------------------------------------------------- against ref -- */

/* More than the samples of the contracts: hidden sizes around the vector widths 4, 8, 16
 * and panels of four vectors; rows around slices of four to eight; rows and steps that
 * backward cuts into chunks.  A few ulp for each of up to 80 terms, carried on through some
 * steps. */
static const double TOLERANCE = 64 * FLT_EPSILON;

static void lstm_on_cpu_follows_ref(void **state)
{
    static const char *const problems[][2] = {
        { "x=[7,3,2] w_ih=[124,2] w_hh=[124,31]{-0.2..0.2} b_ih=[124]", "" },
        { "x=[37,6,13] w_ih=[68,13] w_hh=[68,17]{-0.3..0.3} b_hh=[68] lengths=[37]{0..6} "
          "h0=[37,17]",
          "reverse=true" },
        { "x=[5,4,70] w_ih=[320,70]{-0.2..0.2} w_hh=[320,80]{-0.1..0.1} lengths=[5]{0..4} "
          "c0=[5,80]", "" },
        { "x=[2,2,0] w_ih=[20,0] w_hh=[20,5] b_ih=[20]", "" },
        { "x=[33,40,5] w_ih=[68,5]{-0.1..0.1} w_hh=[68,17]{-0.1..0.1} b_ih=[68]{-0.1..0.1} "
          "lengths=[33]{0..40} h0=[33,17] c0=[33,17]", "reverse=true" },
        { "x=[600,2,3] w_ih=[20,3] w_hh=[20,5]{-0.2..0.2} b_hh=[20] lengths=[600]{0..2}", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++)
        assert_cpu_follows_ref("lstm", problems[i][0], problems[i][1], TOLERANCE);
}

static void gru_on_cpu_follows_ref(void **state)
{
    static const char *const problems[][2] = {
        { "x=[7,3,2] w_ih=[93,2] w_hh=[93,31]{-0.2..0.2} b_ih=[93]", "" },
        { "x=[37,6,13] w_ih=[51,13] w_hh=[51,17]{-0.3..0.3} b_hh=[51] lengths=[37]{0..6} "
          "h0=[37,17]",
          "reverse=true" },
        { "x=[5,4,70] w_ih=[240,70]{-0.2..0.2} w_hh=[240,80]{-0.1..0.1} lengths=[5]{0..4}", "" },
        { "x=[2,2,0] w_ih=[15,0] w_hh=[15,5] b_ih=[15]", "" },
        { "x=[33,40,5] w_ih=[51,5]{-0.1..0.1} w_hh=[51,17]{-0.1..0.1} b_ih=[51]{-0.1..0.1} "
          "lengths=[33]{0..40} h0=[33,17]", "reverse=true" },
        { "x=[600,2,3] w_ih=[15,3] w_hh=[15,5]{-0.2..0.2} b_hh=[15] lengths=[600]{0..2}", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++)
        assert_cpu_follows_ref("gru", problems[i][0], problems[i][1], TOLERANCE);
}

/* --------------------------------------------------- rows of their own -- */

enum { ROWS = 6, STEPS = 7, INPUTS = 3, HIDDEN = 5, MOST = 4 * HIDDEN };

typedef struct batch {
    int rows, steps;
    float x[ROWS][STEPS][INPUTS], h0[ROWS][HIDDEN], c0[ROWS][HIDDEN];
    float grad_y[ROWS][STEPS][HIDDEN], grad_h_n[ROWS][HIDDEN], grad_c_n[ROWS][HIDDEN];
    int32_t lengths[ROWS];
} batch;

/* Zeros where the cell has no such tensor. */
typedef struct answer {
    float y[ROWS][STEPS][HIDDEN], h_n[ROWS][HIDDEN], c_n[ROWS][HIDDEN];
    float grad_x[ROWS][STEPS][INPUTS], grad_h0[ROWS][HIDDEN], grad_c0[ROWS][HIDDEN];
    float grad_w_ih[MOST][INPUTS], grad_w_hh[MOST][HIDDEN], grad_b_ih[MOST], grad_b_hh[MOST];
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
    draw(b.c0, sizeof b.c0, &rng);
    draw(b.grad_y, sizeof b.grad_y, &rng);
    draw(b.grad_h_n, sizeof b.grad_h_n, &rng);
    draw(b.grad_c_n, sizeof b.grad_c_n, &rng);
    memcpy(b.lengths, lengths, sizeof lengths);
    return b;
}

static tern_tensor *leaf(tern_ctx *ctx, const char *name, int rank, const int64_t *shape,
                         const float *values)
{
    return tern_require_grad(ctx, tern_input(ctx, name, TERN_F32, rank, shape, values));
}

static tern_tensor *weight(tern_ctx *ctx, const char *name, int rank, const cell *c,
                           int64_t columns, tern_rng *rng)
{
    float values[MOST * HIDDEN];
    draw(values, sizeof values, rng);
    return leaf(ctx, name, rank, (int64_t[]){ c->gates * HIDDEN, columns }, values);
}

static void read_grad(tern_ctx *ctx, const tern_tensor *tensor, void *values)
{
    if (tensor)
        tern_read(ctx, tensor->grad, TERN_F32, values);
}

/* b's arrays must be dense for its rows and steps. */
static answer run(const cell *c, const char *device, const batch *b, bool reverse)
{
    tern_rng rng = tern_rng_make(6, TERN_STREAM_TEST, 0);
    answer a = { 0 };
    tern_ctx *ctx = open_recording(device);
    const int64_t sequence[] = { b->rows, b->steps, INPUTS }, state[] = { b->rows, HIDDEN };
    tern_tensor *x = leaf(ctx, "x", 3, sequence, &b->x[0][0][0]);
    tern_tensor *h0 = leaf(ctx, "h0", 2, state, &b->h0[0][0]);
    tern_tensor *c0 = c->has_c ? leaf(ctx, "c0", 2, state, &b->c0[0][0]) : NULL;
    tern_tensor *lengths = tern_input(ctx, "lengths", TERN_I32, 1, state, b->lengths);
    tern_recurrent_weights weights = {
        .w_ih = weight(ctx, "w_ih", 2, c, INPUTS, &rng),
        .w_hh = weight(ctx, "w_hh", 2, c, HIDDEN, &rng),
        .b_ih = weight(ctx, "b_ih", 1, c, 1, &rng),
        .b_hh = weight(ctx, "b_hh", 1, c, 1, &rng),
    };
    tern_lstm_outputs out;
    if (c->has_c) {
        out = tern_lstm(ctx, x, weights, lengths, h0, c0, (tern_lstm_opts){ .reverse = reverse });
        tern_seed_grad(ctx, out.c_n, TERN_F32, b->grad_c_n);
        tern_read(ctx, out.c_n, TERN_F32, a.c_n);
    } else {
        tern_gru_outputs two =
            tern_gru(ctx, x, weights, lengths, h0, (tern_gru_opts){ .reverse = reverse });
        out = (tern_lstm_outputs){ .y = two.y, .h_n = two.h_n };
    }
    tern_seed_grad(ctx, out.y, TERN_F32, b->grad_y);
    tern_seed_grad(ctx, out.h_n, TERN_F32, b->grad_h_n);
    tern_backward(ctx, NULL);
    assert_tern_ok(ctx);
    tern_read(ctx, out.y, TERN_F32, a.y);
    tern_read(ctx, out.h_n, TERN_F32, a.h_n);
    read_grad(ctx, x, a.grad_x);
    read_grad(ctx, h0, a.grad_h0);
    read_grad(ctx, c0, a.grad_c0);
    read_grad(ctx, weights.w_ih, a.grad_w_ih);
    read_grad(ctx, weights.w_hh, a.grad_w_hh);
    read_grad(ctx, weights.b_ih, a.grad_b_ih);
    read_grad(ctx, weights.b_hh, a.grad_b_hh);
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
    memcpy(one.c0, b->c0[n], sizeof one.c0[0]);
    memcpy(one.grad_y, b->grad_y[n], sizeof one.grad_y[0]);
    memcpy(one.grad_h_n, b->grad_h_n[n], sizeof one.grad_h_n[0]);
    memcpy(one.grad_c_n, b->grad_c_n[n], sizeof one.grad_c_n[0]);
    one.lengths[0] = b->lengths[n];
    return one;
}

static void add(float *sum, const float *values, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof(float); i++)
        sum[i] += values[i];
}

static void check_rows_alone(const cell *c, const char *device, bool reverse)
{
    batch b = draw_batch();
    answer together = run(c, device, &b, reverse), sum = { 0 };
    for (int n = 0; n < ROWS; n++) {
        batch one = row_alone(&b, n);
        answer alone = run(c, device, &one, reverse);
        size_t length = (size_t)b.lengths[n];
        assert_near("y", together.y[n], alone.y, length * sizeof alone.y[0][0]);
        assert_zero(together.y[n][length], (int64_t)(STEPS - length) * HIDDEN);
        assert_near("h_n", together.h_n[n], alone.h_n, sizeof alone.h_n[0]);
        assert_near("c_n", together.c_n[n], alone.c_n, sizeof alone.c_n[0]);
        assert_near("grad_x", together.grad_x[n], alone.grad_x, length * sizeof alone.grad_x[0][0]);
        assert_zero(together.grad_x[n][length], (int64_t)(STEPS - length) * INPUTS);
        assert_near("grad_h0", together.grad_h0[n], alone.grad_h0, sizeof alone.grad_h0[0]);
        assert_near("grad_c0", together.grad_c0[n], alone.grad_c0, sizeof alone.grad_c0[0]);
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
    for (int device = 0; device < 2; device++) {
        check_rows_alone(*state, devices[device], false);
        check_rows_alone(*state, devices[device], true);
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
    for (int device = 0; device < 2; device++) {
        batch b = draw_batch();
        answer backwards = run(*state, devices[device], &b, true);
        reverse_rows(&b.x[0][0][0], INPUTS, b.lengths);
        reverse_rows(&b.grad_y[0][0][0], HIDDEN, b.lengths);
        answer forwards = run(*state, devices[device], &b, false);
        reverse_rows(&forwards.y[0][0][0], HIDDEN, b.lengths);
        reverse_rows(&forwards.grad_x[0][0][0], INPUTS, b.lengths);
        assert_near("all", &backwards, &forwards, sizeof forwards);
    }
}

static void what_padding_holds_does_not_matter(void **state)
{
    for (int device = 0; device < 2; device++) {
        batch clean = draw_batch(), dirty = clean;
        for (int n = 0; n < ROWS; n++)
            for (int t = clean.lengths[n]; t < STEPS; t++) {
                for (int i = 0; i < INPUTS; i++)
                    dirty.x[n][t][i] = NAN;
                for (int j = 0; j < HIDDEN; j++)
                    dirty.grad_y[n][t][j] = NAN;
            }
        answer want = run(*state, devices[device], &clean, false);
        answer got = run(*state, devices[device], &dirty, false);
        assert_memory_equal(&got, &want, sizeof want);
    }
}

static void a_row_of_length_zero_passes_its_state_and_gradient_on(void **state)
{
    for (int device = 0; device < 2; device++) {
        batch b = draw_batch();
        answer a = run(*state, devices[device], &b, device == 1);
        assert_int_equal(b.lengths[2], 0);
        assert_memory_equal(a.h_n[2], b.h0[2], sizeof b.h0[2]);
        assert_memory_equal(a.grad_h0[2], b.grad_h_n[2], sizeof b.grad_h_n[2]);
        if (!((const cell *)*state)->has_c)
            continue;
        assert_memory_equal(a.c_n[2], b.c0[2], sizeof b.c0[2]);
        assert_memory_equal(a.grad_c0[2], b.grad_c_n[2], sizeof b.grad_c_n[2]);
    }
}

/* Lengths that do not fit come from broken data; they must not reach memory. */
static void lengths_outside_the_sequence_are_clamped(void **state)
{
    for (int device = 0; device < 2; device++) {
        batch b = draw_batch();
        b.lengths[2] = 0;
        b.lengths[5] = STEPS;
        answer want = run(*state, devices[device], &b, true);
        b.lengths[2] = -3;
        b.lengths[5] = 1000;
        answer got = run(*state, devices[device], &b, true);
        assert_memory_equal(&got, &want, sizeof want);
    }
}

/* --------------------------------------------------------------- errors -- */

typedef struct shapes {
    int64_t w_ih[2], w_hh[2], bias, rows;
} shapes;

/* x is [2,5,3], H is 4. */
static void fails(const cell *c, shapes s, const char *message)
{
    tern_ctx *ctx = open_recording("meta");
    tern_recurrent_weights weights = { .w_ih = tern_full(ctx, 2, s.w_ih, 1),
                                       .w_hh = tern_full(ctx, 2, s.w_hh, 1),
                                       .b_hh = tern_full(ctx, 1, &s.bias, 1) };
    tern_tensor *x = tern_full(ctx, 3, (int64_t[]){ 2, 5, 3 }, 1);
    tern_tensor *h0 = tern_full(ctx, 2, (int64_t[]){ s.rows, 4 }, 0);
    if (c->has_c)
        tern_lstm(ctx, x, weights, NULL, h0, NULL, (tern_lstm_opts){ 0 });
    else
        tern_gru(ctx, x, weights, NULL, h0, (tern_gru_opts){ 0 });
    assert_tern_fails(ctx, TERN_ERR_SHAPE, message);
    tern_ctx_free(ctx);
}

static void wrong_shapes_are_named(void **state)
{
    (void)state;
    fails(&lstm, (shapes){ { 16, 3 }, { 12, 4 }, 16, 2 },
          "w_hh must be [4H,H] with H >= 1, not [12,4]");
    fails(&lstm, (shapes){ { 16, 4 }, { 16, 4 }, 16, 2 },
          "w_ih must be [16,3] (4H,I), not [16,4]");
    fails(&lstm, (shapes){ { 16, 3 }, { 16, 4 }, 8, 2 }, "b_hh must be [16] (4H), not [8]");
    fails(&lstm, (shapes){ { 16, 3 }, { 16, 4 }, 16, 3 }, "h0 must be [2,4] (N,H), not [3,4]");
    fails(&gru, (shapes){ { 12, 3 }, { 16, 4 }, 12, 2 },
          "w_hh must be [3H,H] with H >= 1, not [16,4]");
    fails(&gru, (shapes){ { 12, 4 }, { 12, 4 }, 12, 2 },
          "w_ih must be [12,3] (3H,I), not [12,4]");
    fails(&gru, (shapes){ { 12, 3 }, { 12, 4 }, 8, 2 }, "b_hh must be [12] (3H), not [8]");
    fails(&gru, (shapes){ { 12, 3 }, { 12, 4 }, 12, 3 }, "h0 must be [2,4] (N,H), not [3,4]");
}

#define OF_BOTH(test)                                                                             \
    { "lstm_" #test, test, NULL, NULL, &lstm }, { "gru_" #test, test, NULL, NULL, &gru }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lstm_on_cpu_follows_ref),
        cmocka_unit_test(gru_on_cpu_follows_ref),
        OF_BOTH(lengths_equal_running_each_row_alone),
        OF_BOTH(reverse_equals_forward_on_reversed_rows),
        OF_BOTH(what_padding_holds_does_not_matter),
        OF_BOTH(a_row_of_length_zero_passes_its_state_and_gradient_on),
        OF_BOTH(lengths_outside_the_sequence_are_clamped),
        cmocka_unit_test(wrong_shapes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
