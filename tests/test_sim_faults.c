/* Promises of the GPU simulator: kernels with a planted fault (tests/sim_faults.cu) are
 * reported, with file and line, or give themselves away. */
#include "tests/check.h"

#include <libgen.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "core/registry.h"
#include "kernels/elementwise/activation_ops.h"
#include "tests/sim.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_barrier_gives_other_results_in_other_orders),
        cmocka_unit_test(blocks_that_need_each_other_give_other_results_in_other_orders),
        cmocka_unit_test(shared_memory_is_poisoned_before_every_block),
        cmocka_unit_test(shuffles_take_from_the_lane_that_cuda_defines),
        cmocka_unit_test(divergent_barriers_are_reported_with_file_and_line),
        cmocka_unit_test(limits_of_the_chip_are_enforced),
        cmocka_unit_test(a_failed_launch_leaves_the_device_usable),
    };
    return cmocka_run_group_tests_name("sim_faults", tests, NULL, NULL);
}
