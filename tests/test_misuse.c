/* Calls that make no sense are errors that say what was given, to whom and where; nothing
 * crashes, and the context goes on in its next step. */
#include "tests/check.h"

#include <string.h>

#include "core/params.h"
#include "core/registry.h"
#include "kernels/linear/linear.h"
#include "kernels/matmul/matmul.h"
#include "kernels/table.h"

static tern_tensor *input(tern_ctx *ctx, const char *name, int64_t rows, int64_t columns)
{
    const double values[64] = { 1, 2, 3 };
    return tern_input(ctx, name, TERN_F64, 2, (int64_t[]){ rows, columns }, values);
}

/* A context in its next step, without an error. */
static void go_on(tern_ctx *ctx)
{
    tern_clear_error(ctx);
    tern_step_begin(ctx, 0);
    tern_tensor *y = tern_linear(ctx, input(ctx, "x", 2, 3), input(ctx, "w", 4, 3), NULL,
                                 (tern_linear_opts){ 0 });
    double values[8];
    tern_read(ctx, y, TERN_F64, values);
    assert_tern_ok(ctx);
    assert_true(values[0] == 14);
}

#define assert_fails_and_goes_on(ctx, status, text)                                               \
    do {                                                                                          \
        assert_tern_fails(ctx, status, text);                                                     \
        go_on(ctx);                                                                               \
    } while (0)

static void null_in_place_of_values_is_told(void **state)
{
    (void)state;
    tern_ctx *ctx = open_recording("ref");
    double values[6] = { 7 };
    tern_read(ctx, input(ctx, "x", 2, 3), TERN_F64, NULL);
    assert_fails_and_goes_on(ctx, TERN_ERR_ARGUMENT, "x: no host memory given");
    tern_input(ctx, "x", TERN_F64, 1, (int64_t[]){ 3 }, NULL);
    assert_fails_and_goes_on(ctx, TERN_ERR_ARGUMENT, "x: no host values given");
    tern_input(ctx, "x", TERN_F64, 2, NULL, values);
    assert_fails_and_goes_on(ctx, TERN_ERR_ARGUMENT, "x has rank 2, but its shape is NULL");
    tern_linear(ctx, NULL, input(ctx, "w", 4, 3), NULL, (tern_linear_opts){ 0 });
    assert_fails_and_goes_on(ctx, TERN_ERR_ARGUMENT, "linear: input x is NULL");
    tern_keep(ctx, NULL);
    assert_fails_and_goes_on(ctx, TERN_ERR_ARGUMENT, "tern_keep: a tensor is wanted, NULL was given");
    tern_apply(ctx, NULL, NULL, 0, NULL, NULL);
    assert_fails_and_goes_on(ctx, TERN_ERR_ARGUMENT, "tern_apply: the op is NULL");
    tern_apply(ctx, &tern_op_linear, NULL, 3, NULL, NULL);
    assert_fails_and_goes_on(ctx, TERN_ERR_ARGUMENT, "linear: the list of inputs is NULL");
    tern_ctx_free(ctx);
}

static void null_in_place_of_a_name_is_told(void **state)
{
    (void)state;
    tern_ctx *ctx = open_recording("ref");
    tern_param(ctx, NULL, 1, (int64_t[]){ 2 }, (tern_param_opts){ 0 });
    assert_fails_and_goes_on(ctx, TERN_ERR_ARGUMENT, "a parameter is declared without a name");
    tern_state(ctx, "", 1, (int64_t[]){ 2 }, 0);
    assert_fails_and_goes_on(ctx, TERN_ERR_ARGUMENT, "a parameter is declared without a name");
    tern_group_params(ctx, NULL, (tern_group_opts){ .frozen = true });
    assert_fails_and_goes_on(ctx, TERN_ERR_ARGUMENT, "the pattern of names is NULL");
    tern_set_provider(ctx, "linear", NULL);
    assert_fails_and_goes_on(ctx, TERN_ERR_ARGUMENT, "the name of the provider is NULL");
    tern_set_provider(ctx, NULL, "openblas");
    assert_fails_and_goes_on(ctx, TERN_ERR_ARGUMENT, "the name of the op is NULL");
    tern_ctx_free(ctx);
}

/* What an op has read must not change before its backward reads it again. */
static void what_belongs_to_the_step_is_not_overwritten(void **state)
{
    (void)state;
    tern_ctx *ctx = open_recording("ref");
    double values[6] = { 7 };
    tern_tensor *x = input(ctx, "x", 2, 3), *kept = tern_keep(ctx, x);
    tern_write(ctx, kept, TERN_F64, values);
    tern_read(ctx, kept, TERN_F64, values);
    assert_tern_ok(ctx);
    assert_true(values[0] == 7);
    tern_write(ctx, x, TERN_F64, values);
    assert_fails_and_goes_on(ctx, TERN_ERR_STATE, "tern_write: x is of this step");
    tern_read_scalar(ctx, input(ctx, "x", 2, 3));
    assert_fails_and_goes_on(ctx, TERN_ERR_SHAPE,
                             "tern_read_scalar: one element is wanted, x is [2,3]");
    tern_scope_push(ctx, "layer");
    tern_scope_pop(ctx);
    assert_tern_ok(ctx);
    tern_scope_pop(ctx);
    assert_fails_and_goes_on(ctx, TERN_ERR_STATE, "tern_scope_pop without a tern_scope_push");
    tern_ctx_free(ctx);
}

static void a_full_tensor_on_meta_takes_no_memory(void **state)
{
    (void)state;
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "meta" }, &error);
    tern_step_begin(ctx, 0);
    tern_tensor *huge = tern_full(ctx, 1, (int64_t[]){ (int64_t)1 << 40 }, 1);
    assert_tern_ok(ctx);
    assert_int_equal(huge->count, (int64_t)1 << 40);
    tern_ctx_free(ctx);
}

static void a_tensor_of_another_context_is_told_by_everybody(void **state)
{
    (void)state;
    tern_ctx *ctx = open_recording("ref"), *other = open_recording("ref");
    tern_tensor *x = input(other, "x", 2, 3);
    double values[6] = { 0 };
    const char *foreign = "x belongs to another context";
    tern_read(ctx, x, TERN_F64, values);
    assert_fails_and_goes_on(ctx, TERN_ERR_ARGUMENT, foreign);
    tern_keep(ctx, x);
    assert_fails_and_goes_on(ctx, TERN_ERR_ARGUMENT, foreign);
    tern_write(ctx, x, TERN_F64, values);
    assert_fails_and_goes_on(ctx, TERN_ERR_ARGUMENT, foreign);
    tern_require_grad(ctx, x);
    assert_fails_and_goes_on(ctx, TERN_ERR_ARGUMENT, foreign);
    tern_backward(ctx, x);
    assert_fails_and_goes_on(ctx, TERN_ERR_ARGUMENT, foreign);
    tern_linear(ctx, x, input(ctx, "w", 4, 3), NULL, (tern_linear_opts){ 0 });
    assert_fails_and_goes_on(ctx, TERN_ERR_ARGUMENT, "linear: x belongs to another context");
    assert_tern_ok(other);
    tern_ctx_free(ctx);
    tern_ctx_free(other);
}

static void what_no_tensor_can_be_is_told(void **state)
{
    (void)state;
    tern_ctx *ctx = open_recording("cpu");
    const int64_t shape[7] = { 1, -2, 1, 1, 1, 1, 1 }, huge[] = { INT64_MAX, 3 };
    const int64_t larger_than_memory[] = { (int64_t)1 << 50 };
    double values[6] = { 0 };
    uint8_t bytes[6];
    tern_input(ctx, "x", TERN_NO_DTYPE, 1, shape, values);
    assert_fails_and_goes_on(ctx, TERN_ERR_DTYPE, "x has no element type");
    tern_input(ctx, "x", (tern_dtype)99, 1, shape, values);
    assert_fails_and_goes_on(ctx, TERN_ERR_DTYPE, "x has no element type");
    tern_input(ctx, "x", TERN_F64, 7, shape, values);
    assert_fails_and_goes_on(ctx, TERN_ERR_SHAPE, "x has rank 7, only 0 to 6 are possible");
    tern_input(ctx, "x", TERN_F64, -1, shape, values);
    assert_fails_and_goes_on(ctx, TERN_ERR_SHAPE, "x has rank -1");
    tern_input(ctx, "x", TERN_F64, 2, shape, values);
    assert_fails_and_goes_on(ctx, TERN_ERR_SHAPE, "axis 1 of x has a negative size: -2");
    tern_input(ctx, "x", TERN_F64, 2, huge, values);
    assert_fails_and_goes_on(ctx, TERN_ERR_MEMORY, "x [9223372036854775807,3] has more elements");
    tern_input(ctx, "x", TERN_U8, 1, larger_than_memory, bytes);
    assert_fails_and_goes_on(ctx, TERN_ERR_MEMORY, "x [1125899906842624]: a step needs");
    tern_full(ctx, 2, huge, 1);
    assert_fails_and_goes_on(ctx, TERN_ERR_MEMORY, "full [9223372036854775807,3] has more");
    tern_read(ctx, input(ctx, "x", 2, 3), TERN_U8, bytes);
    assert_fails_and_goes_on(ctx, TERN_ERR_DTYPE, "x: f32 values cannot become u8");
    tern_scope_push(ctx, "model");
    tern_param(ctx, "weight", 2, huge, (tern_param_opts){ .init = { .kind = TERN_INIT_ZERO } });
    assert_fails_and_goes_on(ctx, TERN_ERR_MEMORY, "model.weight [9223372036854775807,3] has more");
    tern_ctx_free(ctx);
}

static void sizes_that_overflow_in_an_op_name_it(void **state)
{
    (void)state;
    tern_ctx *meta = open_context((tern_ctx_opts){ .device = "meta" });
    const int64_t tall[] = { (int64_t)1 << 40, 1 }, wide[] = { 1, (int64_t)1 << 40 };
    tern_step_begin(meta, 0);
    tern_scope_push(meta, "attention");
    tern_tensor *a = tern_input(meta, "a", TERN_F32, 2, tall, NULL);
    tern_tensor *b = tern_input(meta, "b", TERN_F32, 2, wide, NULL);
    tern_matmul(meta, a, b, (tern_matmul_opts){ 0 });
    assert_tern_fails(meta, TERN_ERR_MEMORY,
                      "attention: matmul: y [1099511627776,1099511627776] has more elements");
    tern_ctx_free(meta);

    /* It can be counted, but no machine has so much. */
    tern_ctx *ctx = open_context((tern_ctx_opts){ .device = "cpu", .threads = 1 });
    enum { LONG = 1 << 22 };
    static float values[LONG];
    tern_step_begin(ctx, 0);
    a = tern_input(ctx, "a", TERN_F32, 2, (int64_t[]){ LONG, 1 }, values);
    b = tern_input(ctx, "b", TERN_F32, 2, (int64_t[]){ 1, LONG }, values);
    tern_matmul(ctx, a, b, (tern_matmul_opts){ 0 });
    assert_tern_fails(ctx, TERN_ERR_MEMORY, "matmul: y [4194304,4194304]: a step needs");
    tern_ctx_free(ctx);
}

static void ops_are_called_in_a_step_with_their_inputs(void **state)
{
    (void)state;
    tern_ctx *ctx = open_context((tern_ctx_opts){ .device = "ref" });
    tern_tensor *inputs[3] = { NULL };
    tern_error error = { 0 };
    const tern_op *linear = tern_op_find("linear", &error);
    tern_apply(ctx, linear, inputs, 3, NULL, NULL);
    assert_tern_fails(ctx, TERN_ERR_STATE, "linear: no step has begun");
    tern_clear_error(ctx);
    input(ctx, "x", 2, 3);
    assert_fails_and_goes_on(ctx, TERN_ERR_STATE, "no step has begun: call tern_step_begin first");
    tern_apply(ctx, linear, inputs, 2, NULL, NULL);
    assert_fails_and_goes_on(ctx, TERN_ERR_ARGUMENT, "linear: 2 inputs given, 3 wanted");
    tern_ctx_free(ctx);
}

static void shape_of_own(tern_call *call)
{
    tern_declare_out(call, 0, tern_real(call), call->in[0]->rank, call->in[0]->shape);
}

static void copy_on_ref(tern_call *call)
{
    memcpy(call->out[0]->data, call->in[0]->data, tern_tensor_bytes(call->in[0]));
}

static void what_a_device_lacks_is_told(void **state)
{
    (void)state;
    static const tern_op own = { .name = "own", .in = { { "x", TERN_REAL, TERN_DIFF, "[...]" } },
                                 .out = { { "y", TERN_REAL, 0, "[...]" } },
                                 .shape = shape_of_own };
    static const tern_impl on_ref = { .op = "own", .backend = "ref", .provider = "hand",
                                      .forward = copy_on_ref };
    static const char *const devices[] = { "cpu", "ref" };
    for (int d = 0; d < 2; d++) {
        tern_ctx *ctx = open_recording(devices[d]);
        const double seed[6] = { 0 };
        tern_add_op(ctx, &own);
        tern_add_impl(ctx, &on_ref);
        tern_scope_push(ctx, "model.end");
        tern_tensor *x = tern_require_grad(ctx, input(ctx, "x", 2, 3));
        tern_tensor *y = tern_apply(ctx, &own, &x, 1, NULL, NULL);
        tern_scope_pop(ctx);
        if (d == 0) {
            assert_tern_fails(ctx, TERN_ERR_MISSING,
                              "model.end: own: there is no implementation for device cpu");
        } else {
            tern_seed_grad(ctx, y, TERN_F64, seed);
            tern_backward(ctx, NULL);
            assert_tern_fails(ctx, TERN_ERR_MISSING,
                              "model.end: own: there is no backward for device ref");
        }
        tern_ctx_free(ctx);
    }
    tern_ctx *ctx = open_recording("ref");
    tern_load_plugin(ctx, "/no/plugin.so");
    assert_fails_and_goes_on(ctx, TERN_ERR_MISSING, "plugin /no/plugin.so: ");
    tern_set_provider(ctx, "linear", "cublas");
    assert_fails_and_goes_on(ctx, TERN_ERR_MISSING, "linear has no provider cublas on ref");
    tern_ctx_free(ctx);
}

static void backward_needs_a_beginning(void **state)
{
    (void)state;
    tern_ctx *ctx = open_recording("ref");
    const double seed[8] = { 0 };
    tern_tensor *x = tern_require_grad(ctx, input(ctx, "x", 2, 3)), *w = input(ctx, "w", 4, 3);
    tern_tensor *y = tern_linear(ctx, x, w, NULL, (tern_linear_opts){ 0 });
    tern_backward(ctx, NULL);
    assert_fails_and_goes_on(ctx, TERN_ERR_STATE, "there are none");
    x = tern_require_grad(ctx, input(ctx, "x", 2, 3));
    y = tern_linear(ctx, x, input(ctx, "w", 4, 3), NULL, (tern_linear_opts){ 0 });
    tern_seed_grad(ctx, y, TERN_F64, seed);
    tern_backward(ctx, y);
    assert_fails_and_goes_on(ctx, TERN_ERR_SHAPE, "backward starts from one element, y is [2,4]");
    w = input(ctx, "w", 4, 3);
    tern_seed_grad(ctx, w, TERN_F64, seed);
    assert_fails_and_goes_on(ctx, TERN_ERR_STATE, "w needs no gradient");
    y = tern_linear(ctx, input(ctx, "x", 1, 3), input(ctx, "w", 1, 3), NULL,
                    (tern_linear_opts){ 0 });
    tern_backward(ctx, y);
    assert_fails_and_goes_on(ctx, TERN_ERR_STATE, "backward of y, which no gradient reaches");
    tern_set_recording(ctx, false);
    x = tern_require_grad(ctx, input(ctx, "x", 1, 3));
    y = tern_linear(ctx, x, input(ctx, "w", 1, 3), NULL, (tern_linear_opts){ 0 });
    tern_backward(ctx, y);
    assert_fails_and_goes_on(ctx, TERN_ERR_STATE, "recording mode");
    x = tern_input(ctx, "ids", TERN_I32, 0, NULL, &(int32_t){ 1 });
    tern_require_grad(ctx, x);
    assert_fails_and_goes_on(ctx, TERN_ERR_DTYPE, "ids holds i32: only reals have gradients");
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_in_place_of_values_is_told),
        cmocka_unit_test(null_in_place_of_a_name_is_told),
        cmocka_unit_test(what_belongs_to_the_step_is_not_overwritten),
        cmocka_unit_test(a_full_tensor_on_meta_takes_no_memory),
        cmocka_unit_test(a_tensor_of_another_context_is_told_by_everybody),
        cmocka_unit_test(what_no_tensor_can_be_is_told),
        cmocka_unit_test(sizes_that_overflow_in_an_op_name_it),
        cmocka_unit_test(ops_are_called_in_a_step_with_their_inputs),
        cmocka_unit_test(what_a_device_lacks_is_told),
        cmocka_unit_test(backward_needs_a_beginning),
    };
    return cmocka_run_group_tests_name("misuse", tests, NULL, NULL);
}
