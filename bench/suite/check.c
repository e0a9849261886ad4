#include "bench/suite/check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/registry.h"
#include "kernels/table.h"

/* What ref manages in a moment, and in what somebody who waits for numbers puts up with. */
static const double MOMENT = 2e8, LONGEST = 4e9;
static const double EPS = 0x1p-24, LEFT_OUT = 1e-5;

/* A bound that is more of a tensor than this would let anything pass. */
static const double WIDEST = 0.05;

/* ------------------------------------------------------------- problems -- */

/* A copy of the problem with [first, first + part) of its first input's axis 0, its real
 * values moved if asked. */
static bool copy_problem(tern_problem *copy, const tern_problem *from, int64_t first, int64_t part,
                         bool moved, tern_error *error)
{
    tern_rng rng = tern_rng_make(29, TERN_STREAM_TEST, 0);
    *copy = *from;
    copy->options = malloc(from->op->options_size + 1);
    for (int i = 0; i < TERN_MAX_ARGS; i++)
        copy->inputs[i].values = NULL;
    bool ok = copy->options;
    if (ok)
        memcpy(copy->options, from->options, from->op->options_size);
    for (int i = 0; i < from->count && ok; i++) {
        tern_problem_input *to = &copy->inputs[i];
        size_t size = to->present ? tern_dtype_size(tern_kind_host_dtype(to->arg->kind)) : 0;
        int64_t start = 0;
        if (!to->present)
            continue;
        if (i == 0 && part < to->shape[0]) {
            start = first * (to->count / to->shape[0]);
            to->count = to->count / to->shape[0] * part;
            to->shape[0] = part;
        }
        ok = (to->values = malloc((size_t)(to->count + 1) * size));
        if (ok)
            memcpy(to->values, (const char *)from->inputs[i].values + (size_t)start * size,
                   (size_t)to->count * size);
        bool is_real = to->arg->kind == TERN_REAL || to->arg->kind == TERN_ANY;
        for (int64_t j = 0; ok && moved && is_real && j < to->count; j++)
            ((double *)to->values)[j] *= 1 + EPS * tern_rng_normal(&rng);
    }
    if (!ok) {
        tern_problem_free(copy);
        return tern_error_set(error, TERN_ERR_MEMORY, "no memory for a copy of the problem");
    }
    return true;
}

/* --------------------------------------------------------------- values -- */

double *bench_read_values(tern_ctx *ctx, const tern_tensor *tensor)
{
    size_t count = (size_t)tensor->count + 1;
    double *values = calloc(count, sizeof *values);
    int32_t *integers = tern_dtype_is_real(tensor->dtype) ? NULL : calloc(count, sizeof *integers);
    if (!values || (!integers && !tern_dtype_is_real(tensor->dtype))) {
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory to read %lld values",
                  (long long)tensor->count);
    } else if (!integers) {
        tern_read(ctx, tensor, TERN_F64, values);
    } else {
        tern_read(ctx, tensor, tensor->dtype, integers);
        for (int64_t i = 0; i < tensor->count; i++)
            values[i] = tensor->dtype == TERN_U8 ? ((const uint8_t *)integers)[i] : integers[i];
    }
    free(integers);
    if (!tern_ok(ctx)) {
        free(values);
        return NULL;
    }
    return values;
}

static int from_largest(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

double bench_distance_of(const double *a, const double *b, int64_t count, bool is_gradient)
{
    int64_t out = is_gradient ? (int64_t)((double)count * LEFT_OUT) : 0;
    double sum = 0, *apart = out ? malloc((size_t)count * sizeof *apart) : NULL;
    for (int64_t i = 0; i < count; i++) {
        double difference = fabs(a[i] - b[i]);
        if (a[i] == b[i])
            difference = 0; /* infinities */
        if (isnan(difference))
            out = 0;
        if (apart)
            apart[i] = difference;
        sum += difference * difference;
    }
    if (apart && out) {
        qsort(apart, (size_t)count, sizeof *apart, from_largest);
        sum = 0;
        for (int64_t i = count - 1; i >= out; i--)
            sum += apart[i] * apart[i];
    }
    free(apart);
    return sqrt(sum);
}

static double norm(const double *values, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += isfinite(values[i]) ? values[i] * values[i] : 0;
    return sqrt(sum);
}

/* ------------------------------------------------------------------ ref -- */

/* A run on ref: what it gives goes into the reference's values; with `allowed`, into how far
 * they may be off. */
typedef struct ref_run {
    bench_reference *reference;
    const bench_settings *settings;
    const tern_problem *problem;
    const bench_row *row;
    bool moved;
} ref_run;

static void move(tern_tensor *tensor, tern_rng *rng)
{
    bool is_real = tensor && tensor->data && tensor->dtype == TERN_F64;
    for (int64_t i = 0; is_real && i < tensor->count; i++)
        ((double *)tensor->data)[i] *= 1 + EPS * tern_rng_normal(rng);
}

static const tern_impl *impl_on_ref(const tern_ctx *ctx, const char *op)
{
    const tern_impl *impl;
    for (int i = 0; (impl = tern_impl_at(ctx, i)); i++)
        if (strcmp(impl->op, op) == 0 && strcmp(impl->backend, "ref") == 0)
            return impl;
    return NULL;
}

/* ref's forward, then what it wrote is rounded as if at random: backward starts from that. */
static void moved_forward(tern_call *call)
{
    tern_rng rng = tern_rng_make(37, TERN_STREAM_TEST, call->rng_position);
    impl_on_ref(call->ctx, call->op->name)->forward(call);
    for (int i = 0; i < call->outputs; i++)
        move(call->out[i], &rng);
    for (int i = 0; i < call->saveds; i++)
        move(call->saved[i], &rng);
}

static double terms_of(const tern_ctx *ctx, bool is_gradient, int64_t count)
{
    double flops = is_gradient ? tern_step_backward_flops(ctx) : tern_step_flops(ctx);
    return fmax(1, flops / 2 / fmax(1, (double)count));
}

static void take(const ref_run *run, tern_ctx *ctx, const tern_tensor *tensor, bool is_gradient,
                 bench_value *to)
{
    if (!tensor || !tern_ok(ctx))
        return;
    double *values = bench_read_values(ctx, tensor);
    if (!values)
        return;
    if (!run->moved) {
        to->count = tensor->count;
        to->is_gradient = is_gradient;
        to->values = values;
        return;
    }
    to->allowed = 8 * sqrt(terms_of(ctx, is_gradient, to->count)) *
                      (EPS * norm(to->values, to->count) +
                       bench_distance_of(values, to->values, to->count, is_gradient)) +
                  FLT_MIN * sqrt((double)to->count);
    double all = norm(to->values, to->count), tiny = FLT_MIN * sqrt((double)to->count);
    if (all > 0 && to->allowed > WIDEST * all && to->allowed > 2 * tiny)
        tern_fail(ctx, TERN_ERR_ARGUMENT,
                  "cannot be checked: rounding alone may change %s by %.2g of its size; give "
                  "inputs of other ranges", tensor->name ? tensor->name : "a result",
                  to->allowed / all);
    free(values);
}

/* The part's outputs' gradients, from the row's. */
static void seed_part(const ref_run *run, tern_ctx *ctx, tern_tensor *const *out)
{
    const bench_reference *reference = run->reference;
    for (int i = 0; i < TERN_MAX_SAVED; i++) {
        if (!out[i] || !run->row->grad_output[i])
            continue;
        int64_t start = reference->part < reference->rows
                            ? reference->first * (out[i]->count / reference->part) : 0;
        tern_seed_grad(ctx, out[i], TERN_F32, run->row->grad_output[i] + start);
    }
}

static void run_ref(const ref_run *run, tern_ctx *ctx)
{
    tern_tensor *in[TERN_MAX_ARGS], *out[TERN_MAX_SAVED];
    bench_reference *reference = run->reference;
    bool any = false;
    tern_set_training(ctx, true);
    tern_set_recording(ctx, run->row->pass != BENCH_FORWARD);
    tern_step_begin(ctx, 0);
    tern_set_rng_step(ctx, 3);
    tern_problem_upload(ctx, run->problem, run->row->pass != BENCH_FORWARD, in);
    tern_problem_apply(ctx, run->problem, in, out);
    for (int i = 0; i < TERN_MAX_SAVED; i++) {
        take(run, ctx, out[i], false, &reference->output[i]);
        any = any || run->row->grad_output[i];
    }
    for (int i = 0; i < run->problem->count; i++)
        if (run->problem->inputs[i].present && run->problem->inputs[i].arg->flags & TERN_MUTATED)
            take(run, ctx, in[i], false, &reference->changed[i]);
    if (!any || !tern_ok(ctx))
        return;
    seed_part(run, ctx, out);
    tern_backward(ctx, NULL);
    for (int i = 0; i < run->problem->count && tern_ok(ctx); i++)
        if (in[i])
            take(run, ctx, in[i]->grad, true, &reference->gradient[i]);
}

static bool on_ref(ref_run run, const tern_problem *problem, tern_error *error)
{
    tern_problem part;
    bench_reference *reference = run.reference;
    if (!copy_problem(&part, problem, reference->first, reference->part, run.moved, error))
        return false;
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "ref" }, error);
    if (ctx && run.settings->prepare)
        run.settings->prepare(ctx, run.settings->user);
    const tern_impl *impl = ctx ? impl_on_ref(ctx, problem->op->name) : NULL;
    tern_impl moved = impl ? *impl : (tern_impl){ 0 };
    if (ctx && !impl)
        tern_fail(ctx, TERN_ERR_MISSING, "%s has no implementation on ref to be checked with",
                  problem->op->name);
    if (ctx && impl && run.moved) {
        moved.provider = "moved";
        moved.forward = moved_forward;
        tern_add_impl(ctx, &moved);
        tern_set_provider(ctx, problem->op->name, "moved");
    }
    if (ctx) {
        run.problem = &part;
        run_ref(&run, ctx);
        if (!tern_ok(ctx))
            *error = *tern_ctx_error(ctx);
    }
    tern_problem_free(&part);
    tern_ctx_free(ctx);
    return !error->code;
}

double bench_checked_part(const tern_op *op, int64_t rows, double flops, tern_error *error)
{
    bool has_parts = op->sums_products && rows > 1;
    if (!has_parts && flops > LONGEST) {
        tern_error_set(error, TERN_ERR_ARGUMENT, "too large to be checked: %.3g GFLOP, the float64 "
                       "loops of ref can be waited for up to %.3g", flops * 1e-9, LONGEST * 1e-9);
        return 0;
    }
    return has_parts && flops > MOMENT ? fmax(MOMENT / flops, 1 / (double)rows) : 1;
}

/* Which part is checked; false: none can be. */
static bool choose_part(bench_reference *reference, const tern_problem *problem, double flops,
                        tern_error *error)
{
    const tern_problem_input *input = &problem->inputs[0];
    tern_rng rng = tern_rng_make(31, TERN_STREAM_TEST, (uint32_t)input->count);
    reference->rows = reference->part = input->present && input->rank ? input->shape[0] : 1;
    double part = bench_checked_part(problem->op, reference->rows, flops, error);
    if (part == 0)
        return false;
    reference->part = (int64_t)(part * (double)reference->rows + 1e-6);
    reference->first = tern_rng_below(&rng, (uint32_t)(reference->rows - reference->part + 1));
    return true;
}

bool bench_reference_make(bench_reference *reference, const bench_settings *settings,
                          const tern_problem *problem, const bench_row *row, tern_error *error)
{
    *reference = (bench_reference){ 0 };
    ref_run run = { .reference = reference, .settings = settings, .row = row };
    if (!choose_part(reference, problem, row->flops, error) || !on_ref(run, problem, error))
        return false;
    run.moved = true;
    return on_ref(run, problem, error);
}

void bench_reference_free(bench_reference *reference)
{
    for (int i = 0; i < TERN_MAX_SAVED; i++)
        free(reference->output[i].values);
    for (int i = 0; i < TERN_MAX_ARGS; i++) {
        free(reference->changed[i].values);
        free(reference->gradient[i].values);
    }
    *reference = (bench_reference){ 0 };
}
