/* Promises of tern profile: being watched changes nothing, what it prints adds up, and what
 * cannot be profiled is told. */
#include "program.h"
#include "training.h"

#include "bench/profile/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static training_set set;

/* ------------------------------------------------------------- recording -- */

static bool has_span(const profile_recorder *r, const char *name)
{
    for (int i = 0; i < r->node_count; i++)
        if (r->nodes[i].kind == PROFILE_NODE_SPAN && strcmp(r->nodes[i].name, name) == 0)
            return true;
    return false;
}

static void a_watched_run_has_the_same_bits_and_is_counted(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES];
    profile_recorder r;
    tern_train_result result;
    tern_trainer_opts opts = training_into(&set, "watched", run);
    assert_true(profile_recorder_begin(&r, "train", true));
    opts.observer = &r.observer;
    train_or_fail(&opts, &result);
    profile_recorder_end(&r);
    assert_same_run(set.whole, run, TRAINING_EPOCHS);

    int64_t sum = r.recorder_ns;
    for (int i = 0; i < r.node_count; i++)
        sum += profile_node_own_ns(&r.nodes[i]);
    assert_int_equal(sum, r.wall_ns);
    assert_true((double)r.wall_ns >= 1e9 * result.seconds * 0.999);
    /* One step a batch, and one of validation an epoch; each has a shape of its own. */
    assert_int_equal(r.steps, TRAINING_EPOCHS * (TRAINING_BATCHES + 2));
    assert_int_equal(r.first_steps, 2);
    assert_int_equal(r.dry_steps, 2);
    assert_true(has_span(&r, "wait for data") && has_span(&r, "forward") &&
                has_span(&r, "backward") && has_span(&r, "update") && has_span(&r, "validate") &&
                has_span(&r, "save checkpoint") && has_span(&r, "prepare"));
    assert_true(r.memory.arena_bytes > 0 && r.memory.arena_bytes < r.memory.unplanned_bytes);
    assert_true(r.memory.param_bytes > 4 * (size_t)result.parameters && r.workspace_bytes > 0);
    assert_int_equal(r.threads, 1);
    assert_string_equal(r.device, "cpu");
    profile_recorder_free(&r);
}

/* --------------------------------------------------------------- program -- */

static double own_seconds(const json_t *node)
{
    double sum = json_number_value(json_object_get(node, "self_seconds"));
    const json_t *child;
    size_t i;
    json_array_foreach(json_object_get(node, "below"), i, child)
        sum += own_seconds(child);
    return sum;
}

static void a_report_as_json_adds_up_and_its_files_are_written(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES], trace[TEMPORARY_PATH_BYTES], shapes[TEMPORARY_PATH_BYTES];
    program p;
    temporary_path(run, set.folder, "profiled");
    temporary_path(trace, set.folder, "trace.json");
    temporary_path(shapes, set.folder, "shapes.json");
    program_train_after(&p, LIST("profile", "--json", "--trace", trace, "--save-shapes", shapes,
                                 "--"), set.manifest, run, NULL);
    program_wait(&p);
    assert_int_equal(p.status, 0);
    assert_non_null(strstr(p.err, "best validation UAR")); /* of the command, not of the report */
    json_t *json = json_loads(p.out, JSON_REJECT_DUPLICATES, NULL), *part;
    double wall = json_number_value(json_object_get(json, "wall_seconds")), sum = 0;
    double own = json_number_value(json_object_get(json_object_get(json, "profiler"), "seconds"));
    size_t i;
    json_array_foreach(json_object_get(json, "parts"), i, part)
        sum += json_number_value(json_object_get(part, "seconds"));
    assert_true(wall > 0 && fabs(sum - wall) < 1e-6 * wall);
    assert_true(fabs(own + own_seconds(json_object_get(json, "tree")) - wall) < 1e-6 * wall);
    assert_true(json_number_value(json_object_get(json_object_get(json, "ceilings"),
                                                  "flops_per_second")) > 1e8);
    json_t *events = json_load_file(trace, 0, NULL), *problems = json_load_file(shapes, 0, NULL);
    assert_true(json_array_size(json_object_get(events, "traceEvents")) > 100);
    assert_true(json_array_size(json_object_get(problems, "problems")) > 20);
    json_decref(json), json_decref(events), json_decref(problems);
    program_free(&p);
}

static void prediction_and_evaluation_are_profiled_too(void **state)
{
    (void)state;
    program p;
    program_run(&p, LIST("profile", "--", "predict", "--run", set.whole, "--text", "so it is"));
    assert_int_equal(p.status, 0);
    assert_non_null(strstr(p.out, " %\n"));
    assert_non_null(strstr(p.out, "\nwhere the time went"));
    assert_non_null(strstr(p.out, "predict step (first of its shape)"));
    assert_non_null(strstr(p.out, "\nmost memory, MiB\n"));
    program_free(&p);
    program_run(&p, LIST("profile", "--least", "0", "--", "eval", "--run", set.whole, "--data", set.manifest,
                         "--batch", "2"));
    assert_int_equal(p.status, 0);
    assert_non_null(strstr(p.out, "\n  predict step    ")); /* the second and third batch */
    assert_non_null(strstr(p.out, "\nsum  "));
    program_free(&p);
}

/* Wrong usage: exit status 2, and the error says this. */
static void assert_misused(const char *const *arguments, const char *says)
{
    program p;
    program_run(&p, arguments);
    if (p.status != 2 || *p.out || !strstr(p.err, says))
        fail_msg("wanted \"%s\", exit status %d: %s%s", says, p.status, p.out, p.err);
    program_free(&p);
}

static void what_cannot_be_profiled_is_told(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES];
    assert_misused(LIST("profile"), "wanted: tern profile [options] -- train|eval|predict");
    assert_misused(LIST("profile", "--"), "wanted: tern profile");
    assert_misused(LIST("profile", "train", "--run", "x"), "tern profile -- train");
    assert_misused(LIST("profile", "--", "trian"), "trian cannot be profiled");
    assert_misused(LIST("profile", "--", "trian"), "did you mean train?");
    assert_misused(LIST("profile", "--trce", "x", "--", "train"), "did you mean --trace?");
    assert_misused(LIST("profile", "--", "train", "--rum", "x"), "did you mean --run?");
    temporary_path(path, set.folder, "none");
    assert_fails(LIST("profile", "--", "predict", "--run", path, "--text", "a"), "tern predict:");
    assert_fails(LIST("profile", "--trace", "/no/such/folder/t.json", "--", "predict", "--run",
                      set.whole, "--text", "a"), "/no/such/folder/t.json");
}

/* ----------------------------------------------------------------- groups -- */

static int make_set(void **state)
{
    (void)state;
    return training_set_make(&set) ? 0 : -1;
}

static int remove_set(void **state)
{
    (void)state;
    training_set_remove(&set);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watched_run_has_the_same_bits_and_is_counted),
        cmocka_unit_test(a_report_as_json_adds_up_and_its_files_are_written),
        cmocka_unit_test(prediction_and_evaluation_are_profiled_too),
        cmocka_unit_test(what_cannot_be_profiled_is_told),
    };
    return cmocka_run_group_tests(tests, make_set, remove_set);
}
