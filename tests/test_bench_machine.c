/* What a report says about its machine, about what else ran there, and about its own build. */
#include "tests/check.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/measure/build.h"
#include "bench/measure/machine.h"

static void parts_are_of_the_time_of_all_cores(void **state)
{
    double cores = (double)sysconf(_SC_NPROCESSORS_ONLN);
    bench_usage before = { .at = 10, .busy = 100, .stolen = 1, .ours = 50, .load = 0.5,
                           .involuntary = 7 };
    bench_usage after = before;
    (void)state;
    after.at += 10;
    after.busy += 4 * cores;
    after.ours += 3 * cores;
    after.stolen += 0.5 * cores;
    after.load = 2;
    after.involuntary += 5;
    bench_disturbance found = bench_usage_between(&before, &after);
    assert_true(found.seconds == 10 && found.load_before == 0.5 && found.load_after == 2);
    assert_true(found.other_percent > 9.99 && found.other_percent < 10.01);
    assert_true(found.steal_percent > 4.99 && found.steal_percent < 5.01);
    assert_int_equal(found.involuntary_switches, 5);

    after.busy = before.busy; /* ticks come late */
    assert_true(bench_usage_between(&before, &after).other_percent == 0);
    after.busy = after.stolen = -1;
    found = bench_usage_between(&before, &after);
    assert_true(found.other_percent == -1 && found.steal_percent == -1);
}

static void another_process_is_seen(void **state)
{
    bench_usage before = bench_usage_now();
    struct timespec clock = { 0 }, pause = { 0, 10000000 };
    clockid_t child_clock;
    pid_t child = fork();
    (void)state;
    assert_true(child >= 0);
    while (child == 0)
        continue;
    /* Until it has used 0.3 s of a core, however long it has to wait for one. */
    if (clock_getcpuclockid(child, &child_clock) == 0)
        while (clock.tv_sec == 0 && clock.tv_nsec < 300000000 &&
               clock_gettime(child_clock, &clock) == 0)
            nanosleep(&pause, NULL);
    bench_usage after = bench_usage_now();
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    if (before.busy <= 0) {
        print_message("/proc/stat says nothing\n");
        skip();
    }
    bench_disturbance found = bench_usage_between(&before, &after);
    double others = found.other_percent / 100 * found.seconds *
                    (double)sysconf(_SC_NPROCESSORS_ONLN);
    if (others < 0.2)
        fail_msg("another process used 0.3 s, seen are %.2f", others);
}

static void the_host_is_described(void **state)
{
    bench_host host = bench_host_read();
    (void)state;
    assert_true(strlen(host.cpu) > 0);
    assert_memory_equal(host.kernel, "Linux ", 6);
    assert_true(host.cores >= 1 && host.cores <= host.cores_online);
    assert_true(host.page_bytes >= 4096 && (host.page_bytes & (host.page_bytes - 1)) == 0);
    assert_null(strchr(host.huge_pages, '['));
    assert_null(strchr(host.governor, '\n'));
}

static bool has_flag(const char *flags, const char *flag)
{
    const char *at = strstr(flags, flag);
    size_t length = strlen(flag);
    return at && (at == flags || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0');
}

static void each_level_names_its_own_flags(void **state)
{
    const char *base = bench_compile_flags("cpu", "base");
    const char *avx2 = bench_compile_flags("cpu", "avx2");
    const char *avx512 = bench_compile_flags("cpu", "avx512");
    const char *ref = bench_compile_flags("ref", "avx512"); /* has no levels */
    const char *sim = bench_compile_flags("cuda-sim", NULL);
    (void)state;
    assert_non_null(base);
    assert_non_null(avx2);
    assert_non_null(avx512);
    assert_non_null(ref);
    assert_non_null(sim);
    assert_true(has_flag(avx512, "-mavx512f") && has_flag(avx512, "-ffp-contract=fast"));
    assert_true(has_flag(avx2, "-mavx2") && !has_flag(avx2, "-mavx512f"));
    assert_true(has_flag(base, "-O3") && !has_flag(base, "-mavx2"));
    assert_true(has_flag(ref, "-ffp-contract=off") && !has_flag(ref, "-mavx512f"));
    assert_true(has_flag(sim, "-std=c++17"));
    assert_false(has_flag(avx512, "-Wall") || has_flag(avx512, "-I.") ||
                 strstr(avx512, "TERN_VERSION"));
    assert_null(bench_compile_flags("cuda", NULL));
    assert_null(bench_compile_flags("cpu", "mmx"));
}

static void only_own_implementations_have_own_flags(void **state)
{
    static const tern_impl own = { .op = "relu", .backend = "cpu", .provider = "hand" },
                           library = { .op = "matmul", .backend = "cpu", .provider = "openblas" },
                           told = { .op = "relu", .backend = "cpu", .provider = "hand",
                                    .flags = "-O1" };
    /* A plugin's lies elsewhere: here, where no object does. */
    tern_impl *of_plugin = malloc(sizeof *of_plugin);
    (void)state;
    assert_non_null(of_plugin);
    *of_plugin = own;
    assert_string_equal(bench_impl_flags(&own, "base"), bench_compile_flags("cpu", "base"));
    assert_null(bench_impl_flags(&library, "base"));
    assert_string_equal(bench_impl_flags(&told, "base"), "-O1");
    assert_null(bench_impl_flags(of_plugin, "base"));
    free(of_plugin);
}

static void the_commit_is_a_hash_or_nothing(void **state)
{
    const char *commit = bench_git();
    (void)state;
    if (!commit) {
        print_message("not built from a checkout\n");
        skip();
    }
    size_t digits = strspn(commit, "0123456789abcdef");
    assert_true(digits >= 7 && digits <= 40);
    if (strlen(commit) > digits)
        assert_string_equal(commit + digits, "-dirty");
    assert_true(strncmp(bench_compiler(), "gcc ", 4) == 0 ||
                strncmp(bench_compiler(), "clang ", 6) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_of_the_time_of_all_cores),
        cmocka_unit_test(another_process_is_seen),
        cmocka_unit_test(the_host_is_described),
        cmocka_unit_test(each_level_names_its_own_flags),
        cmocka_unit_test(only_own_implementations_have_own_flags),
        cmocka_unit_test(the_commit_is_a_hash_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
