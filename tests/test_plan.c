/* Promises of the memory plan: whatever a step shares memory with, its results are those of
 * a step that shares none. */
#include "tests/check.h"

#include "kernels/linear/linear.h"

#include <math.h>
#include <string.h>

/* With poison, memory that is given away is overwritten. */
static tern_ctx *open_ref(bool poison)
{
    return open_context((tern_ctx_opts){ .device = "ref", .poison = poison });
}

static tern_tensor *input(tern_ctx *ctx, const char *name, int64_t rows, int64_t columns)
{
    double values[64];
    for (int i = 0; i < rows * columns; i++)
        values[i] = sin(1.0 + i) + 0.1;
    return tern_input(ctx, name, TERN_F64, 2, (int64_t[]){ rows, columns }, values);
}

static tern_tensor *chain(tern_ctx *ctx, tern_tensor *x, tern_tensor *weight, int layers)
{
    for (int i = 0; i < layers; i++)
        x = tern_linear(ctx, x, weight, NULL, (tern_linear_opts){ .activation = TERN_ACT_TANH });
    return x;
}

/* One training-like step; the loss and the gradient of x come back. */
static void step(tern_ctx *ctx, bool dry, double *out)
{
    double y[12], seed[12];
    if (dry)
        tern_step_begin_dry(ctx, 7);
    else
        tern_step_begin(ctx, 7);
    for (int i = 0; i < 12; i++)
        seed[i] = cos(i);
    tern_tensor *x = tern_require_grad(ctx, input(ctx, "x", 4, 3));
    tern_tensor *weight = tern_require_grad(ctx, input(ctx, "w", 3, 3));
    tern_tensor *last = chain(ctx, x, weight, 12);
    tern_seed_grad(ctx, last, TERN_F64, seed);
    tern_backward(ctx, NULL);
    tern_read(ctx, last, TERN_F64, y);
    tern_read(ctx, x->grad, TERN_F64, out);
    tern_read(ctx, weight->grad, TERN_F64, out + 12);
    out[21] = y[5];
    assert_tern_ok(ctx);
}

static void planned_steps_give_the_bits_of_unplanned_ones(void **state)
{
    (void)state;
    tern_ctx *fresh = open_ref(true), *planned = open_ref(true);
    double want[22], got[22];
    tern_set_recording(fresh, true);
    tern_set_recording(planned, true);
    step(fresh, false, want);
    step(planned, true, got);
    size_t unplanned = tern_memory(planned).unplanned_bytes;
    for (int repeat = 0; repeat < 3; repeat++) {
        step(planned, false, got);
        assert_memory_equal(want, got, sizeof want);
    }
    assert_true(tern_memory(planned).arena_bytes < unplanned * 3 / 4);
    tern_ctx_free(fresh);
    tern_ctx_free(planned);
}

static void nothing_is_allocated_after_the_second_step(void **state)
{
    (void)state;
    tern_ctx *ctx = open_ref(false);
    double out[22];
    tern_set_recording(ctx, true);
    step(ctx, false, out);
    step(ctx, false, out);
    uint64_t before = tern_memory(ctx).host_allocations;
    for (int repeat = 0; repeat < 5; repeat++)
        step(ctx, false, out);
    assert_int_equal(tern_memory(ctx).host_allocations, before);
    tern_ctx_free(ctx);
}

/* A step of the same signature that goes on longer must not be given memory that
 * is still in use, and a tensor whose memory is gone must be refused. */
static void departing_from_the_plan_is_right_or_refused(void **state)
{
    (void)state;
    tern_ctx *ctx = open_ref(true), *plain = open_ref(true);
    double want[12], got[12];
    for (int layers = 3; layers <= 9; layers += 3) {
        tern_step_begin(ctx, 1);
        tern_tensor *weight = input(ctx, "w", 3, 3);
        tern_read(ctx, chain(ctx, input(ctx, "x", 4, 3), weight, layers), TERN_F64, got);
        tern_step_begin(plain, (uint64_t)layers);
        weight = input(plain, "w", 3, 3);
        tern_read(plain, chain(plain, input(plain, "x", 4, 3), weight, layers), TERN_F64, want);
        assert_tern_ok(ctx);
        assert_memory_equal(want, got, sizeof want);
    }
    tern_step_begin(ctx, 1);
    tern_tensor *weight = input(ctx, "w", 3, 3);
    tern_tensor *first = chain(ctx, input(ctx, "x", 4, 3), weight, 1);
    chain(ctx, first, weight, 8);
    tern_read(ctx, first, TERN_F64, got);
    assert_tern_fails(ctx, TERN_ERR_STATE, "its memory has been reused");
    tern_ctx_free(ctx);
    tern_ctx_free(plain);
}

/* A plan must not give away what the caller may look at in another step: results
 * that no op consumed, such as the loss and the gradients of inputs. */
static void results_may_be_read_in_some_steps_only(void **state)
{
    (void)state;
    tern_ctx *ctx = open_ref(true);
    double seed[12], grad[12], first[12];
    tern_set_recording(ctx, true);
    for (int i = 0; i < 12; i++)
        seed[i] = cos(i);
    for (int repeat = 0; repeat < 4; repeat++) {
        tern_step_begin(ctx, 0);
        tern_tensor *x = tern_require_grad(ctx, input(ctx, "x", 4, 3));
        tern_tensor *weight = input(ctx, "w", 3, 3);
        tern_tensor *last = chain(ctx, x, weight, 6);
        tern_seed_grad(ctx, last, TERN_F64, seed);
        tern_backward(ctx, NULL);
        chain(ctx, input(ctx, "other", 4, 3), weight, 6); /* would reuse the memory */
        if (repeat > 0) {
            tern_read(ctx, last, TERN_F64, grad);
            tern_read(ctx, x->grad, TERN_F64, repeat == 1 ? first : grad);
            assert_tern_ok(ctx);
        }
        if (repeat > 1)
            assert_memory_equal(first, grad, sizeof grad);
    }
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planned_steps_give_the_bits_of_unplanned_ones),
        cmocka_unit_test(nothing_is_allocated_after_the_second_step),
        cmocka_unit_test(departing_from_the_plan_is_right_or_refused),
        cmocka_unit_test(results_may_be_read_in_some_steps_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
