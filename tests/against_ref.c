/* Running a sample on ref, finding how far off a device may be, and running it there. */
#include "tests/against_ref.h"

#include "tests/check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/registry.h"
#include "core/rng.h"
#include "kernels/table.h"
#include "tests/op_run.h"

enum { PROBES = 8, SEED = 23 };
static const double WIDEST = 0.05; /* bound, of the largest value; lstm of 150 needs 0.02 */

/* ------------------------------------------------------- moving numbers -- */

/* What the "moved" provider needs to know: a kernel has no closure. */
static struct {
    const tern_impl *original;
    tern_impl wrapper;
    bool on; /* off: nothing moves */
    tern_rng rng;
    tern_cost forward, backward; /* of the last calls */
} moving;

static void move(tern_tensor *tensor)
{
    if (moving.on && tensor && tensor->dtype == TERN_F64 && tensor->data)
        for (int64_t i = 0; i < tensor->count; i++)
            ((double *)tensor->data)[i] *= 1 + FLT_EPSILON * tern_rng_normal(&moving.rng);
}

static void moved_forward(tern_call *call)
{
    tern_cost backward = { 0 };
    moving.forward = moving.backward = (tern_cost){ 0 };
    if (call->op->cost)
        call->op->cost(call, &moving.forward, &backward);
    moving.original->forward(call);
    for (int i = 0; i < call->outputs; i++)
        move(call->out[i]);
    for (int i = 0; i < call->saveds; i++)
        move(call->saved[i]);
    for (int i = 0; i < tern_op_input_count(call->op); i++)
        if (call->op->in[i].flags & TERN_MUTATED)
            move(call->in[i]);
}

static void costed_backward(tern_call *call)
{
    tern_cost forward = { 0 };
    if (call->op->cost)
        call->op->cost(call, &forward, &moving.backward);
    moving.original->backward(call);
}

/* A ref context on which runs of this one op can be moved; one at a time. */
static tern_ctx *open_movable(const tern_op *op)
{
    tern_ctx *ctx = open_context((tern_ctx_opts){ .device = "ref", .seed = 7 });
    moving.original = tern_find_impl(ctx, op);
    if (!moving.original)
        fail_msg("%s has no implementation on ref", op->name);
    moving.wrapper = *moving.original;
    moving.wrapper.provider = "moved";
    moving.wrapper.forward = moved_forward;
    if (moving.original->backward)
        moving.wrapper.backward = costed_backward;
    tern_add_impl(ctx, &moving.wrapper);
    tern_set_provider(ctx, op->name, "moved");
    return ctx;
}

/* --------------------------------------------------------------- trials -- */

/* How far off ref a device may be; the header says more. */
typedef struct bound {
    enum { BY_MOVING, BY_TERMS, BY_LARGEST } kind;
    double tolerance;     /* BY_LARGEST */
    bool bits_may_differ; /* with the number of threads: of providers that promise nothing */
} bound;

typedef struct trial {
    const tern_op *op;
    const tern_sample *sample;
    tern_problem problem;
    op_run_how how;
    op_result reference;
    double *allowed[OP_VALUES]; /* for each element */
} trial;

static const char *describe(const trial *t, char text[512])
{
    snprintf(text, 512, "%s(%s%s%s)%s%s%s", t->op->name, t->sample->inputs,
             *t->sample->options ? ", " : "", t->sample->options,
             t->how.eval ? " in inference" : "", t->how.accumulate ? " accumulating" : "",
             t->how.uses > 1 ? " used three times" : "");
    return text;
}

static op_result run(tern_ctx *ctx, const trial *t, const tern_problem *problem,
                     void (*touch)(tern_tensor *))
{
    char text[512];
    op_run_how how = t->how;
    how.touch = touch;
    op_result result = op_run_on(ctx, problem, how);
    if (!tern_ok(ctx))
        fail_msg("%s: %s", describe(t, text), tern_ctx_error(ctx)->message);
    return result;
}

/* ------------------------------------------------------------ by moving -- */

static double largest_of(const op_value *value)
{
    double largest = 0;
    for (int64_t i = 0; i < value->count; i++)
        largest = fmax(largest, fabs(value->values[i]));
    return largest;
}

/* Where rounding decides between two results, as it does with ties, anything would pass. */
static void assert_bounds_say_something(const trial *t)
{
    char text[512];
    for (int v = 0; v < OP_VALUES; v++) {
        const op_value *value = &t->reference.value[v];
        double largest = largest_of(value);
        for (int64_t i = 0; i < value->count; i++)
            if (t->allowed[v][i] > WIDEST * (largest > 0 ? largest : 1))
                fail_msg("%s: no test, as rounding errors alone may move %s[%d] by %.2g where "
                         "%.2g is the largest value", describe(t, text), value->name, (int)i,
                         t->allowed[v][i], largest);
    }
}

/* How many terms are added up for an element of value number v. */
static double terms_of(const trial *t, int v)
{
    const op_value *value = &t->reference.value[v];
    double flops = value >= t->reference.grad ? moving.backward.flops : moving.forward.flops;
    return fmax(1, flops / 2 / fmax(1, (double)value->count));
}

static void allow_by_moving(tern_ctx *movable, trial *t)
{
    moving.on = true;
    for (uint32_t probe = 0; probe < PROBES; probe++) {
        moving.rng = tern_rng_make(5, TERN_STREAM_TEST, probe);
        op_result moved = run(movable, t, &t->problem, move);
        for (int v = 0; v < OP_VALUES; v++)
            for (int64_t i = 0; i < moved.value[v].count; i++)
                t->allowed[v][i] = fmax(t->allowed[v][i],
                                        fabs(moved.value[v].values[i] -
                                             t->reference.value[v].values[i]));
        op_result_free(&moved);
    }
    moving.on = false;
    for (int v = 0; v < OP_VALUES; v++)
        for (int64_t i = 0; i < t->reference.value[v].count; i++) {
            double rounding = FLT_EPSILON * fabs(t->reference.value[v].values[i]);
            t->allowed[v][i] = 8 * sqrt(terms_of(t, v)) * (rounding + t->allowed[v][i]);
        }
    assert_bounds_say_something(t);
}

/* ------------------------------------------------------------- by terms -- */

static void make_absolute(tern_tensor *tensor)
{
    for (int64_t i = 0; tensor->dtype == TERN_F64 && i < tensor->count; i++)
        ((double *)tensor->data)[i] = fabs(((double *)tensor->data)[i]);
}

static void make_one(tern_tensor *tensor)
{
    for (int64_t i = 0; tensor->dtype == TERN_F64 && i < tensor->count; i++)
        ((double *)tensor->data)[i] = 1;
}

/* The problem without an activation: nothing but sums of products. */
static tern_problem sums_alone(const trial *t)
{
    tern_error error = { 0 };
    tern_problem sums;
    bool ok = tern_problem_make(&sums, t->op, t->sample->inputs, t->sample->options, SEED, &error);
    for (const tern_option *option = t->op->options; ok && option && option->type; option++)
        if (strcmp(option->name, "activation") == 0)
            ok = tern_problem_set_options(&sums, "activation=none", &error);
    if (!ok)
        fail_msg("%s: %s", t->op->name, error.message);
    return sums;
}

/* Slopes of activations are at most 1.13; a gradient is rounded once more before it is
 * summed. */
static void allow_by_terms(tern_ctx *movable, trial *t)
{
    const double unit = 8 * (FLT_EPSILON / 2) * 1.13;
    tern_problem problem = sums_alone(t);
    op_result sums = run(movable, t, &problem, make_absolute);
    op_result terms = run(movable, t, &problem, make_one);
    for (int v = 0; v < OP_VALUES; v++)
        for (int64_t i = 0; i < t->reference.value[v].count; i++)
            t->allowed[v][i] = unit * (sqrt(terms.value[v].values[i]) + 1) *
                               sums.value[v].values[i];
    op_result_free(&sums);
    op_result_free(&terms);
    tern_problem_free(&problem);
}

/* ----------------------------------------------------------- by largest -- */

static void allow_by_largest(double tolerance, trial *t)
{
    for (int v = 0; v < OP_VALUES; v++) {
        double share = tolerance * largest_of(&t->reference.value[v]);
        for (int64_t i = 0; i < t->reference.value[v].count; i++)
            t->allowed[v][i] = share;
    }
}

void assert_values_near(const op_value *found, const op_value *wanted, double tolerance)
{
    double allowed = tolerance * largest_of(wanted);
    assert_int_equal(found->count, wanted->count);
    for (int64_t i = 0; i < found->count; i++)
        if (!(fabs(found->values[i] - wanted->values[i]) <= allowed))
            fail_msg("%s[%lld] is %.9g, %.9g +- %.2g wanted", found->name, (long long)i,
                     found->values[i], wanted->values[i], allowed);
}

/* ------------------------------------------------------------ comparing -- */

static void compare(const trial *t, const op_result *found, const tern_ctx *ctx)
{
    char text[512];
    assert_same_shapes(describe(t, text), found, &t->reference);
    for (int v = 0; v < OP_VALUES; v++) {
        const op_value *value = &found->value[v], *wanted = &t->reference.value[v];
        for (int64_t i = 0; i < value->count; i++) {
            double difference = fabs(value->values[i] - wanted->values[i]);
            if (!(difference <= t->allowed[v][i] + FLT_MIN) &&
                value->values[i] != wanted->values[i])
                fail_msg("%s: %s[%d] is %.9g on %s (%s), %.9g on ref: off by %.2g, %.2g allowed",
                         text, value->name, (int)i, value->values[i], tern_device(ctx),
                         tern_simd_level(ctx), wanted->values[i], difference,
                         t->allowed[v][i]);
        }
    }
}

static bool must_be_equal(const tern_ctx *a, const tern_ctx *b)
{
    return strcmp(tern_device(a), tern_device(b)) == 0 &&
           strcmp(tern_simd_level(a), tern_simd_level(b)) == 0;
}

static void check_trial(tern_ctx *movable, tern_ctx *const *contexts, int count, bound limit,
                        trial *t)
{
    char text[512];
    op_result found[MAX_CPUS];
    t->reference = run(movable, t, &t->problem, NULL);
    for (int v = 0; v < OP_VALUES; v++) {
        t->allowed[v] = calloc((size_t)t->reference.value[v].count + 1, sizeof(double));
        assert_non_null(t->allowed[v]);
    }
    switch (limit.kind) {
    case BY_MOVING: allow_by_moving(movable, t); break;
    case BY_TERMS: allow_by_terms(movable, t); break;
    case BY_LARGEST: allow_by_largest(limit.tolerance, t); break;
    }
    for (int c = 0; c < count; c++) {
        found[c] = run(contexts[c], t, &t->problem, NULL);
        compare(t, &found[c], contexts[c]);
        if (c > 0 && !limit.bits_may_differ && must_be_equal(contexts[c], contexts[c - 1]))
            assert_same_bits(describe(t, text), &found[c], &found[c - 1]);
    }
    for (int c = 0; c < count; c++)
        op_result_free(&found[c]);
    for (int v = 0; v < OP_VALUES; v++)
        free(t->allowed[v]);
    op_result_free(&t->reference);
}

static void check_samples(const tern_op *op, const tern_sample *samples, bound limit,
                          tern_ctx *const *contexts, int count)
{
    static const op_run_how ways[] = {
        { .uses = 1 }, { .uses = 3 }, { .accumulate = true }, { .eval = true },
    };
    tern_error error = { 0 };
    tern_ctx *movable = open_movable(op);
    uint64_t signature = 0;
    assert_in_range(count, 1, MAX_CPUS);
    for (const tern_sample *sample = samples; sample && sample->uses; sample++) {
        trial t = { .op = op, .sample = sample };
        if (!(sample->uses & TERN_SAMPLE_CHECK))
            continue;
        if (!tern_problem_make(&t.problem, op, sample->inputs, sample->options, SEED, &error))
            fail_msg("%s: %s", op->name, error.message);
        for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
            t.how = ways[way];
            t.how.signature = ++signature;
            check_trial(movable, contexts, count, limit, &t);
        }
        tern_problem_free(&t.problem);
    }
    tern_ctx_free(movable);
}

/* --------------------------------------------------------------- on cpu -- */

int open_cpus(tern_ctx **contexts)
{
    const char *levels[4];
    int count = 0;
    for (int level = tern_simd_levels(levels) - 1; level >= 0; level--)
        for (int threads = 1; threads <= 3; threads++)
            contexts[count++] = open_context((tern_ctx_opts){
                .device = "cpu", .simd = levels[level], .threads = threads, .seed = 7,
                .poison = true });
    return count;
}

void assert_follows_ref(const tern_op *op, const tern_sample *samples, tern_ctx *const *contexts,
                        int count)
{
    check_samples(op, samples, (bound){ .kind = BY_MOVING }, contexts, count);
}

static void check_on_cpus(const char *op, const char *provider, const char *inputs,
                          const char *options, bound limit)
{
    const tern_sample samples[] = { { TERN_SAMPLE_CHECK, inputs, options }, { 0, NULL, NULL } };
    tern_ctx *contexts[MAX_CPUS] = { NULL };
    int count = open_cpus(contexts);
    for (int c = 0; c < count && provider; c++)
        tern_set_provider(contexts[c], op, provider);
    check_samples(tern_op_find(op, &(tern_error){ 0 }), samples, limit, contexts, count);
    for (int c = 0; c < count; c++)
        tern_ctx_free(contexts[c]);
}

void assert_cpu_follows_ref(const char *op, const char *inputs, const char *options,
                            double tolerance)
{
    check_on_cpus(op, NULL, inputs, options,
                  tolerance > 0 ? (bound){ .kind = BY_LARGEST, .tolerance = tolerance }
                                : (bound){ .kind = BY_MOVING });
}

void assert_sums_follow_ref(const char *op, const char *provider, const char *inputs,
                            const char *options)
{
    check_on_cpus(op, provider, inputs, options,
                  (bound){ .kind = BY_TERMS, .bits_may_differ = provider != NULL });
}
