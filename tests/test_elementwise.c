/* Promises of the elementwise ops: NumPy's broadcasting, gradients summed over what
 * was repeated, options and their errors, and dropout's masks. */
#include "tests/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/elementwise/activation_ops.h"
#include "kernels/elementwise/binary.h"
#include "kernels/elementwise/dropout.h"
#include "kernels/elementwise/unary.h"
#include "kernels/elementwise/where.h"
#include "kernels/table.h"
#include "tests/against_ref.h"

static tern_tensor *ones(tern_ctx *ctx, int rank, const int64_t *shape)
{
    return tern_require_grad(ctx, tern_full(ctx, rank, shape, 1));
}

/* --------------------------------------------------------- broadcasting -- */

/* Shapes for each way through the sums: one block or many, rows kept or repeated,
 * units wider and narrower than a vector, a factor that is itself repeated. */
static const char *const broadcasts[] = {
    "a=[5,7] b=[5,7]",
    "a=[16387] b=[16387]",
    "a=[129,300] b=[300]",
    "a=[11001,3] b=[3]",
    "a=[11,1] b=[11,1031]",
    "a=[2,33001] b=[2,1]",
    "a=[33001] b=[]",
    "a=[] b=[]",
    "a=[20,1,17] b=[1,30,17]",
    "a=[4,1,6,1] b=[7,1,5]",
    "a=[2,1,3,1,2,1] b=[1,3,1,2,1,5]",
    "a=[3,100,1] b=[3,1,90]",
    "a=[0,6] b=[6]",
    "a=[1,3] b=[0,3]",
};

/* Gradients are sums of up to n = 33001 terms of both signs: they cancel to about sqrt(n)
 * terms.  Added up one after the other they would be off by about eps n / 2 of a term, 1e-5
 * of such a sum; runs of 64 (broadcast_sum_cpu.c) are off by the rounding of some hundred
 * additions, 1.3e-6 at most where 5.4e-6 was found without runs.  A lost term is 1/sqrt(n),
 * 5e-3. */
static void broadcasting_on_cpu_follows_ref(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof broadcasts / sizeof broadcasts[0]; i++) {
        assert_cpu_follows_ref("add", broadcasts[i], "", 3e-6);
        assert_cpu_follows_ref("sub", broadcasts[i], "", 3e-6);
        assert_cpu_follows_ref("mul", broadcasts[i], "", 3e-6);
    }
}

/* The gradient of a repeated input whose terms must be computed first, and are rounded once
 * more: 3.4e-6 was found at most.  The range of a keeps pow real. */
static void quotients_and_powers_on_cpu_follow_ref(void **state)
{
    static const char *const inputs[] = {
        "a=[129,300]{0.3..2} b=[300]{0.5..2}",  "a=[11001,3]{0.3..2} b=[3]{0.5..2}",
        "a=[11,1]{0.3..2} b=[11,1031]{0.5..2}", "a=[2,33001]{0.3..2} b=[2,1]{0.5..2}",
        "a=[]{0.3..2} b=[33001]{0.5..2}",       "a=[20,1,17]{0.3..2} b=[1,30,17]{0.5..2}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        assert_cpu_follows_ref("div", inputs[i], "", 6e-6);
        assert_cpu_follows_ref("pow", inputs[i], "", 6e-6);
    }
}

/* Every combination of repeated and not repeated rows of the three inputs. */
static void choices_on_cpu_follow_ref(void **state)
{
    char inputs[128];
    (void)state;
    for (int repeated = 0; repeated < 8; repeated++) {
        const char *extent[3];
        for (int i = 0; i < 3; i++)
            extent[i] = repeated >> i & 1 ? "[37,1]" : "[37,1031]";
        snprintf(inputs, sizeof inputs, "condition=%s{0..1} a=%s b=%s", extent[0], extent[1],
                 extent[2]);
        assert_cpu_follows_ref("where", inputs, "", 3e-6);
    }
    assert_cpu_follows_ref("where", "condition=[33001]{0..1} a=[33001] b=[]", "", 3e-6);
}

static void what_where_does_not_choose_may_be_nan(void **state)
{
    static const uint8_t chooses_a[4] = { 1, 0, 255, 0 };
    static const double a[4] = { 1, NAN, 3, INFINITY }, seed[4] = { 5, 6, 7, 8 };
    static const double b[4] = { NAN, 2, -INFINITY, 4 };
    double found[4];
    (void)state;
    for (int device = 0; device < 2; device++) {
        tern_ctx *ctx = open_recording(device ? "cpu" : "ref");
        int64_t shape[] = { 4 };
        tern_tensor *in_a = tern_require_grad(ctx, tern_input(ctx, "a", TERN_F64, 1, shape, a));
        tern_tensor *in_b = tern_require_grad(ctx, tern_input(ctx, "b", TERN_F64, 1, shape, b));
        tern_tensor *y = tern_where(ctx, tern_input(ctx, "c", TERN_U8, 1, shape, chooses_a), in_a,
                                    in_b);
        tern_seed_grad(ctx, y, TERN_F64, seed);
        tern_backward(ctx, NULL);
        assert_tern_ok(ctx);
        tern_read(ctx, y, TERN_F64, found);
        assert_memory_equal(found, ((double[]){ 1, 2, 3, 4 }), sizeof found);
        tern_read(ctx, in_a->grad, TERN_F64, found);
        assert_memory_equal(found, ((double[]){ 5, 0, 7, 0 }), sizeof found);
        tern_read(ctx, in_b->grad, TERN_F64, found);
        assert_memory_equal(found, ((double[]){ 0, 6, 0, 8 }), sizeof found);
        tern_ctx_free(ctx);
    }
}

static void shapes_broadcast_as_in_numpy(void **state)
{
    (void)state;
    tern_ctx *ctx = open_recording("ref");
    tern_tensor *y = tern_add(ctx, ones(ctx, 4, (int64_t[]){ 8, 1, 6, 1 }),
                              ones(ctx, 3, (int64_t[]){ 7, 1, 5 }));
    char text[TERN_SHAPE_TEXT];
    assert_tern_ok(ctx);
    assert_string_equal(tern_shape_text(y, text), "[8,7,6,5]");
    y = tern_mul(ctx, ones(ctx, 2, (int64_t[]){ 1, 3 }), ones(ctx, 2, (int64_t[]){ 0, 3 }));
    assert_tern_ok(ctx);
    assert_string_equal(tern_shape_text(y, text), "[0,3]");
    tern_add(ctx, ones(ctx, 2, (int64_t[]){ 2, 3 }), ones(ctx, 1, (int64_t[]){ 2 }));
    assert_tern_fails(ctx, TERN_ERR_SHAPE, "a [2,3] and b [2] do not broadcast: axis 1 from the "
                                           "end is 3 and 2");
    tern_clear_error(ctx);
    uint8_t zeros[4] = { 0 };
    tern_where(ctx, tern_input(ctx, "c", TERN_U8, 2, (int64_t[]){ 4, 1 }, zeros),
               ones(ctx, 1, (int64_t[]){ 3 }), ones(ctx, 2, (int64_t[]){ 5, 1 }));
    assert_tern_fails(ctx, TERN_ERR_SHAPE, "condition [4,1] and b [5,1] do not broadcast");
    tern_ctx_free(ctx);
}

/* Every repetition counts once: sums of ones are exact, also in float32. */
static void a_repeated_input_gets_one_share_for_each_repetition(void **state)
{
    (void)state;
    for (int device = 0; device < 2; device++) {
        tern_ctx *ctx = open_recording(device ? "cpu" : "ref");
        tern_tensor *a = ones(ctx, 3, (int64_t[]){ 500, 1, 4 });
        tern_tensor *b = ones(ctx, 2, (int64_t[]){ 70, 1 }), *c = ones(ctx, 0, NULL);
        tern_tensor *y = tern_mul(ctx, tern_add(ctx, a, b), c);
        double *seed = malloc((size_t)y->count * sizeof *seed), grad[2000];
        for (int64_t i = 0; i < y->count; i++)
            seed[i] = 1;
        tern_seed_grad(ctx, y, TERN_F64, seed);
        tern_backward(ctx, NULL);
        assert_tern_ok(ctx);
        tern_read(ctx, a->grad, TERN_F64, grad);
        for (int i = 0; i < 2000; i++)
            assert_true(grad[i] == 70);
        tern_read(ctx, b->grad, TERN_F64, grad);
        for (int i = 0; i < 70; i++)
            assert_true(grad[i] == 2000);
        assert_true(tern_read_scalar(ctx, c->grad) == 2.0 * 500 * 70 * 4);
        free(seed);
        tern_ctx_free(ctx);
    }
}

/* ----------------------------------------------------------- one tensor -- */

static const char *const unary_ops[] = { "relu", "leaky_relu", "gelu", "silu", "sigmoid",
                                         "tanh", "softplus", "neg", "abs", "exp", "log",
                                         "sqrt", "clamp" };
enum { UNARY_OPS = sizeof unary_ops / sizeof unary_ops[0] };

static const char *needed_options(const char *op)
{
    return strcmp(op, "clamp") == 0 ? "min=0.5 max=2" : "";
}

static void unary_ops_on_cpu_follow_ref(void **state)
{
    (void)state;
    for (int i = 0; i < UNARY_OPS; i++) {
        const char *op = unary_ops[i], *options = needed_options(op);
        bool positive = strcmp(op, "log") == 0 || strcmp(op, "sqrt") == 0;
        const char *large = positive ? "x=[3,29,101]{0.1..9}" : "x=[3,29,101]{-9..9}";
        assert_cpu_follows_ref(op, large, options, 1e-6);
        assert_cpu_follows_ref(op, positive ? "x=[17]{0.1..9}" : "x=[17]", options, 1e-6);
        assert_cpu_follows_ref(op, positive ? "x=[]{0.1..9}" : "x=[]", options, 1e-5);
        assert_cpu_follows_ref(op, "x=[4,0]", options, 0);
    }
    assert_cpu_follows_ref("gelu", "x=[3,29,101]{-9..9}", "approximate=tanh", 1e-6);
    assert_cpu_follows_ref("softplus", "x=[9001]{-9..9}", "beta=3 threshold=5", 1e-6);
}

static void unary_ops_keep_nan(void **state)
{
    double values[20], found[20];
    (void)state;
    for (int k = 0; k < 20; k++)
        values[k] = 1;
    values[3] = values[18] = NAN; /* in a whole vector and in what is left */
    for (int device = 0; device < 2; device++) {
        tern_ctx *ctx = open_recording(device ? "cpu" : "ref");
        tern_error error = { 0 };
        tern_tensor *x = tern_input(ctx, "x", TERN_F64, 1, (int64_t[]){ 20 }, values);
        for (int i = 0; i < UNARY_OPS; i++) {
            const tern_op *op = tern_op_find(unary_ops[i], &error);
            const tern_clamp_opts bounds = { .has_min = true, .max = 2, .has_max = true };
            const void *options = op == &tern_op_clamp ? &bounds : NULL;
            tern_read(ctx, tern_apply(ctx, op, &x, 1, options, NULL), TERN_F64, found);
            assert_tern_ok(ctx);
            for (int k = 0; k < 20; k++)
                assert_int_equal(isnan(found[k]) != 0, isnan(values[k]) != 0);
        }
        tern_ctx_free(ctx);
    }
}

static void clamp_refuses_bounds_that_are_not_set(void **state)
{
    (void)state;
    tern_ctx *ctx = open_recording("cpu");
    tern_tensor *x = ones(ctx, 1, (int64_t[]){ 4 });
    tern_clamp(ctx, x, (tern_clamp_opts){ .min = 0 });
    assert_tern_fails(ctx, TERN_ERR_OPTION, "neither min nor max is given");
    tern_clear_error(ctx);
    tern_clamp(ctx, x, (tern_clamp_opts){ .min = 1, .has_max = true });
    assert_tern_fails(ctx, TERN_ERR_OPTION, "min is 1, but has_min is not set");
    tern_clear_error(ctx);
    tern_clamp(ctx, x, (tern_clamp_opts){ .has_min = true, .max = -2 });
    assert_tern_fails(ctx, TERN_ERR_OPTION, "max is -2, but has_max is not set");
    tern_ctx_free(ctx);
}

/* -------------------------------------------------------------- dropout -- */

enum { ELEMENTS = 100003 };

/* Dropout of ones: forward in y, and its gradient from a seed of ones in grad. */
static void drop_ones(tern_ctx_opts opts, double p, bool training, uint32_t step, double *y,
                      double *grad)
{
    tern_ctx *ctx = open_context(opts);
    tern_set_training(ctx, training);
    tern_set_recording(ctx, true);
    tern_step_begin(ctx, 0);
    tern_set_rng_step(ctx, step);
    tern_tensor *x = ones(ctx, 1, (int64_t[]){ ELEMENTS });
    tern_tensor *dropped = tern_dropout(ctx, x, (tern_dropout_opts){ .p = p });
    for (int i = 0; i < ELEMENTS; i++)
        y[i] = 1;
    tern_seed_grad(ctx, dropped, TERN_F64, y);
    tern_backward(ctx, NULL);
    tern_read(ctx, dropped, TERN_F64, y);
    tern_read(ctx, x->grad, TERN_F64, grad);
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
}

static double *allocate(void)
{
    double *values = malloc(ELEMENTS * sizeof *values);
    assert_non_null(values);
    return values;
}

static void dropout_masks_are_the_same_on_ref_and_cpu(void **state)
{
    double *y = allocate(), *grad = allocate(), *cpu_y = allocate(), *cpu_grad = allocate();
    const char *levels[4];
    (void)state;
    drop_ones((tern_ctx_opts){ .device = "ref", .seed = UINT64_C(0x123456789A) }, 0.3, true, 9, y,
              grad);
    assert_memory_equal(y, grad, ELEMENTS * sizeof *y); /* backward draws the same mask */
    for (int level = tern_simd_levels(levels) - 1; level >= 0; level--) {
        drop_ones((tern_ctx_opts){ .device = "cpu", .simd = levels[level], .threads = 2,
                                   .seed = UINT64_C(0x123456789A) },
                  0.3, true, 9, cpu_y, cpu_grad);
        for (int i = 0; i < ELEMENTS; i++) {
            assert_true((cpu_y[i] != 0) == (y[i] != 0));
            assert_true(cpu_y[i] == (float)y[i] && cpu_grad[i] == cpu_y[i]);
        }
    }
    free(y);
    free(grad);
    free(cpu_y);
    free(cpu_grad);
}

/* The number of kept elements lies within 5 standard deviations of its expectation. */
static void dropout_drops_a_share_of_p(void **state)
{
    static const double shares[] = { 0.1, 0.5, 0.9 };
    double *y = allocate(), *grad = allocate();
    (void)state;
    for (int i = 0; i < 3; i++) {
        double p = shares[i], kept = 0;
        drop_ones((tern_ctx_opts){ .device = "cpu", .seed = 3 }, p, true, 1, y, grad);
        for (int k = 0; k < ELEMENTS; k++) {
            assert_true(y[k] == 0 || fabs(y[k] * (1 - p) - 1) < 1e-6);
            kept += y[k] != 0;
        }
        assert_true(fabs(kept - ELEMENTS * (1 - p)) < 5 * sqrt(ELEMENTS * p * (1 - p)));
    }
    free(y);
    free(grad);
}

static void dropout_is_the_identity_outside_training_and_for_p_0(void **state)
{
    double *y = allocate(), *grad = allocate();
    (void)state;
    for (int device = 0; device < 2; device++) {
        tern_ctx_opts opts = { .device = device ? "cpu" : "ref" };
        drop_ones(opts, 0.5, false, 1, y, grad);
        for (int i = 0; i < ELEMENTS; i++)
            assert_true(y[i] == 1 && grad[i] == 1);
        drop_ones(opts, 0, true, 1, y, grad);
        for (int i = 0; i < ELEMENTS; i++)
            assert_true(y[i] == 1 && grad[i] == 1);
        drop_ones(opts, 1, true, 1, y, grad);
        for (int i = 0; i < ELEMENTS; i++)
            assert_true(y[i] == 0 && grad[i] == 0);
    }
    free(y);
    free(grad);
}

/* Two masks of p = 1/2 that have nothing to do with each other agree on half. */
static void dropout_draws_anew_for_each_step_and_seed(void **state)
{
    double *first = allocate(), *second = allocate(), *grad = allocate();
    (void)state;
    for (int i = 0; i < 2; i++) {
        double agree = 0;
        drop_ones((tern_ctx_opts){ .device = "cpu", .seed = 1 }, 0.5, true, 7, first, grad);
        drop_ones((tern_ctx_opts){ .device = "cpu", .seed = i ? 2 : 1 }, 0.5, true, i ? 7 : 8,
                  second, grad);
        for (int k = 0; k < ELEMENTS; k++)
            agree += first[k] == second[k];
        assert_true(fabs(agree - ELEMENTS / 2.0) < 5 * sqrt(ELEMENTS / 4.0));
    }
    free(first);
    free(second);
    free(grad);
}

static void dropout_refuses_what_is_no_probability(void **state)
{
    (void)state;
    tern_ctx *ctx = open_recording("cpu");
    tern_dropout(ctx, ones(ctx, 1, (int64_t[]){ 4 }), (tern_dropout_opts){ .p = 1.5 });
    assert_tern_fails(ctx, TERN_ERR_OPTION, "option p is 1.5");
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broadcasting_on_cpu_follows_ref),
        cmocka_unit_test(quotients_and_powers_on_cpu_follow_ref),
        cmocka_unit_test(choices_on_cpu_follow_ref),
        cmocka_unit_test(what_where_does_not_choose_may_be_nan),
        cmocka_unit_test(shapes_broadcast_as_in_numpy),
        cmocka_unit_test(a_repeated_input_gets_one_share_for_each_repetition),
        cmocka_unit_test(unary_ops_on_cpu_follow_ref),
        cmocka_unit_test(unary_ops_keep_nan),
        cmocka_unit_test(clamp_refuses_bounds_that_are_not_set),
        cmocka_unit_test(dropout_masks_are_the_same_on_ref_and_cpu),
        cmocka_unit_test(dropout_drops_a_share_of_p),
        cmocka_unit_test(dropout_is_the_identity_outside_training_and_for_p_0),
        cmocka_unit_test(dropout_draws_anew_for_each_step_and_seed),
        cmocka_unit_test(dropout_refuses_what_is_no_probability),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
