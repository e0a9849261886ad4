/* Providers in other processes: one that is honest is timed as it is; one that dies, hangs, lies or
 * is wrong loses its own rows alone, and is told why.  And whole models, timed so. */
#include "tests/check.h"
#include "tests/fake_peer.h"
#include "tests/program.h"
#include "tests/temporary_folder.h"

#include "bench/report/table.h"
#include "bench/suite/peers.h"
#include "bench/suite/suite.h"
#include "kernels/table.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const INPUTS = "a=[16,16] b=[16,16]";

enum { COMMAND = 600, HAND = 0, PEER = 1 };

static bench_settings settings_for(const char *manner, char command[COMMAND])
{
    fake_peer_command(command, COMMAND, manner);
    return (bench_settings){ .providers = { "hand", "fake" }, .threads = { 1 }, .thread_counts = 1,
                             .passes = { true }, .hot = true, .seed = 1, .peer_seconds = 20,
                             .peers = { { .name = "fake", .command = command } }, .peer_count = 1,
                             .rule = { .least = 7, .most = 15, .goal = 0.01, .seconds = 2 } };
}

/* No process may be left, not even a dead one. */
static void assert_no_children(void)
{
    errno = 0;
    if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
        fail_msg("a process was left");
}

static bench_suite run(const bench_settings *settings, bench_cases *cases)
{
    tern_error error = { 0 };
    bench_suite suite;
    const tern_op *op = tern_op_find("matmul", &error);
    if (!cases->count && !bench_cases_add(cases, op, INPUTS, "", NULL, &error))
        fail_msg("%s", error.message);
    if (!bench_suite_run(&suite, settings, cases, &error))
        fail_msg("%s", error.message);
    assert_no_children();
    assert_string_not_equal(suite.peers->folder, "");
    assert_int_not_equal(access(suite.peers->folder, F_OK), 0); /* its files are gone too */
    return suite;
}

static void an_honest_peer_is_timed_within_5_percent(void **state)
{
    (void)state;
    char command[COMMAND];
    bench_settings settings = settings_for("honest", command);
    bench_cases cases = { 0 };
    settings.passes[BENCH_BACKWARD] = settings.cold = true;
    bench_suite suite = run(&settings, &cases);
    int found = 0;
    assert_int_equal(suite.count, 8); /* two passes, two providers, hot and cold */
    for (int i = 0; i < suite.count; i++) {
        const bench_result *result = &suite.results[i];
        assert_string_equal(bench_result_verdict(result), "ok");
        if (strcmp(result->provider, "fake") != 0) {
            assert_string_equal(result->ratio_to, "fake");
            continue;
        }
        found++;
        if (!(fabs(result->summary.median / FAKE_PEER_SECONDS - 1) <= 0.05))
            fail_msg("the median is %g s of %g", result->summary.median, FAKE_PEER_SECONDS);
        assert_true(result->summary.count >= settings.rule.least);
        assert_true(result->flops == (result->pass == BENCH_FORWARD ? 2 : 4) * 16.0 * 16 * 16);
        assert_true(result->error[0] < 0.5 && result->error[1] < 0.5);
    }
    assert_int_equal(found, 4);
    assert_string_equal(suite.peers->about[0], "a fake");
    bench_suite_free(&suite);
    bench_cases_free(&cases);
}

static const struct { const char *manner, *says; } faults[] = {
    { "dies", "it ended with status 3 before it answered: no module named torch" },
    { "dies at run", "it was killed by signal 9 before it answered" },
    { "leaves", "it ended with status 4 before it answered" },
    { "hangs", "no answer within 0.5 s" },
    { "hangs at run", "no answer within 0.5" },
    { "garbage", "its answer is no JSON object: Traceback" },
    { "list", "its answer is no JSON object: [1, 2]" },
    { "endless", "it wrote 65536 bytes without the end of a line" },
    { "broken", "RuntimeError: no kernel" },
    { "lazy", "found.results.safetensors" },
    { "nameless", "output.y" },
    { "wrong", "WRONG VALUES, not timed: " },
    { "generous", "it was asked for 1 times and told 2" },
    { "mute", "it was asked for 1 times and told 0" },
    { "worded", "it was asked for 1 times and told 0" },
    { "timeless", "a run that took 0 seconds" },
    { "slow by its own clock", "it says that its runs took 10" },
};

static void a_peer_at_fault_loses_its_own_row_and_is_told_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        char command[COMMAND];
        bench_settings settings = settings_for(faults[i].manner, command);
        bench_cases cases = { 0 };
        if (strncmp(faults[i].manner, "hangs", 5) == 0)
            settings.peer_seconds = 0.5;
        settings.rule.least = settings.rule.most = 7;
        bench_suite suite = run(&settings, &cases);
        const bench_result *peer = &suite.results[PEER];
        assert_int_equal(suite.count, 2);
        assert_string_equal(bench_result_verdict(&suite.results[HAND]), "ok");
        assert_int_equal(suite.results[HAND].summary.count, 7);
        if (!strstr(bench_result_verdict(peer), faults[i].says))
            fail_msg("%s: %s", faults[i].manner, bench_result_verdict(peer));
        assert_true(peer->failed && peer->skipped);
        bench_suite_free(&suite);
        bench_cases_free(&cases);
    }
}

/* Orphans become this process's children here, so that they can be waited for. */
static void what_a_peer_started_ends_with_it(void **state)
{
    (void)state;
    char command[COMMAND];
    bench_suite suite;
    tern_error error = { 0 };
    bench_cases cases = { 0 };
    bench_settings settings = settings_for("orphan", command);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    assert_true(bench_cases_add(&cases, tern_op_find("matmul", &error), INPUTS, "", NULL, &error));
    assert_true(bench_suite_run(&suite, &settings, &cases, &error));
    assert_string_equal(bench_result_verdict(&suite.results[PEER]), "ok");
    double until = bench_seconds() + 5;
    while (waitpid(-1, NULL, WNOHANG) != -1 && bench_seconds() < until)
        usleep(1000);
    assert_no_children();
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    bench_suite_free(&suite);
    bench_cases_free(&cases);
}

static void assert_verdict(const char *manner, bool backward, const char *verdict, bool failed)
{
    char command[COMMAND];
    bench_settings settings = settings_for(manner, command);
    bench_cases cases = { 0 };
    settings.passes[BENCH_FORWARD] = !backward;
    settings.passes[BENCH_BACKWARD] = backward;
    bench_suite suite = run(&settings, &cases);
    const bench_result *peer = &suite.results[PEER];
    if (!strstr(bench_result_verdict(peer), verdict))
        fail_msg("%s: %s", manner, bench_result_verdict(peer));
    assert_int_equal(peer->failed, failed);
    bench_suite_free(&suite);
    bench_cases_free(&cases);
}

static void gradients_are_checked_too(void **state)
{
    (void)state;
    assert_verdict("wrong gradient", true, "WRONG VALUES", true);
    assert_verdict("forgetful", true, "gradient.a", true);
}

static void a_peer_that_is_wrong_after_it_was_timed_is_caught(void **state)
{
    (void)state;
    assert_verdict("wrong later", false, "WRONG VALUES", false);
    assert_verdict("not a number", false, "WRONG: left values unwritten", false);
}

static void what_a_peer_cannot_do_is_left_out_without_blame(void **state)
{
    (void)state;
    assert_verdict("unable", false, "cannot: matrices are not its thing", false);
}

static void a_peer_that_breaks_down_twice_is_not_started_again(void **state)
{
    (void)state;
    tern_error error = { 0 };
    char command[COMMAND];
    bench_settings settings = settings_for("dies", command);
    bench_cases cases = { 0 };
    for (int i = 0; i < 3; i++)
        assert_true(bench_cases_add(&cases, tern_op_find("matmul", &error), INPUTS, "", NULL,
                                    &error));
    bench_suite suite = run(&settings, &cases);
    assert_non_null(strstr(suite.results[3].why, "no module named torch"));
    assert_non_null(strstr(suite.results[5].why, "it broke down 2 times before"));
    bench_suite_free(&suite);
    bench_cases_free(&cases);
}

/* ---------------------------------------------------------- whole models -- */

/* The program beside this one's folder. */
static void serve_command(char command[COMMAND])
{
    char path[512];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    assert_true(length > 0);
    path[length] = '\0';
    *strrchr(path, '/') = '\0';
    *strrchr(path, '/') = '\0';
    snprintf(command, COMMAND, "exec '%s/tern' bench serve", path);
}

static void a_whole_model_has_times_memory_and_checked_values(void **state)
{
    (void)state;
    tern_error error = { 0 };
    char command[COMMAND], serve[COMMAND];
    bench_settings settings = settings_for("honest", command);
    bench_cases cases = { 0 };
    const bench_model *model = bench_model_find("crossmodal", &error);
    serve_command(serve);
    settings.serve = serve;
    settings.rule.least = settings.rule.most = 7;
    for (int pass = BENCH_INFER; pass <= BENCH_TRAIN; pass++)
        assert_true(bench_cases_add_whole_model(&cases, model, pass, &error));
    bench_suite suite = run(&settings, &cases);
    assert_int_equal(suite.count, 4);
    for (int i = 0; i < suite.count; i += 2) {
        const bench_result *result = &suite.results[i + HAND], *peer = &suite.results[i + PEER];
        assert_string_equal(bench_result_verdict(result), "ok");
        assert_int_equal(result->summary.count, 7);
        assert_true(result->summary.least > 0 && result->flops > 1e6 && result->roof.seconds > 0);
        assert_true(result->memory_growth > 100000 && result->memory_growth < 100000000);
        assert_int_equal(result->allocations, 0);
        /* Inference differs from ref's by rounding; training is tern's own. */
        assert_true(result->error[0] < 1 && result->error[1] < 1);
        assert_int_equal(result->distances[BENCH_LOGITS] > 0, i == 0);
        assert_true(peer->failed); /* whose logits are zeros, and who has no losses */
        assert_non_null(strstr(peer->why, i == 0 ? "WRONG VALUES, not timed" : "logits"));
    }
    bench_suite_free(&suite);
    bench_cases_free(&cases);
}

#define tern(p, ...) program_run(p, LIST(__VA_ARGS__))

/* The same model by tern's own process and once more as a peer, which is its equal. */
static void a_report_of_whole_models_is_compared_like_any_other(void **state)
{
    (void)state;
    program p;
    char serve[COMMAND], peer[COMMAND + 16], path[2][TEMPORARY_PATH_BYTES];
    serve_command(serve);
    snprintf(peer, sizeof peer, "again=%s", serve);
    for (int i = 0; i < 2; i++) {
        temporary_path(path[i], test_folder, i ? "b.json" : "a.json");
        tern(&p, "bench", "--model", "crossmodal", "--pass", "infer", "--peer", peer, "--least",
             "9", "--most", "9", "--out", path[i]);
        assert_int_equal(p.status, 0);
        assert_non_null(strstr(p.out, "again: tern"));
        assert_non_null(strstr(p.out, "crossmodal target=[1,8,128] source=[1,100,128]"));
        program_free(&p);
    }
    tern(&p, "bench", "compare", path[0], path[1], "--json");
    assert_int_not_equal(p.status, 2); /* which of two short runs is faster is not said */
    assert_non_null(strstr(p.out, "\"again\""));
    assert_non_null(strstr(p.out, "\"infer\""));
    program_free(&p);
}

static void an_interruption_ends_a_peer_that_hangs(void **state)
{
    (void)state;
    program p;
    program_start(&p, LIST("bench", "matmul", "--inputs", INPUTS, "--peer", "sleeper=sleep 100"));
    sleep(2);
    kill(p.id, SIGINT);
    double start = bench_seconds();
    program_wait(&p);
    assert_true(bench_seconds() - start < 10);
    assert_int_equal(p.status, 130);
    program_free(&p);
}

static void assert_misused(const char *const *arguments, const char *says)
{
    program p;
    program_run(&p, arguments);
    if (p.status != 2 || !strstr(p.err, says))
        fail_msg("status %d: %s", p.status, p.err);
    program_free(&p);
}

static void wrong_commands_are_told(void **state)
{
    (void)state;
    assert_misused(LIST("bench", "matmul", "--peer", "eager"), "NAME=COMMAND wanted");
    assert_misused(LIST("bench", "matmul", "--peer", "hand=x"), "a provider of tern's own");
    assert_misused(LIST("bench", "matmul", "--peer", "a=x", "--peer", "a=y"), "two of that name");
    assert_misused(LIST("bench", "--model", "lstn"), "there is no model lstn; did you mean lstm");
    assert_misused(LIST("bench", "--model", "lstm", "--pass", "fwd"), "infer or train");
    assert_misused(LIST("bench", "--model", "lstm", "--device", "ref"), "timed on the cpu");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_peer_is_timed_within_5_percent),
        cmocka_unit_test(a_peer_at_fault_loses_its_own_row_and_is_told_why),
        cmocka_unit_test(what_a_peer_started_ends_with_it),
        cmocka_unit_test(gradients_are_checked_too),
        cmocka_unit_test(a_peer_that_is_wrong_after_it_was_timed_is_caught),
        cmocka_unit_test(what_a_peer_cannot_do_is_left_out_without_blame),
        cmocka_unit_test(a_peer_that_breaks_down_twice_is_not_started_again),
        cmocka_unit_test(a_whole_model_has_times_memory_and_checked_values),
        cmocka_unit_test(a_report_of_whole_models_is_compared_like_any_other),
        cmocka_unit_test(an_interruption_ends_a_peer_that_hangs),
        cmocka_unit_test(wrong_commands_are_told),
    };
    if (argc > 1)
        return fake_peer(argv[1]);
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
