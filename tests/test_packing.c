/* Packed weights kept in inference (core/packing.h), for every op of the table: whatever its
 * kernels keep of parameters, results are those of weights packed anew. */
#include "tests/check.h"

#include "core/params.h"
#include "kernels/adamw/adamw.h"
#include "kernels/linear/linear.h"
#include "kernels/problem.h"
#include "kernels/table.h"

#include <stdlib.h>
#include <string.h>

/* A sample whose differentiable inputs but the first are parameters. */
typedef struct packed_case {
    tern_problem problem;
    tern_ctx *ctx;
    tern_tensor *params[TERN_MAX_ARGS];
    int64_t count; /* of the first output */
} packed_case;

static bool open_case(packed_case *c, const tern_op *op, const tern_sample *sample,
                      bool inference_only)
{
    tern_error error = { 0 };
    bool any = false;
    *c = (packed_case){ 0 };
    if (!tern_problem_make(&c->problem, op, sample->inputs, sample->options, 5, &error))
        fail_msg("%s", error.message);
    c->ctx = tern_open((tern_ctx_opts){ .device = "cpu", .poison = inference_only }, &error);
    if (!c->ctx)
        fail_msg("%s", error.message);
    if (inference_only)
        tern_set_inference_only(c->ctx);
    for (int i = 1; i < c->problem.count; i++) {
        const tern_problem_input *input = &c->problem.inputs[i];
        if (!input->present || !(input->arg->flags & TERN_DIFF))
            continue;
        char name[16]; /* a variadic input's name comes more than once */
        snprintf(name, sizeof name, "input%d", i);
        c->params[i] = tern_param(c->ctx, name, input->rank, input->shape,
                                  (tern_param_opts){ 0 });
        any = true;
    }
    tern_params_freeze(c->ctx);
    assert_tern_ok(c->ctx);
    return any;
}

static void close_case(packed_case *c)
{
    tern_ctx_free(c->ctx);
    tern_problem_free(&c->problem);
}

static void write_params(packed_case *c, double factor)
{
    for (int i = 1; i < c->problem.count; i++) {
        const tern_problem_input *input = &c->problem.inputs[i];
        if (!c->params[i])
            continue;
        double *values = calloc((size_t)input->count + 1, sizeof *values);
        assert_non_null(values);
        for (int64_t j = 0; j < input->count; j++)
            values[j] = (float)(factor * ((const double *)input->values)[j]);
        tern_write(c->ctx, c->params[i], TERN_F64, values);
        free(values);
    }
}

/* Forward, recorded (where nothing is kept) or not; the first output's values. */
static float *forward(packed_case *c, bool recorded)
{
    tern_tensor *in[TERN_MAX_ARGS], *out[TERN_MAX_SAVED];
    tern_set_recording(c->ctx, recorded);
    tern_step_begin(c->ctx, recorded);
    tern_problem_upload(c->ctx, &c->problem, false, in);
    for (int i = 0; i < c->problem.count; i++)
        if (c->params[i])
            in[i] = c->params[i];
    tern_problem_apply(c->ctx, &c->problem, in, out);
    assert_tern_ok(c->ctx);
    c->count = c->problem.op->out[0].name ? out[0]->count : 0;
    float *values = calloc((size_t)c->count + 1, sizeof *values);
    assert_non_null(values);
    if (c->count)
        tern_read(c->ctx, out[0], TERN_F32, values);
    assert_tern_ok(c->ctx);
    return values;
}

static void assert_kept_is_right(packed_case *c)
{
    float *anew = forward(c, true);
    for (int i = 0; i < 2; i++) {
        float *kept = forward(c, false);
        if (memcmp(anew, kept, (size_t)c->count * sizeof *kept) != 0)
            fail_msg("%s: inference %d departs from the recorded forward", c->problem.op->name,
                     i + 1);
        free(kept);
    }
    free(anew);
}

static void inference_follows_what_is_written_to_weights(void **state)
{
    (void)state;
    int kept = 0;
    for (const tern_op *const *op = tern_op_table(); *op; op++)
        for (const tern_sample *sample = (*op)->samples; sample->uses; sample++) {
            packed_case c;
            if (!(sample->uses & TERN_SAMPLE_CHECK))
                continue;
            if (open_case(&c, *op, sample, false)) {
                write_params(&c, 1);
                assert_kept_is_right(&c);
                write_params(&c, -0.5);
                assert_kept_is_right(&c);
                kept += tern_memory(c.ctx).packed_bytes > 0;
            }
            close_case(&c);
        }
    assert_true(kept > 20);
}

/* Its parameters that have no values any more. */
static int discarded_params(packed_case *c)
{
    int discarded = 0;
    for (int i = 1; i < c->problem.count; i++) {
        double *values = c->params[i] ? calloc((size_t)c->params[i]->count + 1, sizeof *values) : 0;
        if (values)
            tern_read(c->ctx, c->params[i], TERN_F64, values);
        discarded += !tern_ok(c->ctx);
        tern_clear_error(c->ctx);
        free(values);
    }
    return discarded;
}

static void assert_follows(packed_case *c, packed_case *wanted)
{
    float *values = forward(wanted, false);
    for (int i = 0; i < 3; i++) {
        float *found = forward(c, false);
        if (memcmp(values, found, (size_t)c->count * sizeof *found) != 0)
            fail_msg("%s: inference %d departs where values are discarded", c->problem.op->name,
                     i + 1);
        free(found);
    }
    free(values);
}

/* Poisoned memory: whatever reads discarded values finds that they are not numbers. */
static void no_kernel_reads_the_values_that_it_keeps_packed(void **state)
{
    (void)state;
    int discarded = 0;
    for (const tern_op *const *op = tern_op_table(); *op; op++)
        for (const tern_sample *sample = (*op)->samples; sample->uses; sample++) {
            packed_case c, wanted;
            if (!(sample->uses & TERN_SAMPLE_CHECK))
                continue;
            bool any = open_case(&c, *op, sample, true);
            if (open_case(&wanted, *op, sample, false) && any)
                for (double factor = 1; factor > -1; factor -= 1.5) {
                    write_params(&c, factor);
                    write_params(&wanted, factor);
                    assert_follows(&c, &wanted);
                    discarded += discarded_params(&c);
                }
            close_case(&c);
            close_case(&wanted);
        }
    assert_true(discarded > 40);
}

/* A linear layer of ones. */
enum { INPUTS = 5, OUTPUTS = 3 };

static tern_ctx *open_ones(tern_tensor **weight)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "cpu" }, &error);
    assert_non_null(ctx);
    *weight = tern_param(ctx, "weight", 2, (int64_t[]){ OUTPUTS, INPUTS },
                         (tern_param_opts){ .init = { .kind = TERN_INIT_ONE } });
    tern_params_freeze(ctx);
    return ctx;
}

static void assert_output(tern_ctx *ctx, tern_tensor *weight, float wanted)
{
    float x[INPUTS] = { 1, 2, 3, 4, 5 }, y[OUTPUTS];
    tern_step_begin(ctx, 0);
    tern_tensor *in = tern_input(ctx, "x", TERN_F32, 2, (int64_t[]){ 1, INPUTS }, x);
    tern_read(ctx, tern_linear(ctx, in, weight, NULL, (tern_linear_opts){ 0 }), TERN_F32, y);
    assert_tern_ok(ctx);
    for (int i = 0; i < OUTPUTS; i++)
        assert_float_equal(y[i], wanted, 0);
}

static void inference_follows_an_optimisers_step(void **state)
{
    (void)state;
    tern_tensor *weight;
    tern_ctx *ctx = open_ones(&weight);
    assert_output(ctx, weight, 15);
    /* Without a gradient the step is weight decay alone: every weight is halved. */
    tern_adamw(ctx, tern_blocks(ctx), NULL,
               (tern_adamw_opts){ .lr = 1, .weight_decay = 0.5, .step = 1 });
    assert_output(ctx, weight, 7.5);
    tern_ctx_free(ctx);
}

static void inference_follows_the_exchange_for_averages(void **state)
{
    (void)state;
    tern_tensor *weight;
    float twos[OUTPUTS * INPUTS];
    tern_ctx *ctx = open_ones(&weight);
    for (int i = 0; i < OUTPUTS * INPUTS; i++)
        twos[i] = 2;
    tern_average_begin(ctx);
    tern_write(ctx, weight, TERN_F32, twos);
    assert_output(ctx, weight, 30);
    tern_average_use(ctx, true);
    assert_output(ctx, weight, 15);
    tern_average_use(ctx, false);
    assert_output(ctx, weight, 30);
    tern_ctx_free(ctx);
}

/* The second inference neither packs into new memory nor allocates. */
static void kept_weights_take_their_memory_once(void **state)
{
    (void)state;
    packed_case c;
    tern_sample sample = { TERN_SAMPLE_CHECK, "x=[4,64] weight=[96,64] bias=[96]", "" };
    tern_error error = { 0 };
    assert_true(open_case(&c, tern_op_find("linear", &error), &sample, false));
    for (int i = 0; i < 2; i++)
        free(forward(&c, false));
    tern_memory_report second = tern_memory(c.ctx);
    write_params(&c, 2);
    for (int i = 0; i < 2; i++)
        free(forward(&c, false));
    tern_memory_report fourth = tern_memory(c.ctx);
    assert_true(second.packed_bytes >= 96 * 64 * sizeof(float));
    assert_true(fourth.packed_bytes == second.packed_bytes);
    assert_true(fourth.host_allocations == second.host_allocations);
    close_case(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inference_follows_what_is_written_to_weights),
        cmocka_unit_test(no_kernel_reads_the_values_that_it_keeps_packed),
        cmocka_unit_test(inference_follows_an_optimisers_step),
        cmocka_unit_test(inference_follows_the_exchange_for_averages),
        cmocka_unit_test(kept_weights_take_their_memory_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
