/* Promises of the context, the tape and parameters, on the ref backend with linear as the
 * op. */
#include "tests/check.h"

#include "core/params.h"
#include "core/registry.h"
#include "kernels/linear/linear.h"

#include <math.h>
#include <string.h>

extern const tern_impl tern_linear_ref;

static tern_ctx *open_ref(bool poison)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_ctx_new((tern_ctx_opts){ .device = "ref", .poison = poison }, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    tern_add_impl(ctx, &tern_linear_ref);
    return ctx;
}

static tern_tensor *input(tern_ctx *ctx, const char *name, int64_t rows, int64_t columns)
{
    double values[64];
    for (int i = 0; i < rows * columns; i++)
        values[i] = sin(1.0 + i) + 0.1;
    return tern_input(ctx, name, TERN_F64, 2, (int64_t[]){ rows, columns }, values);
}

static void first_error_sticks_and_names_shapes(void **state)
{
    (void)state;
    tern_ctx *ctx = open_ref(false);
    tern_step_begin(ctx, 0);
    tern_scope_push(ctx, "model");
    tern_scope_push(ctx, "block%d", 2);
    tern_tensor *x = input(ctx, "x", 2, 3), *weight = input(ctx, "w", 4, 5);
    tern_tensor *y = tern_linear(ctx, x, weight, NULL, (tern_linear_opts){ 0 });
    assert_tern_fails(ctx, TERN_ERR_SHAPE, "model.block2: linear: x [2,3]");
    y = tern_linear(ctx, y, NULL, NULL, (tern_linear_opts){ 0 });
    assert_non_null(y);
    assert_tern_fails(ctx, TERN_ERR_SHAPE, "model.block2: linear: x [2,3]");
    tern_ctx_free(ctx);
}

static void using_a_tensor_of_an_earlier_step_is_an_error(void **state)
{
    (void)state;
    tern_ctx *ctx = open_ref(false);
    tern_step_begin(ctx, 0);
    tern_tensor *old = input(ctx, "old", 2, 3);
    tern_tensor *kept = tern_keep(ctx, old);
    tern_step_begin(ctx, 0);
    tern_tensor *weight = input(ctx, "w", 4, 3);
    tern_linear(ctx, kept, weight, NULL, (tern_linear_opts){ 0 });
    assert_tern_ok(ctx);
    tern_linear(ctx, old, weight, NULL, (tern_linear_opts){ 0 });
    assert_tern_fails(ctx, TERN_ERR_STATE, "which is over");
    tern_ctx_free(ctx);
}

static void mixed_contexts_are_an_error(void **state)
{
    (void)state;
    tern_ctx *a = open_ref(false), *b = open_ref(false);
    tern_step_begin(a, 0);
    tern_step_begin(b, 0);
    tern_tensor *x = input(a, "x", 2, 3), *weight = input(b, "w", 4, 3);
    tern_linear(a, x, weight, NULL, (tern_linear_opts){ 0 });
    assert_tern_fails(a, TERN_ERR_ARGUMENT, "w belongs to another context");
    assert_tern_ok(b);
    tern_ctx_free(a);
    tern_ctx_free(b);
}

static void backward_twice_is_an_error(void **state)
{
    (void)state;
    tern_ctx *ctx = open_ref(false);
    tern_set_recording(ctx, true);
    tern_step_begin(ctx, 0);
    tern_tensor *x = tern_require_grad(ctx, input(ctx, "x", 1, 3));
    tern_tensor *y = tern_linear(ctx, x, input(ctx, "w", 1, 3), NULL, (tern_linear_opts){ 0 });
    tern_backward(ctx, y);
    assert_tern_ok(ctx);
    tern_backward(ctx, y);
    assert_tern_fails(ctx, TERN_ERR_STATE, "already called");
    tern_ctx_free(ctx);
}

static void backward_of_many_elements_needs_a_seed(void **state)
{
    (void)state;
    tern_ctx *ctx = open_ref(false);
    tern_set_recording(ctx, true);
    tern_step_begin(ctx, 0);
    tern_tensor *x = tern_require_grad(ctx, input(ctx, "x", 2, 3));
    tern_backward(ctx, tern_linear(ctx, x, input(ctx, "w", 4, 3), NULL, (tern_linear_opts){ 0 }));
    assert_tern_fails(ctx, TERN_ERR_SHAPE, "[2,4]");
    tern_ctx_free(ctx);
}

/* One tensor as both operands: d/dx of x*x' summed needs both shares. */
static void a_tensor_given_twice_gets_both_shares(void **state)
{
    (void)state;
    tern_ctx *ctx = open_ref(false);
    const double value = 3;
    double grad = 0;
    tern_set_recording(ctx, true);
    tern_step_begin(ctx, 0);
    tern_tensor *x = tern_require_grad(
        ctx, tern_input(ctx, "x", TERN_F64, 2, (int64_t[]){ 1, 1 }, &value));
    tern_backward(ctx, tern_linear(ctx, x, x, NULL, (tern_linear_opts){ 0 }));
    tern_read(ctx, x->grad, TERN_F64, &grad);
    assert_tern_ok(ctx);
    assert_true(grad == 6);
    tern_ctx_free(ctx);
}

static void note_error(const tern_error *error, void *user)
{
    *(tern_error *)user = *error;
}

/* Whoever found it: an op, the device, the loader of plugins. */
static void every_error_is_told_and_says_where(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        tern_ctx *ctx = open_ref(false);
        tern_error told = { 0 };
        tern_on_error(ctx, note_error, &told);
        tern_scope_push(ctx, "model");
        if (i == 0)
            tern_full(ctx, 0, NULL, 1);
        else if (i == 1)
            tern_load_plugin(ctx, "/no/such/plugin.so");
        else
            tern_param(ctx, "huge", 1, (int64_t[]){ INT64_C(1) << 50 }, (tern_param_opts){ 0 });
        tern_params_freeze(ctx);
        assert_false(tern_ok(ctx));
        assert_string_equal(told.message, tern_ctx_error(ctx)->message);
        assert_true(strncmp(told.message, "model: ", 7) == 0);
        tern_ctx_free(ctx);
    }
}

static void overflowing_sizes_are_an_error(void **state)
{
    (void)state;
    tern_ctx *ctx = open_ref(false);
    tern_step_begin(ctx, 0);
    int64_t huge = INT64_C(1) << 40;
    tern_input(ctx, "huge", TERN_F32, 3, (int64_t[]){ huge, huge, huge }, NULL);
    assert_tern_fails(ctx, TERN_ERR_MEMORY, "more elements than memory can hold");
    tern_ctx_free(ctx);
}

static void parameters_depend_on_name_and_seed_only(void **state)
{
    (void)state;
    double first[6], second[6];
    for (int order = 0; order < 2; order++) {
        tern_ctx *ctx = open_ref(false);
        tern_param_opts opts = { .init = tern_init_fan_in(3) };
        if (order)
            tern_param(ctx, "other", 1, (int64_t[]){ 5 }, opts);
        tern_tensor *weight = tern_param(ctx, "weight", 2, (int64_t[]){ 2, 3 }, opts);
        tern_params_freeze(ctx);
        tern_read(ctx, weight, TERN_F64, order ? second : first);
        assert_tern_ok(ctx);
        tern_param(ctx, "late", 1, (int64_t[]){ 5 }, opts);
        assert_tern_fails(ctx, TERN_ERR_STATE, "after tern_params_freeze");
        tern_ctx_free(ctx);
    }
    assert_memory_equal(first, second, sizeof first);
    assert_true(first[0] != first[1]);
}

/* Each public function that takes a tensor or a shape, given NULL. */
static void null_instead_of_a_tensor_is_an_error(void **state)
{
    (void)state;
    enum { FUNCTIONS = 10 };
    for (int i = 0; i < FUNCTIONS; i++) {
        tern_ctx *ctx = open_ref(false);
        double value = 1;
        tern_tensor *given = &(tern_tensor){ 0 };
        tern_step_begin(ctx, 0);
        tern_tensor *x = input(ctx, "x", 2, 3);
        switch (i) {
        case 0: tern_read(ctx, NULL, TERN_F64, &value); break;
        case 1: tern_read(ctx, x, TERN_F64, NULL); break;
        case 2: assert_true(tern_read_scalar(ctx, NULL) == 0); break;
        case 3: tern_write(ctx, NULL, TERN_F64, &value); break;
        case 4: given = tern_keep(ctx, NULL); break;
        case 5: tern_seed_grad(ctx, NULL, TERN_F64, &value); break;
        case 6: given = tern_require_grad(ctx, NULL); break;
        case 7: given = tern_linear(ctx, x, NULL, NULL, (tern_linear_opts){ 0 }); break;
        case 8: given = tern_input(ctx, "y", TERN_F64, 1, NULL, &value); break;
        default: given = tern_param(ctx, "p", 1, NULL, (tern_param_opts){ 0 }); break;
        }
        if (tern_ctx_error(ctx)->code != TERN_ERR_ARGUMENT)
            fail_msg("function %d: %s", i, tern_ctx_error(ctx)->message);
        assert_non_null(given);
        tern_ctx_free(ctx);
    }
}

static void parameters_without_memory_are_an_error(void **state)
{
    (void)state;
    static const char *const devices[] = { "ref", "meta" };
    double value = 1;
    for (int i = 0; i < 8; i++) {
        tern_error error = { 0 };
        tern_ctx *ctx = tern_ctx_new((tern_ctx_opts){ .device = devices[i % 2] }, &error);
        assert_non_null(ctx);
        tern_scope_push(ctx, "model");
        tern_tensor *weight = tern_param(ctx, "weight", 2, (int64_t[]){ 2, 3 },
                                         (tern_param_opts){ 0 });
        tern_step_begin(ctx, 0);
        tern_tensor *x = input(ctx, "x", 4, 3);
        switch (i / 2) {
        case 0: tern_linear(ctx, x, weight, NULL, (tern_linear_opts){ 0 }); break;
        case 1: tern_read(ctx, weight, TERN_F64, (double[6]){ 0 }); break;
        case 2: tern_write(ctx, weight, TERN_F64, &value); break;
        default: tern_keep(ctx, weight); break;
        }
        assert_tern_fails(ctx, TERN_ERR_STATE, i / 2 ? "model: parameter" : "model: linear: ");
        assert_tern_fails(ctx, TERN_ERR_STATE, "parameter model.weight [2,3] has no memory yet: "
                                               "call tern_params_freeze");
        tern_ctx_free(ctx);
    }
}

static void meta_declares_shapes_without_memory(void **state)
{
    (void)state;
    tern_error error = { 0 };
    tern_ctx *ctx = tern_ctx_new((tern_ctx_opts){ .device = "meta" }, &error);
    assert_non_null(ctx);
    tern_step_begin(ctx, 0);
    int64_t big[] = { 1 << 20, 1 << 20 };
    tern_tensor *x = tern_input(ctx, "x", TERN_F32, 2, big, NULL);
    tern_tensor *y = tern_linear(ctx, x, x, NULL, (tern_linear_opts){ 0 });
    assert_tern_ok(ctx);
    assert_int_equal(y->shape[1], 1 << 20);
    assert_true(tern_step_flops(ctx) == 2.0 * 0x1p60);
    tern_ctx_free(ctx);
}

static void unknown_devices_suggest_the_nearest(void **state)
{
    (void)state;
    tern_error error = { 0 };
    assert_null(tern_ctx_new((tern_ctx_opts){ .device = "cuda-sin" }, &error));
    assert_non_null(strstr(error.message, "did you mean cuda-sim?"));
}

static void a_poisoned_step_has_nan_where_nothing_was_written(void **state)
{
    (void)state;
    tern_ctx *ctx = open_ref(false);
    const double *memory = NULL;
    for (int step = 0; step < 3; step++) {
        tern_step_begin(ctx, 0);
        if (step == 2) {
            assert_true(memory[0] < 1e9);
            tern_step_poison(ctx);
            assert_true(isnan(memory[0]));
        }
        memory = input(ctx, "x", 2, 3)->data;
        assert_true(memory[0] < 1e9);
    }
    tern_step_poison(ctx); /* too late: x would be lost */
    assert_tern_fails(ctx, TERN_ERR_STATE, "has tensors already");
    assert_true(memory[0] < 1e9);
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_error_sticks_and_names_shapes),
        cmocka_unit_test(using_a_tensor_of_an_earlier_step_is_an_error),
        cmocka_unit_test(mixed_contexts_are_an_error),
        cmocka_unit_test(backward_twice_is_an_error),
        cmocka_unit_test(backward_of_many_elements_needs_a_seed),
        cmocka_unit_test(a_tensor_given_twice_gets_both_shares),
        cmocka_unit_test(every_error_is_told_and_says_where),
        cmocka_unit_test(overflowing_sizes_are_an_error),
        cmocka_unit_test(parameters_depend_on_name_and_seed_only),
        cmocka_unit_test(null_instead_of_a_tensor_is_an_error),
        cmocka_unit_test(parameters_without_memory_are_an_error),
        cmocka_unit_test(meta_declares_shapes_without_memory),
        cmocka_unit_test(unknown_devices_suggest_the_nearest),
        cmocka_unit_test(a_poisoned_step_has_nan_where_nothing_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
