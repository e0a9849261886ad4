/* Promises of the device cuda-sim: the ops that have CUDA kernels give what ref gives,
 * and the same bits in whatever order simulated threads run; memory, parameters and
 * steps work as on any device. */
#include "tests/check.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/params.h"
#include "core/registry.h"
#include "kernels/layer_norm/layer_norm.h"
#include "kernels/linear/linear.h"
#include "kernels/table.h"
#include "tests/against_ref.h"
#include "tests/op_run.h"
#include "tests/sim.h"

/* ------------------------------------------------------------ real kernels -- */

/* Sizes around those of tiles, warps, quads and strips; both ways of layer_norm to
 * share a row among threads; enough rows for several strips. */
static const tern_sample linear_samples[] = {
    { TERN_SAMPLE_CHECK, "x=[65,129] weight=[67,129] bias=[67]", "activation=sigmoid" },
    { TERN_SAMPLE_CHECK, "x=[64,64]{-0.1..0.1} weight=[128,64] bias=[128]", "activation=gelu" },
    { TERN_SAMPLE_CHECK, "x=[1,300]{-0.1..0.1} weight=[31,300] bias=[31]", "activation=tanh" },
    { TERN_SAMPLE_CHECK, "x=[6200,3] weight=[1,3] bias=[1]", "activation=relu" },
    { TERN_SAMPLE_CHECK, "x=[2,3,1,4] weight=[260,4]", "" },
    { TERN_SAMPLE_CHECK, "x=[131] weight=[5,131] bias=[5]", "" },
    { TERN_SAMPLE_CHECK, "x=[4,0] weight=[5,0] bias=[5]", "activation=gelu" },
    { TERN_SAMPLE_CHECK, "x=[4,3] weight=[0,3] bias=[0]", "" },
    { 0, NULL, NULL },
};

static const tern_sample layer_norm_samples[] = {
    { TERN_SAMPLE_CHECK, "x=[101,128] gain=[128] bias=[128]", "" },
    { TERN_SAMPLE_CHECK, "x=[33,37] gain=[37] bias=[37]", "" },
    { TERN_SAMPLE_CHECK, "x=[3,1028] gain=[1028] bias=[1028]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,1031] gain=[1031]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,3,5,8] bias=[8]", "" },
    { TERN_SAMPLE_CHECK, "x=[3,0] gain=[0] bias=[0]", "" },
    { 0, NULL, NULL },
};

static void every_cuda_op_agrees_with_ref_on_its_samples(void **state)
{
    tern_ctx *ctx[2] = { open_sim("forward"), open_sim("random") };
    int ops = 0;
    (void)state;
    for (const tern_op *const *op = tern_op_table(); *op; op++)
        if (tern_find_impl(ctx[0], *op)) {
            assert_follows_ref(*op, (*op)->samples, ctx, 2);
            ops++;
        }
    assert_true(ops >= 2);
    tern_ctx_free(ctx[0]);
    tern_ctx_free(ctx[1]);
}

static void linear_and_layer_norm_agree_with_ref_on_awkward_shapes(void **state)
{
    tern_ctx *ctx = open_sim("forward");
    (void)state;
    assert_follows_ref(tern_op_find("linear", NULL), linear_samples, &ctx, 1);
    assert_follows_ref(tern_op_find("layer_norm", NULL), layer_norm_samples, &ctx, 1);
    tern_ctx_free(ctx);
}

/* Tiles of 128 are for products that fill the chip.  Sums over 12200 rows. */
static void large_products_agree_with_cpu(void **state)
{
    static const double tolerance[] = { 2e-6, 1e-4, 1e-4 };
    const char *inputs = "x=[12200,5]{-0.5..0.5} weight=[70,5] bias=[70]";
    const op_run_how once = { .uses = 1 };
    op_result cpu = op_run("cpu", "linear", inputs, "activation=gelu", once);
    op_result sim = op_run("cuda-sim", "linear", inputs, "activation=gelu", once);
    (void)state;
    assert_values_near(&sim.out[0], &cpu.out[0], 1e-6);
    for (int i = 0; i < 3; i++)
        assert_values_near(&sim.grad[i], &cpu.grad[i], tolerance[i]);
    op_result_free(&cpu);
    op_result_free(&sim);
}

static op_result run_in_order(const char *op, const tern_sample *sample, const char *order)
{
    setenv("TERN_SIM_ORDER", order, 1);
    op_result result =
        op_run("cuda-sim", op, sample->inputs, sample->options, (op_run_how){ .uses = 2 });
    unsetenv("TERN_SIM_ORDER");
    return result;
}

static void assert_bits_do_not_depend_on_order(const char *op, const tern_sample *samples)
{
    for (const tern_sample *sample = samples; sample->uses; sample++) {
        op_result first = run_in_order(op, sample, orders[0]);
        for (int i = 1; i < ORDERS; i++) {
            op_result other = run_in_order(op, sample, orders[i]);
            assert_same_bits(orders[i], &first, &other);
            op_result_free(&other);
        }
        op_result_free(&first);
    }
}

static void bits_do_not_depend_on_the_order_of_threads(void **state)
{
    (void)state;
    assert_bits_do_not_depend_on_order("linear", linear_samples);
    assert_bits_do_not_depend_on_order("layer_norm", layer_norm_samples);
}

/* ------------------------------------------------------------------ device -- */

enum { ROWS = 40, WIDTH = 48, STEPS = 4 };

/* Training steps of a chain of both ops, small and large by turns, so that memory is
 * planned, grows and shrinks.  Returns the gradient of the weight, kept from the first
 * large step, and of the last one. */
static void train(tern_ctx *ctx, float *first, float *last)
{
    float x[ROWS * WIDTH];
    for (int i = 0; i < ROWS * WIDTH; i++)
        x[i] = sinf((float)i);
    tern_init normal = { .kind = TERN_INIT_NORMAL, .scale = 0.2 };
    tern_tensor *weight = tern_param(ctx, "weight", 2, (int64_t[]){ WIDTH, WIDTH },
                                     (tern_param_opts){ .init = normal });
    tern_tensor *gain = tern_param(ctx, "gain", 1, (int64_t[]){ WIDTH },
                                   (tern_param_opts){ .init = { .kind = TERN_INIT_ONE } });
    tern_tensor *kept = NULL;
    tern_params_freeze(ctx);
    tern_set_training(ctx, true);
    for (int step = 0; step < 2 * STEPS; step++) {
        int64_t rows = step % 2 ? ROWS : 1;
        tern_step_begin(ctx, (uint64_t)rows);
        tern_tensor *y = tern_input(ctx, "x", TERN_F32, 2, (int64_t[]){ rows, WIDTH }, x);
        for (int layer = 0; layer < 3; layer++) {
            y = tern_linear(ctx, y, weight, NULL, (tern_linear_opts){ .activation = TERN_ACT_GELU });
            y = tern_layer_norm(ctx, y, gain, NULL, (tern_layer_norm_opts){ 0 });
        }
        tern_seed_grad(ctx, y, TERN_F32, x);
        tern_backward(ctx, NULL);
        if (step == 1)
            kept = tern_keep(ctx, weight->grad);
    }
    assert_tern_ok(ctx);
    tern_read(ctx, kept, TERN_F32, first);
    tern_read(ctx, weight->grad, TERN_F32, last);
    assert_tern_ok(ctx);
}

static void steps_repeat_bit_for_bit_and_follow_cpu(void **state)
{
    static float first[WIDTH * WIDTH], last[WIDTH * WIDTH], cpu[WIDTH * WIDTH];
    float largest = 0;
    tern_error error = { 0 };
    tern_ctx *sim = open_sim("random");
    tern_ctx *host = tern_open((tern_ctx_opts){ .threads = 1, .seed = 7 }, &error);
    (void)state;
    assert_non_null(host);
    train(sim, first, last);
    assert_memory_equal(first, last, sizeof last);
    train(host, first, cpu);
    for (int i = 0; i < WIDTH * WIDTH; i++)
        largest = fmaxf(largest, fabsf(cpu[i]));
    for (int i = 0; i < WIDTH * WIDTH; i++)
        assert_true(fabsf(last[i] - cpu[i]) <= 1e-5f * largest);
    tern_ctx_free(sim);
    tern_ctx_free(host);
}

static void *train_alone(void *gradient)
{
    static _Thread_local float first[WIDTH * WIDTH];
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "cuda-sim", .poison = true }, &error);
    if (ctx)
        train(ctx, first, gradient);
    tern_ctx_free(ctx);
    return NULL;
}

static void contexts_on_two_threads_do_not_disturb_each_other(void **state)
{
    static float gradients[3][WIDTH * WIDTH];
    pthread_t other;
    (void)state;
    train_alone(gradients[0]);
    assert_int_equal(pthread_create(&other, NULL, train_alone, gradients[1]), 0);
    train_alone(gradients[2]);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_true(gradients[0][0] != 0);
    assert_memory_equal(gradients[0], gradients[1], sizeof gradients[0]);
    assert_memory_equal(gradients[0], gradients[2], sizeof gradients[0]);
}

/* The host that follows a device pointer stops, as with a real GPU. */
static void device_memory_is_out_of_reach_for_the_host(void **state)
{
    (void)state;
    tern_ctx *ctx = open_sim("forward");
    tern_step_begin(ctx, 0);
    tern_tensor *x = tern_full(ctx, 1, (int64_t[]){ 1 }, 42);
    assert_true(tern_read_scalar(ctx, x) == 42);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        _exit(*(volatile float *)x->data == 42 ? 0 : 1);
    }
    int status = 0;
    assert_true(waitpid(child, &status, 0) == child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    tern_ctx_free(ctx);
}

/* ----------------------------------------------------------------- opening -- */

static void an_unknown_order_is_refused(void **state)
{
    static const char *const wrong[] = { "backward", "random:", "random:x", "random:1 2", "forward:1" };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        tern_error error = { 0 };
        setenv("TERN_SIM_ORDER", wrong[i], 1);
        assert_null(tern_open((tern_ctx_opts){ .device = "cuda-sim" }, &error));
        unsetenv("TERN_SIM_ORDER");
        assert_int_equal(error.code, TERN_ERR_OPTION);
        assert_non_null(strstr(error.message, "TERN_SIM_ORDER"));
        assert_non_null(strstr(error.message, wrong[i]));
    }
}

/* On a machine with neither plugin, driver nor GPU the message says which is missing;
 * there is no falling back. */
static void cuda_without_a_gpu_says_what_is_missing(void **state)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "cuda" }, &error);
    (void)state;
    if (ctx) {
        assert_string_equal(tern_device(ctx), "cuda");
        tern_ctx_free(ctx);
        return;
    }
    assert_int_equal(error.code, TERN_ERR_MISSING);
    assert_true(strstr(error.message, "plugin") || strstr(error.message, "driver") ||
                strstr(error.message, "device"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cuda_op_agrees_with_ref_on_its_samples),
        cmocka_unit_test(linear_and_layer_norm_agree_with_ref_on_awkward_shapes),
        cmocka_unit_test(large_products_agree_with_cpu),
        cmocka_unit_test(bits_do_not_depend_on_the_order_of_threads),
        cmocka_unit_test(steps_repeat_bit_for_bit_and_follow_cpu),
        cmocka_unit_test(contexts_on_two_threads_do_not_disturb_each_other),
        cmocka_unit_test(device_memory_is_out_of_reach_for_the_host),
        cmocka_unit_test(an_unknown_order_is_refused),
        cmocka_unit_test(cuda_without_a_gpu_says_what_is_missing),
    };
    return cmocka_run_group_tests_name("cuda_sim", tests, NULL, NULL);
}
