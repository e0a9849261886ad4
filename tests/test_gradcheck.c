/* Backward is the derivative of forward, for every op; and the check that says so
 * notices when it is not. */
#include "tests/check.h"

#include <string.h>

#include "core/registry.h"
#include "kernels/gradcheck.h"
#include "kernels/table.h"

static tern_ctx *open_ref(void)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "ref", .seed = 1, .poison = true }, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    return ctx;
}

static bool has_gradient(const tern_op *op)
{
    for (int i = 0; i < tern_op_input_count(op); i++)
        if (op->in[i].flags & TERN_DIFF)
            return true;
    return false;
}

static void every_backward_is_the_derivative_of_its_forward(void **state)
{
    (void)state;
    tern_ctx *ctx = open_ref();
    int ops = 0;
    for (const tern_op *const *op = tern_op_table(); *op; op++) {
        tern_gradcheck_result result = { 0 };
        tern_gradcheck(ctx, *op, &result);
        assert_tern_ok(ctx);
        if (result.failed)
            fail_msg("%d of %d directions: %s", result.failed, result.checked,
                     result.failure[0]);
        if (has_gradient(*op) && !result.checked)
            fail_msg("%s: nothing was checked", (*op)->name);
        ops++;
    }
    assert_true(ops > 0);
    tern_ctx_free(ctx);
}

/* ---------------------------------------------------------- wrong signs -- */

/* A provider whose backward turns the sign of one input's gradient. */
static struct {
    const tern_impl *original;
    tern_impl wrapper;
    int input;
} flipping;

static void flipped_backward(tern_call *call)
{
    flipping.original->backward(call);
    const tern_tensor *grad = call->grad_in[flipping.input];
    for (int64_t i = 0; grad && i < grad->count; i++)
        ((double *)grad->data)[i] *= -1;
}

static void assert_flip_is_seen(const tern_op *op, int input)
{
    tern_ctx *ctx = open_ref();
    tern_gradcheck_result result = { 0 };
    flipping.original = tern_find_impl(ctx, op);
    flipping.wrapper = *flipping.original;
    flipping.wrapper.provider = "flipped";
    flipping.wrapper.backward = flipped_backward;
    flipping.input = input;
    tern_add_impl(ctx, &flipping.wrapper);
    tern_set_provider(ctx, op->name, "flipped");
    tern_gradcheck(ctx, op, &result);
    assert_tern_ok(ctx);
    char place[80];
    snprintf(place, sizeof place, ", input %s", op->in[input].name);
    if (result.failed && (strncmp(result.failure[0], op->name, strlen(op->name)) != 0 ||
                          !strstr(result.failure[0], place)))
        fail_msg("%s: %s", place, result.failure[0]);
    if (!result.failed)
        fail_msg("%s: the gradient of %s has the wrong sign and %d directions pass", op->name,
                 op->in[input].name, result.checked);
    tern_ctx_free(ctx);
}

static void a_wrong_sign_in_any_backward_is_seen(void **state)
{
    (void)state;
    int flips = 0;
    for (const tern_op *const *op = tern_op_table(); *op; op++)
        for (int input = 0; input < tern_op_input_count(*op); input++)
            /* An op that aliases passes its gradient on without a kernel. */
            if (((*op)->in[input].flags & TERN_DIFF) && !(*op)->aliases) {
                assert_flip_is_seen(*op, input);
                flips++;
            }
    assert_true(flips > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_backward_is_the_derivative_of_its_forward),
        cmocka_unit_test(a_wrong_sign_in_any_backward_is_seen),
    };
    return cmocka_run_group_tests_name("gradcheck", tests, NULL, NULL);
}
