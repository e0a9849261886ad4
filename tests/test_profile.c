/* Promises of the recorder behind `tern profile`, on an op whose times and costs are known:
 * times add up, first steps are kept apart, problems are told apart, traces nest. */
#include "tests/check.h"
#include "tests/temporary_folder.h"

#include "bench/profile/report.h"
#include "bench/profile/trace.h"
#include "core/params.h"
#include "core/registry.h"
#include "kernels/adamw/adamw.h"
#include "kernels/embedding/embedding.h"
#include "kernels/linear/linear.h"
#include "kernels/problem.h"
#include "kernels/table.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ----------------------------------------------- an op that takes its time -- */

static const int64_t FORWARD_NS = 2000000, BACKWARD_NS = 5000000;
static const double FORWARD_FLOPS = 1000, BACKWARD_FLOPS = 3000;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void spin(int64_t ns)
{
    for (int64_t start = now_ns(); now_ns() - start < ns;)
        ;
}

static void slow_shape(tern_call *call)
{
    tern_declare_out(call, 0, tern_real(call), call->in[0]->rank, call->in[0]->shape);
}

static void slow_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    (void)call;
    *forward = (tern_cost){ .flops = FORWARD_FLOPS, .bytes = 8 };
    *backward = (tern_cost){ .flops = BACKWARD_FLOPS, .bytes = 16 };
}

static void slow_forward(tern_call *call)
{
    spin(FORWARD_NS);
    memset(call->out[0]->data, 0, tern_tensor_bytes(call->out[0]));
}

static void slow_backward(tern_call *call)
{
    spin(BACKWARD_NS);
    if (!call->accumulate[0])
        memset(call->grad_in[0]->data, 0, tern_tensor_bytes(call->grad_in[0]));
}

static const tern_op slow = {
    .name = "slow", .in = { { "x", TERN_REAL, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "[...]" } }, .shape = slow_shape, .cost = slow_cost,
};
static const tern_impl slow_impl = { .op = "slow", .backend = "cpu", .provider = "hand",
                                     .forward = slow_forward, .backward = slow_backward };

static tern_tensor *apply_slow(tern_ctx *ctx, tern_tensor *x)
{
    tern_tensor *in[] = { x };
    return tern_apply(ctx, &slow, in, 1, NULL, NULL);
}

/* A step: slow in layers one.a and one.b, 1 ms between them, then backward. */
static void slow_step(tern_ctx *ctx, const tern_observer *observer)
{
    const float value = 1;
    const double one = 1;
    tern_step_begin(ctx, 7);
    tern_span_begin(observer, "train step");
    tern_span_begin(observer, "forward");
    tern_tensor *x = tern_input(ctx, "x", TERN_F32, 1, (int64_t[]){ 1 }, &value);
    tern_require_grad(ctx, x);
    tern_scope_push(ctx, "one");
    tern_scope_push(ctx, "a");
    x = apply_slow(ctx, x);
    tern_scope_pop(ctx);
    spin(1000000);
    tern_scope_push(ctx, "b");
    x = apply_slow(ctx, x);
    tern_scope_pop(ctx);
    tern_scope_pop(ctx);
    tern_span_end(observer);
    tern_seed_grad(ctx, x, TERN_F64, &one);
    tern_backward(ctx, NULL);
    tern_span_end(observer);
}

enum { STEPS = 4 };

/* The steps, recorded, with 3 ms of "wait for data" before each. */
static void record(profile_recorder *r, bool keep_events)
{
    tern_ctx *ctx = open_context((tern_ctx_opts){ .threads = 1 });
    tern_add_impl(ctx, &slow_impl);
    assert_true(profile_recorder_begin(r, "run", keep_events));
    tern_observe(ctx, &r->observer);
    tern_set_recording(ctx, true);
    for (int i = 0; i < STEPS; i++) {
        tern_span_begin(&r->observer, "wait for data");
        spin(3000000);
        tern_span_end(&r->observer);
        slow_step(ctx, &r->observer);
    }
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
    profile_recorder_end(r);
    assert_false(r->failed);
}

/* The node at a path of names, "train step/backward/one/a/slow"; fails if there is none. */
static const profile_node *node_at(const profile_recorder *r, const char *path, bool first)
{
    int at = 0;
    for (const char *part = path; *part;) {
        size_t length = strcspn(part, "/");
        int child = -1;
        for (int i = at + 1; i < r->node_count; i++)
            if (r->nodes[i].parent == at && r->nodes[i].first == first &&
                strlen(r->nodes[i].name) == length && strncmp(r->nodes[i].name, part, length) == 0)
                child = i;
        if (child < 0)
            fail_msg("there is no %s of %s", part, path);
        at = child;
        part += length + (part[length] == '/');
    }
    return &r->nodes[at];
}

/* Spinning takes no less than was asked for; on a busy machine it may take longer. */
static void assert_about(int64_t ns, int64_t wanted)
{
    if (ns < wanted || ns > wanted + 2000000000)
        fail_msg("%lld ns, wanted %lld", (long long)ns, (long long)wanted);
}

/* --------------------------------------------------------------- promises -- */

static void own_times_and_the_recorder_are_the_wall_time(void **state)
{
    (void)state;
    profile_recorder r;
    profile_part parts[PROFILE_MOST_PARTS];
    int64_t before = now_ns();
    record(&r, false);
    int64_t around = now_ns() - before, sum = r.recorder_ns, parted = 0;
    for (int i = 0; i < r.node_count; i++) {
        assert_true(profile_node_own_ns(&r.nodes[i]) >= 0);
        sum += profile_node_own_ns(&r.nodes[i]);
    }
    assert_int_equal(sum, r.wall_ns);
    for (int i = profile_parts(&r, parts) - 1; i >= 0; i--)
        parted += parts[i].ns;
    assert_int_equal(parted, r.wall_ns);
    assert_true(r.wall_ns <= around);
    assert_about(r.wall_ns, STEPS * (3000000 + 1000000 + 2 * FORWARD_NS + 2 * BACKWARD_NS));
    profile_recorder_free(&r);
}

static void an_ops_time_is_found_under_its_layer_in_its_direction(void **state)
{
    (void)state;
    profile_recorder r;
    record(&r, false);
    const profile_node *forward = node_at(&r, "train step/forward/one/b/slow", false);
    const profile_node *backward = node_at(&r, "train step/backward/one/b/slow", false);
    assert_int_equal(forward->calls, STEPS - 1);
    assert_int_equal(backward->calls, STEPS - 1);
    assert_about(forward->total_ns, (STEPS - 1) * FORWARD_NS);
    assert_about(backward->total_ns, (STEPS - 1) * BACKWARD_NS);
    const profile_node *layer = node_at(&r, "train step/forward/one", false);
    assert_int_equal(layer->total_ns,
                     forward->total_ns +
                         node_at(&r, "train step/forward/one/a/slow", false)->total_ns);
    assert_true(layer->flops == 2 * (STEPS - 1) * FORWARD_FLOPS);
    assert_true(backward->flops == (STEPS - 1) * BACKWARD_FLOPS && backward->bytes == 48);
    const profile_node *around = node_at(&r, "train step/forward", false);
    assert_about(profile_node_own_ns(around), (STEPS - 1) * 1000000);
    assert_about(node_at(&r, "wait for data", false)->total_ns, STEPS * 3000000);
    profile_recorder_free(&r);
}

static void the_first_step_of_a_shape_is_kept_apart(void **state)
{
    (void)state;
    profile_recorder r;
    record(&r, false);
    assert_int_equal(r.steps, STEPS);
    assert_int_equal(r.first_steps, 1);
    assert_int_equal(node_at(&r, "train step", true)->calls, 1);
    assert_int_equal(node_at(&r, "train step/forward/one/a/slow", true)->calls, 1);
    assert_int_equal(node_at(&r, "train step/backward/one/a/slow", true)->calls, 1);
    assert_int_equal(node_at(&r, "wait for data", false)->calls, STEPS);
    profile_report profile = { .recorder = &r };
    int count;
    profile_op_sum *sums = profile_ops(&profile, &count);
    assert_int_equal(count, 2);
    assert_true(sums[0].calls == 2 * (STEPS - 1) && sums[1].calls == 2 * (STEPS - 1));
    free(sums);
    profile_recorder_free(&r);
}

static void the_share_of_the_roofline_is_of_the_longer_of_both(void **state)
{
    (void)state;
    profile_recorder r;
    profile_roof roof = { .threads = 1, .ceilings = { .count = 2 } };
    roof.ceilings.ceiling[0] = (bench_ceiling){ .kind = BENCH_CEILING_FMA, .threads = 1,
                                                .simd = "base", .per_second = 1e6 };
    roof.ceilings.ceiling[1] = (bench_ceiling){ .kind = BENCH_CEILING_READ, .threads = 1,
                                                .level = BENCH_MEMORY, .per_second = 1e3 };
    record(&r, false);
    profile_roof_apply(&roof, &r);
    /* forward: 1 ms by its FLOPs, 8 ms by its bytes */
    double seconds = node_at(&r, "train step/forward/one/a/slow", false)->roof_seconds;
    assert_true(seconds > 0.0239 && seconds < 0.0241);
    profile_recorder_free(&r);
}

static void events_of_a_trace_nest_and_last_as_long_as_the_run(void **state)
{
    (void)state;
    profile_recorder r;
    char path[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    const char *open[64];
    int depth = 0, ops = 0, deepest = 0;
    double last = 0;
    record(&r, true);
    assert_true(profile_trace_write(&r, temporary_path(path, test_folder, "trace.json"), &error));
    json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, NULL), *event;
    size_t i;
    json_array_foreach(json_object_get(json, "traceEvents"), i, event)
    {
        const char *phase = json_string_value(json_object_get(event, "ph"));
        const char *name = json_string_value(json_object_get(event, "name"));
        double at = json_number_value(json_object_get(event, "ts"));
        if (*phase == 'M')
            continue;
        assert_true(at >= last);
        last = at;
        if (*phase == 'B') {
            open[depth++] = name;
            deepest = depth > deepest ? depth : deepest;
            ops += strcmp(name, "slow") == 0;
        } else {
            assert_string_equal(phase, "E");
            assert_true(depth > 0);
            assert_string_equal(open[--depth], name);
        }
    }
    assert_int_equal(depth, 0);
    assert_int_equal(ops, 4 * STEPS);
    assert_int_equal(deepest, 6); /* run, train step, forward, one, a, slow */
    assert_true(last > 0.999e-3 * (double)r.wall_ns && last < 1.001e-3 * (double)r.wall_ns);
    json_decref(json);
    profile_recorder_free(&r);
}

/* --------------------------------------------------------------- problems -- */

/* An embedding, two linears that differ in an option, and an optimiser with another step each
 * time; three steps of them. */
static void record_problems(profile_recorder *r)
{
    tern_ctx *ctx = open_context((tern_ctx_opts){ .threads = 1 });
    tern_tensor *table = tern_param(ctx, "table", 2, (int64_t[]){ 9, 4 }, (tern_param_opts){ 0 });
    tern_tensor *weight = tern_param(ctx, "weight", 2, (int64_t[]){ 4, 4 }, (tern_param_opts){ 0 });
    const int32_t tokens[3] = { 8, 2, 5 };
    const float x[8] = { 0 };
    tern_params_freeze(ctx);
    assert_true(profile_recorder_begin(r, "problems", false));
    tern_observe(ctx, &r->observer);
    tern_set_training(ctx, true);
    for (int step = 1; step <= 3; step++) {
        const double grad[12] = { 1 };
        tern_step_begin(ctx, 1);
        tern_tensor *ids = tern_input(ctx, "tokens", TERN_I32, 1, (int64_t[]){ 3 }, tokens);
        tern_tensor *other = tern_input(ctx, "x", TERN_F32, 2, (int64_t[]){ 2, 4 }, x);
        tern_tensor *y = tern_embedding(ctx, table, ids, (tern_embedding_opts){ 0 });
        y = tern_linear(ctx, y, weight, NULL, (tern_linear_opts){ 0 });
        y = tern_linear(ctx, y, weight, NULL, (tern_linear_opts){ .activation = TERN_ACT_RELU });
        tern_linear(ctx, other, weight, NULL, (tern_linear_opts){ 0 });
        tern_seed_grad(ctx, y, TERN_F64, grad);
        tern_backward(ctx, NULL);
        tern_adamw(ctx, tern_blocks(ctx), NULL,
                   (tern_adamw_opts){ .lr = 0.1 / step, .step = step });
    }
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
    profile_recorder_end(r);
}

static const profile_problem *problem_of(const profile_recorder *r, const char *op, tern_pass pass,
                                            const char *inputs, const char *options)
{
    for (int i = 0; i < r->problems.count; i++) {
        const profile_problem *seen = &r->problems.seen[i];
        if (strcmp(seen->op->name, op) == 0 && seen->pass == pass &&
            strcmp(seen->inputs, inputs) == 0 && (!options || strcmp(seen->options, options) == 0))
            return seen;
    }
    fail_msg("no problem %s %s %s", op, inputs, options ? options : "");
    return NULL;
}

static void problems_are_told_apart_by_shapes_options_and_pass(void **state)
{
    (void)state;
    profile_recorder r;
    record_problems(&r);
    const char *const linear = "x=[3,4] weight=[4,4]";
    assert_int_equal(problem_of(&r, "linear", TERN_PASS_FORWARD, linear, "")->calls, 3);
    assert_int_equal(problem_of(&r, "linear", TERN_PASS_FORWARD, linear, "activation=relu")->calls,
                     3);
    assert_int_equal(
        problem_of(&r, "linear", TERN_PASS_FORWARD, "x=[2,4] weight=[4,4]", "")->calls, 3);
    const profile_problem *backward = problem_of(&r, "linear", TERN_PASS_BACKWARD, linear, "");
    assert_int_equal(backward->calls, 3);
    assert_string_equal(backward->gradients, "x,weight");
    /* The range of the indices: how much of the table is read. */
    const char *const embedding = "table=[9,4] tokens=[3]{2..8}";
    problem_of(&r, "embedding", TERN_PASS_FORWARD, embedding, NULL);
    problem_of(&r, "embedding", TERN_PASS_BACKWARD, embedding, NULL);
    int adamw = 0;
    for (int i = 0; i < r.problems.count; i++)
        adamw += strcmp(r.problems.seen[i].op->name, "adamw") == 0;
    assert_int_equal(adamw, 1);
    profile_recorder_free(&r);
}

/* What another program makes of the file is what was run. */
static void saved_shapes_can_be_made_again(void **state)
{
    (void)state;
    profile_recorder r;
    char path[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    record_problems(&r);
    temporary_path(path, test_folder, "shapes.json");
    assert_true(profile_problems_save(&r.problems, path, "tern train", 3, &error));
    json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, NULL), *entry;
    const char *text = json_string_value(json_object_get(json, "format"));
    assert_string_equal(text, "tern shapes 1");
    assert_string_equal(json_string_value(json_object_get(json, "model")), "tern train");
    size_t i;
    json_int_t calls = 0;
    json_array_foreach(json_object_get(json, "problems"), i, entry)
    {
        const char *op, *inputs, *options, *pass, *gradients = NULL;
        json_int_t count;
        tern_problem problem;
        assert_int_equal(json_unpack(entry, "{s:s, s:s, s:s, s:s, s:I, s?s !}", "op", &op, "inputs",
                                     &inputs, "options", &options, "pass", &pass, "count", &count,
                                     "gradients", &gradients), 0);
        assert_int_equal(gradients != NULL, strcmp(pass, "bwd") == 0);
        const tern_op *contract = tern_op_find(op, &error);
        if (!contract || !tern_problem_make(&problem, contract, inputs, options, 0, &error))
            fail_msg("%s %s %s: %s", op, inputs, options, error.message);
        if (strcmp(op, "embedding") == 0)
            assert_true(problem.inputs[0].shape[0] == 9 && problem.inputs[1].count == 3);
        tern_problem_free(&problem);
        calls += count;
    }
    assert_true(calls >= 3 * 8);
    json_decref(json);
    profile_recorder_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_times_and_the_recorder_are_the_wall_time),
        cmocka_unit_test(an_ops_time_is_found_under_its_layer_in_its_direction),
        cmocka_unit_test(the_first_step_of_a_shape_is_kept_apart),
        cmocka_unit_test(the_share_of_the_roofline_is_of_the_longer_of_both),
        cmocka_unit_test(events_of_a_trace_nest_and_last_as_long_as_the_run),
        cmocka_unit_test(problems_are_told_apart_by_shapes_options_and_pass),
        cmocka_unit_test(saved_shapes_can_be_made_again),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
