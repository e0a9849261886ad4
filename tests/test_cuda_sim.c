/* Promises of the device cuda-sim: the ops that have CUDA kernels give what ref gives,
 * and the same bits in whatever order simulated threads run; kernels with a planted
 * fault (tests/sim_faults.cu) are reported or give themselves away. */
#include "tests/check.h"

#include <libgen.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/registry.h"
#include "kernels/elementwise/unary.h"
#include "kernels/table.h"
#include "tests/against_ref.h"
#include "tests/op_run.h"

/* Orders in which simulated threads take turns. */
static const char *const orders[] = { "forward", "reverse", "random:1", "random:2" };
enum { ORDERS = sizeof orders / sizeof orders[0] };

static tern_ctx *open_sim(const char *order)
{
    tern_error error = { 0 };
    setenv("TERN_SIM_ORDER", order, 1);
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "cuda-sim", .poison = true }, &error);
    unsetenv("TERN_SIM_ORDER");
    if (!ctx)
        fail_msg("%s", error.message);
    return ctx;
}

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

/* Tiles of 128 are for products that fill the chip. */
static void large_products_agree_with_cpu(void **state)
{
    const char *inputs = "x=[12200,5]{-0.5..0.5} weight=[70,5] bias=[70]";
    op_result cpu = op_run("linear", inputs, "activation=gelu", (op_run_how){ .device = "cpu" });
    op_result sim = op_run("linear", inputs, "activation=gelu",
                           (op_run_how){ .device = "cuda-sim" });
    (void)state;
    assert_values_near("y", &sim.out[0], &cpu.out[0], NULL, 1e-6);
    assert_values_near("grad_x", &sim.grad[0], &cpu.grad[0], NULL, 2e-6);
    assert_values_near("grad_weight", &sim.grad[1], &cpu.grad[1], NULL, 1e-4);
    assert_values_near("grad_bias", &sim.grad[2], &cpu.grad[2], NULL, 1e-4);
    op_result_free(&cpu);
    op_result_free(&sim);
}

static op_result run_in_order(const char *op, const tern_sample *sample, const char *order)
{
    setenv("TERN_SIM_ORDER", order, 1);
    op_result result = op_run(op, sample->inputs, sample->options,
                              (op_run_how){ .device = "cuda-sim", .uses = 2 });
    unsetenv("TERN_SIM_ORDER");
    return result;
}

static void assert_bits_do_not_depend_on_order(const char *op, const tern_sample *samples)
{
    for (const tern_sample *sample = samples; sample->uses; sample++) {
        op_result first = run_in_order(op, sample, orders[0]);
        for (int i = 1; i < ORDERS; i++) {
            op_result other = run_in_order(op, sample, orders[i]);
            if (!op_results_equal(&first, &other))
                fail_msg("%s(%s %s): order %s gives other bits", op, sample->inputs,
                         sample->options, orders[i]);
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

/* --------------------------------------------------------- planted faults -- */

/* The plugin of test kernels lies beside this program. */
static void load_test_kernels(tern_ctx *ctx)
{
    char program[4000] = "", path[4096];
    assert_true(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    snprintf(path, sizeof path, "%s/sim_faults.so", dirname(program));
    tern_load_plugin(ctx, path);
    assert_tern_ok(ctx);
}

/* relu of 1, 2, ... n by one of the test kernels; y may be NULL. */
static tern_ctx *run_kernel(const char *kernel, const char *order, int n, double *y)
{
    double x[512];
    tern_ctx *ctx = open_sim(order);
    load_test_kernels(ctx);
    tern_set_provider(ctx, "relu", kernel);
    assert_tern_ok(ctx);
    for (int i = 0; i < n; i++)
        x[i] = i + 1;
    tern_step_begin(ctx, 0);
    tern_tensor *in = tern_input(ctx, "x", TERN_F64, 1, (int64_t[]){ n }, x);
    tern_tensor *out = tern_relu(ctx, in);
    if (y)
        tern_read(ctx, out, TERN_F64, y);
    return ctx;
}

/* The line of tests/sim_faults.cu with this text, as errors name it. */
static void find_line(const char *text, char *place, size_t bytes)
{
    char line[512];
    FILE *source = fopen("tests/sim_faults.cu", "r");
    if (!source)
        skip(); /* not run from the project's folder */
    for (int number = 1; fgets(line, sizeof line, source); number++)
        if (strstr(line, text))
            snprintf(place, bytes, "tests/sim_faults.cu:%d", number);
    fclose(source);
}

/* In every order the kernel fails with a device error that holds all these texts. */
static void assert_fails(const char *kernel, const char *const *texts)
{
    for (int i = 0; i < ORDERS; i++) {
        tern_ctx *ctx = run_kernel(kernel, orders[i], 64, NULL);
        for (const char *const *text = texts; *text; text++)
            assert_tern_fails(ctx, TERN_ERR_DEVICE, *text);
        tern_ctx_free(ctx);
    }
}

#define ASSERT_FAILS(kernel, ...) assert_fails(kernel, (const char *const[]){ __VA_ARGS__, NULL })

static void a_missing_barrier_gives_other_results_in_other_orders(void **state)
{
    double right[128], found[128];
    bool differs = false;
    (void)state;
    for (int i = 0; i < ORDERS; i++) {
        tern_ctx_free(run_kernel("reverse", orders[i], 128, right));
        for (int at = 0; at < 128; at++)
            assert_true(right[at] == 64 - at % 64 + at / 64 * 64);
        tern_ctx_free(run_kernel("missing_barrier", orders[i], 128, found));
        differs = differs || memcmp(right, found, sizeof right) != 0;
    }
    assert_true(differs);
}

static void blocks_that_need_each_other_give_other_results_in_other_orders(void **state)
{
    double forward[40], reverse[40];
    (void)state;
    tern_ctx_free(run_kernel("block_order", "forward", 40, forward));
    tern_ctx_free(run_kernel("block_order", "reverse", 40, reverse));
    assert_true(forward[39] == 40);
    assert_true(reverse[39] != 40);
}

static void shared_memory_is_poisoned_before_every_block(void **state)
{
    double y[96];
    (void)state;
    tern_ctx_free(run_kernel("unwritten", "forward", 96, y));
    for (int i = 0; i < 96; i++)
        assert_true(isnan(y[i]));
}

static void shuffles_take_from_the_lane_that_cuda_defines(void **state)
{
    double y[192];
    (void)state;
    for (int i = 0; i < ORDERS; i++) {
        tern_ctx *ctx = run_kernel("shuffles", orders[i], 192, y);
        assert_tern_ok(ctx);
        tern_ctx_free(ctx);
        for (int lane = 0; lane < 32; lane++) {
            assert_true(y[lane] == (lane ^ 5));
            assert_true(y[32 + lane] == (lane < 29 ? lane + 3 : lane));
            assert_true(y[64 + lane] == (lane >= 3 ? lane - 3 : lane));
            assert_true(y[96 + lane] == 8);
            assert_true(y[128 + lane] == (lane % 8 < 5 ? lane + 3 : lane));
            /* lane ^ 9 lies in the segment of 8 after this one, or in the one before */
            assert_true(y[160 + lane] == (lane & 8 ? lane ^ 9 : lane));
        }
    }
    ASSERT_FAILS("partial_mask", "__shfl_xor_sync", "mask 0x0000FFFF", "full masks");
}

static void divergent_barriers_are_reported_with_file_and_line(void **state)
{
    char here[64], there[64];
    (void)state;
    find_line("early_exit waits here", here, sizeof here);
    ASSERT_FAILS("early_exit", "relu: kernel early_exit <<<1x2x1, 64x1x1>>>", here,
                 "__syncthreads", "thread (0,0,0) waits", "thread (40,0,0) has returned");
    find_line("two_places waits here", here, sizeof here);
    find_line("two_places waits there", there, sizeof there);
    ASSERT_FAILS("two_places", here, there, "block (0,0,0)", "thread (0,0,0)", "thread (0,1,0)");
    find_line("warp_and_block waits here", here, sizeof here);
    find_line("warp_and_block waits there", there, sizeof there);
    ASSERT_FAILS("warp_and_block", "thread (37,0,0) waits in __syncwarp", here,
                 "thread (32,0,0) waits in __syncthreads", there);
    find_line("lane_left waits here", here, sizeof here);
    ASSERT_FAILS("lane_left", "__shfl_down_sync", here, "thread (7,0,0) has returned");
}

static void limits_of_the_chip_are_enforced(void **state)
{
    (void)state;
    ASSERT_FAILS("large_block", "relu: kernel large_block", "1056 threads", "1 to 1024");
    ASSERT_FAILS("deep_block", "block of 1x1x65");
    ASSERT_FAILS("empty_block", "0 threads");
    ASSERT_FAILS("tall_grid", "grid of 1x65536x1");
    ASSERT_FAILS("large_static", "shared variable second needs 1200 bytes", "1152 are left");
    ASSERT_FAILS("dynamic_not_allowed", "49156 bytes of dynamic shared memory",
                 "tern_allow_shared");
    ASSERT_FAILS("too_much_allowed", "233472 bytes of shared memory", "232448");
    tern_ctx *ctx = run_kernel("dynamic_allowed", "forward", 64, NULL);
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
}

/* The context can be used again after a launch that was left half done. */
static void a_failed_launch_leaves_the_device_usable(void **state)
{
    double y[64];
    (void)state;
    tern_ctx *ctx = run_kernel("early_exit", "forward", 64, NULL);
    tern_clear_error(ctx);
    tern_set_provider(ctx, "relu", "reverse");
    tern_step_begin(ctx, 0);
    tern_tensor *x = tern_full(ctx, 1, (int64_t[]){ 64 }, 3);
    tern_read(ctx, tern_relu(ctx, x), TERN_F64, y);
    assert_tern_ok(ctx);
    for (int i = 0; i < 64; i++)
        assert_true(y[i] == 3);
    tern_ctx_free(ctx);
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
        cmocka_unit_test(a_missing_barrier_gives_other_results_in_other_orders),
        cmocka_unit_test(blocks_that_need_each_other_give_other_results_in_other_orders),
        cmocka_unit_test(shared_memory_is_poisoned_before_every_block),
        cmocka_unit_test(shuffles_take_from_the_lane_that_cuda_defines),
        cmocka_unit_test(divergent_barriers_are_reported_with_file_and_line),
        cmocka_unit_test(limits_of_the_chip_are_enforced),
        cmocka_unit_test(a_failed_launch_leaves_the_device_usable),
        cmocka_unit_test(device_memory_is_out_of_reach_for_the_host),
        cmocka_unit_test(an_unknown_order_is_refused),
        cmocka_unit_test(cuda_without_a_gpu_says_what_is_missing),
    };
    return cmocka_run_group_tests_name("cuda_sim", tests, NULL, NULL);
}
