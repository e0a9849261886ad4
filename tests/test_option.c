/* Options as text, as after `tern op --set`: what is written is what the op sees, and what
 * cannot be is refused by name. */
#include "tests/check.h"

#include <string.h>

#include "kernels/adamw/adamw.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/elementwise/unary.h"
#include "kernels/reduce/reduce.h"
#include "kernels/problem.h"
#include "kernels/table.h"

static void parse(const tern_op *op, void *options, const char *name, const char *value)
{
    tern_error error = { 0 };
    if (!tern_option_parse(op, options, name, value, &error))
        fail_msg("%s", error.message);
}

/* The message with which op refuses name=value. */
static const char *refusal(const char *op, const char *name, const char *value)
{
    static tern_error error;
    char options[512] = { 0 };
    const tern_op *contract = tern_op_find(op, &error);
    assert_true(contract && contract->options_size <= sizeof options);
    error = (tern_error){ 0 };
    assert_false(tern_option_parse(contract, options, name, value, &error));
    assert_int_equal(error.code, TERN_ERR_OPTION);
    return error.message;
}

static void a_value_that_is_written_is_given(void **state)
{
    (void)state;
    tern_clamp_opts clamp = { 0 };
    parse(&tern_op_clamp, &clamp, "max", "0");
    assert_true(clamp.has_max && clamp.max == 0 && !clamp.has_min);
    tern_var_opts var = { 0 };
    parse(&tern_op_var, &var, "correction", "0");
    parse(&tern_op_var, &var, "axes", "0");
    assert_true(var.has_correction && var.over.axis_count == 1);
    tern_conv2d_opts conv = { 0 };
    parse(&tern_op_conv2d, &conv, "stride", "3");
    parse(&tern_op_conv2d, &conv, "pad", "0,2");
    assert_true(conv.stride[0] == 3 && conv.stride[1] == 3 && conv.pad[0] == 0 && conv.pad[1] == 2);
}

/* Of Adam with beta1 = 0 the first moment is the gradient. */
static void a_zero_that_is_written_is_not_the_default(void **state)
{
    (void)state;
    tern_adamw_opts adamw = { 0 };
    parse(&tern_op_adamw, &adamw, "beta1", "0");
    parse(&tern_op_adamw, &adamw, "step", "1");
    tern_ctx *ctx = open_recording("ref");
    double values[4] = { 1, 0.5, 0.25, 0.75 };
    tern_tensor *in[5] = { NULL };
    for (int i = 0; i < 4; i++)
        in[i] = tern_input(ctx, "in", TERN_F64, 1, (int64_t[]){ 1 }, &values[i]);
    tern_apply(ctx, &tern_op_adamw, in, 5, &adamw, NULL);
    assert_tern_ok(ctx);
    assert_true(tern_read_scalar(ctx, in[2]) == 0.5);
    tern_ctx_free(ctx);
}

static void a_zero_that_cannot_be_is_refused(void **state)
{
    (void)state;
    assert_string_equal(refusal("conv2d", "stride", "0"),
                        "conv2d: stride=0: it cannot be 0; the default is 1");
    assert_string_equal(refusal("conv2d", "dilation", "2,0"),
                        "conv2d: dilation=2,0: it cannot be 0; the default is 1");
    assert_string_equal(refusal("focal", "gamma", "0.0"),
                        "focal: gamma=0.0: it cannot be 0; the default is 2");
}

static void what_is_no_value_of_an_option_is_refused(void **state)
{
    (void)state;
    assert_string_equal(refusal("conv2d", "stride", "1,2,3"),
                        "conv2d: stride=1,2,3: at most 2 numbers wanted");
    assert_string_equal(refusal("conv2d", "stride", "1,"),
                        "conv2d: stride=1,: numbers with commas between them wanted");
    assert_string_equal(refusal("conv2d", "groups", "1,2"),
                        "conv2d: groups=1,2: at most 1 number wanted");
    assert_string_equal(refusal("conv2d", "pad", "1.5"), "conv2d: pad=1.5: a whole number wanted");
    assert_string_equal(refusal("conv2d", "pad", "1e30"), "conv2d: pad=1e30: a whole number wanted");
    assert_string_equal(refusal("conv2d", "pad", "nan"), "conv2d: pad=nan: a whole number wanted");
    assert_string_equal(refusal("huber", "delta", "one"), "huber: delta=one: a number wanted");
    assert_string_equal(refusal("huber", "delta", "1e999"), "huber: delta=1e999: a number wanted");
    assert_string_equal(refusal("attention", "causal", "maybe"),
                        "attention: causal=maybe: it must be true or false");
    assert_string_equal(refusal("conv2d", "activation", "swish"),
                        "conv2d: activation=swish: it must be one of none, relu, gelu, sigmoid, tanh");
    assert_string_equal(refusal("conv2d", "strid", "1"),
                        "conv2d has no option strid, did you mean stride?");
}

/* Options from text, with defaults in place of zeros as kernels see them. */
static void resolve(const tern_op *op, const char *text, char *options, size_t size)
{
    tern_problem problem = { .op = op, .options = options };
    tern_error error = { 0 };
    assert_true(op->options_size <= size);
    memset(options, 0, size);
    if (!tern_problem_set_options(&problem, text, &error))
        fail_msg("%s: %s: %s", op->name, text, error.message);
}

static void options_as_text_are_read_back_the_same(void **state)
{
    (void)state;
    char options[512], again[512], text[512], second[512];
    int compared = 0;
    for (const tern_op *const *op = tern_op_table(); *op; op++)
        for (const tern_sample *sample = (*op)->samples; sample && sample->uses; sample++) {
            resolve(*op, sample->options, options, sizeof options);
            size_t length = tern_options_text(*op, options, text, sizeof text);
            assert_int_equal(length, strlen(text));
            resolve(*op, text, again, sizeof again);
            tern_options_text(*op, again, second, sizeof second);
            assert_string_equal(text, second);
            compared += *text != '\0';
        }
    assert_true(compared > 100);
}

/* What differs from the defaults, with as many digits as it takes. */
static void options_as_text_name_what_was_given(void **state)
{
    (void)state;
    char text[128];
    const tern_conv2d_opts conv = { .stride = { 2, 1 }, .pad = { 0, 3 }, .activation = 1 };
    tern_options_text(&tern_op_conv2d, &conv, text, sizeof text);
    assert_string_equal(text, "stride=2,1 pad=0,3 activation=relu");
    const tern_adamw_opts adamw = { .lr = 0.1, .has_beta1 = true, .eps = 1.0 / 3, .step = 2 };
    tern_options_text(&tern_op_adamw, &adamw, text, sizeof text);
    assert_string_equal(text, "lr=0.1 beta1=0 eps=0.3333333333333333 step=2");
    const tern_var_opts var = { .over = { .axes = { 0, 2 }, .axis_count = 2 } };
    tern_options_text(&tern_op_var, &var, text, sizeof text);
    assert_string_equal(text, "axes=0,2");
    assert_int_equal(tern_options_text(&tern_op_conv2d, &conv, text, 9), 34);
    assert_string_equal(text, "stride=2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_that_is_written_is_given),
        cmocka_unit_test(a_zero_that_is_written_is_not_the_default),
        cmocka_unit_test(a_zero_that_cannot_be_is_refused),
        cmocka_unit_test(what_is_no_value_of_an_option_is_refused),
        cmocka_unit_test(options_as_text_are_read_back_the_same),
        cmocka_unit_test(options_as_text_name_what_was_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
