/* Running a sample on ref, on ref with everything moved a little, and on the device. */
#include "tests/against_ref.h"

#include "tests/check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/op_probe.h"

enum { PROBES = 8 };

typedef struct trial {
    const tern_op *op;
    const tern_sample *sample;
    tern_problem problem;
    op_probe_opts opts;
    op_probe reference;
    double *moved[OP_PROBE_VALUES]; /* farthest move of each element */
} trial;

static void describe(const trial *t, char *text, size_t bytes)
{
    snprintf(text, bytes, "%s(%s%s%s)%s%s", t->op->name, t->sample->inputs,
             *t->sample->options ? ", " : "", t->sample->options,
             t->opts.training ? " training" : "", t->opts.accumulate ? " accumulating" : "");
}

static void run(tern_ctx *ctx, const trial *t, op_probe_opts opts, op_probe *result)
{
    char text[512];
    op_probe_make(ctx, &t->problem, opts, result);
    describe(t, text, sizeof text);
    if (!tern_ok(ctx))
        fail_msg("%s: %s", text, tern_ctx_error(ctx)->message);
}

/* ref, unmoved and moved. */
static void measure(tern_ctx *movable, trial *t)
{
    run(movable, t, t->opts, &t->reference);
    for (int v = 0; v < t->reference.count; v++) {
        t->moved[v] = calloc((size_t)t->reference.value[v].count + 1, sizeof(double));
        assert_non_null(t->moved[v]);
    }
    for (uint32_t probe = 0; probe < PROBES; probe++) {
        op_probe moved;
        op_probe_opts opts = t->opts;
        opts.move = FLT_EPSILON;
        opts.move_draw = probe;
        run(movable, t, opts, &moved);
        for (int v = 0; v < moved.count; v++)
            for (int64_t i = 0; i < moved.value[v].count; i++)
                t->moved[v][i] = fmax(t->moved[v][i], fabs(moved.value[v].values[i] -
                                                           t->reference.value[v].values[i]));
        op_probe_free(&moved);
    }
}

static void compare(const trial *t, const op_probe *found, const tern_ctx *ctx)
{
    char text[512];
    describe(t, text, sizeof text);
    assert_int_equal(found->count, t->reference.count);
    for (int v = 0; v < found->count; v++) {
        const op_value *value = &found->value[v], *wanted = &t->reference.value[v];
        assert_string_equal(value->name, wanted->name);
        assert_int_equal(value->count, wanted->count);
        for (int64_t i = 0; i < value->count; i++) {
            double scale = FLT_EPSILON * fabs(wanted->values[i]) + t->moved[v][i];
            double bound = 8 * sqrt(wanted->terms) * scale;
            double difference = fabs(value->values[i] - wanted->values[i]);
            if (!(difference <= bound) && value->values[i] != wanted->values[i])
                fail_msg("%s: %s[%d] is %.9g on %s (%s), %.9g on ref: off by %.2g, %.2g allowed",
                         text, value->name, (int)i, value->values[i], tern_device(ctx),
                         tern_simd_level(ctx), wanted->values[i], difference, bound);
        }
    }
}

static void release(trial *t)
{
    for (int v = 0; v < t->reference.count; v++)
        free(t->moved[v]);
    op_probe_free(&t->reference);
    tern_problem_free(&t->problem);
}

static void check_trial(tern_ctx *movable, tern_ctx *const *contexts, int count, trial *t)
{
    tern_error error = { 0 };
    if (!tern_problem_make(&t->problem, t->op, t->sample->inputs, t->sample->options, 23, &error))
        fail_msg("%s: %s", t->op->name, error.message);
    measure(movable, t);
    for (int c = 0; c < count; c++) {
        op_probe found;
        run(contexts[c], t, t->opts, &found);
        compare(t, &found, contexts[c]);
        op_probe_free(&found);
    }
    release(t);
}

void assert_follows_ref(const tern_op *op, const tern_sample *samples, tern_ctx *const *contexts,
                        int count)
{
    static const struct {
        bool training, accumulate;
    } modes[] = { { true, false }, { true, true }, { false, false } };
    tern_error error = { 0 };
    tern_ctx *movable = op_probe_open_movable(op, &error);
    assert_string_equal(error.message, "");
    uint64_t signature = 0;
    for (const tern_sample *sample = samples; sample && sample->uses; sample++)
        for (size_t m = 0; m < sizeof modes / sizeof *modes; m++) {
            trial t = { .op = op, .sample = sample };
            t.opts = (op_probe_opts){ .signature = ++signature, .training = modes[m].training,
                                      .accumulate = modes[m].accumulate };
            if (sample->uses & TERN_SAMPLE_CHECK)
                check_trial(movable, contexts, count, &t);
        }
    tern_ctx_free(movable);
}
