/* What was computed, beside the reference: a row's tensors, or a peer's file. */
#include "bench/suite/check.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/safetensors.h"

typedef enum found_kind { OUTPUT, CHANGED, GRADIENT } found_kind;

/* Where results are found: all values of one as doubles, which the caller frees; NULL if
 * it is not there. */
typedef struct found {
    double *(*values)(void *from, found_kind kind, int index, int64_t *count);
    void *from;
} found;

/* The worse of the two; NaN is the worst. */
static double worse(double a, double b)
{
    return isnan(a) || a > b ? a : b;
}

static double compare_one(const bench_value *wanted, const found *results, found_kind kind,
                          int index, int64_t start)
{
    int64_t count = 0;
    if (!wanted->count)
        return 0;
    double *values = results->values(results->from, kind, index, &count), apart = NAN;
    if (values && count >= start + wanted->count)
        apart = bench_distance_of(values + start, wanted->values, wanted->count,
                                  wanted->is_gradient);
    free(values);
    return apart / (wanted->allowed + DBL_MIN);
}

/* row: which inputs there are, and which of them want a gradient. */
static double compare_all(const bench_reference *reference, const bench_row *row,
                          const found *results)
{
    bool is_part = reference->part < reference->rows;
    double worst = 0;
    for (int i = 0; i < TERN_MAX_SAVED; i++) {
        const bench_value *wanted = &reference->output[i];
        int64_t start = is_part ? reference->first * (wanted->count / reference->part) : 0;
        worst = worse(compare_one(wanted, results, OUTPUT, i, start), worst);
    }
    for (int i = 0; i < row->problem->count; i++) {
        const bench_value *wanted = &reference->gradient[i];
        int64_t one = is_part && i == 0 ? wanted->count / reference->part : 0;
        worst = worse(compare_one(&reference->changed[i], results, CHANGED, i, 0), worst);
        if (row->inputs[i] && row->inputs[i]->requires_grad)
            worst = worse(compare_one(wanted, results, GRADIENT, i, reference->first * one), worst);
    }
    return worst;
}

/* Of a part: no gradient flows through what is not checked.  NULL without memory. */
static float *mask_gradient(const bench_reference *reference, const float *gradient, int64_t count)
{
    int64_t one = count / reference->rows;
    float *masked = calloc((size_t)count + 1, sizeof *masked);
    if (masked)
        memcpy(masked + reference->first * one, gradient + reference->first * one,
               (size_t)(reference->part * one) * sizeof *masked);
    return masked;
}

/* ----------------------------------------------------------------- rows -- */

static double *values_of_row(void *from, found_kind kind, int index, int64_t *count)
{
    const bench_row *row = from;
    const tern_tensor *tensor = kind == OUTPUT ? row->outputs[index] : row->inputs[index];
    if (kind == GRADIENT && tensor)
        tensor = tensor->grad;
    if (!tensor || !tern_ok(row->ctx))
        return NULL;
    *count = tensor->count;
    return bench_read_values(row->ctx, tensor);
}

double bench_reference_compare(const bench_reference *reference, bench_row *row)
{
    bool is_part = reference->part < reference->rows;
    float *whole[TERN_MAX_SAVED];
    memcpy(whole, row->grad_output, sizeof whole);
    for (int i = 0; i < TERN_MAX_SAVED && is_part; i++) {
        if (!whole[i])
            continue;
        row->grad_output[i] = mask_gradient(reference, whole[i], row->outputs[i]->count);
        if (!row->grad_output[i]) {
            row->grad_output[i] = whole[i];
            tern_fail(row->ctx, TERN_ERR_MEMORY, "no memory for a gradient of %lld elements",
                      (long long)row->outputs[i]->count);
        }
    }
    row->runs = 0; /* the reference's very inputs */
    bench_row_run(row, NULL, NULL);
    double worst = compare_all(reference, row, &(found){ values_of_row, row });
    for (int i = 0; i < TERN_MAX_SAVED; i++)
        if (row->grad_output[i] != whole[i]) {
            free(row->grad_output[i]);
            row->grad_output[i] = whole[i];
        }
    return tern_ok(row->ctx) ? worst : NAN;
}

/* ---------------------------------------------------------------- peers -- */

enum { NAME = 64 };

/* Reals as float32, which is what they were rounded to. */
static void *as_stored(const tern_problem_input *input, tern_dtype *dtype)
{
    *dtype = tern_kind_host_dtype(input->arg->kind);
    size_t size = tern_dtype_size(*dtype);
    const double *reals = input->values;
    void *values = malloc((size_t)(input->count + 1) * size);
    if (values && *dtype != TERN_F64)
        memcpy(values, input->values, (size_t)input->count * size);
    for (int64_t i = 0; values && *dtype == TERN_F64 && i < input->count; i++)
        ((float *)values)[i] = (float)reals[i];
    if (*dtype == TERN_F64)
        *dtype = TERN_F32;
    return values;
}

bool bench_peer_files_write(const char *path, const tern_problem *problem, const bench_row *row,
                            const bench_reference *reference, tern_error *error)
{
    void *held[TERN_MAX_ARGS + TERN_MAX_SAVED];
    int count = 0;
    char name[NAME];
    tern_dtype dtype;
    tern_safetensors_writer *writer = tern_safetensors_create(path, error);
    for (int i = 0; writer && i < problem->count; i++) {
        const tern_problem_input *input = &problem->inputs[i];
        if (!input->present)
            continue;
        if ((held[count] = as_stored(input, &dtype)))
            tern_safetensors_add(writer, input->name, dtype, input->rank, input->shape,
                                 held[count++]);
        else
            tern_error_set(error, TERN_ERR_MEMORY, "no memory for a copy of %s", input->name);
    }
    for (int i = 0; writer && i < TERN_MAX_SAVED; i++) {
        const tern_tensor *out = row->outputs[i];
        const float *gradient = row->grad_output[i];
        if (!gradient)
            continue;
        if (reference && reference->part < reference->rows) {
            gradient = held[count] = mask_gradient(reference, gradient, out->count);
            count += gradient != NULL;
        }
        snprintf(name, sizeof name, "grad_output.%s", problem->op->out[i].name);
        if (gradient)
            tern_safetensors_add(writer, name, TERN_F32, out->rank, out->shape, gradient);
        else
            tern_error_set(error, TERN_ERR_MEMORY, "no memory for the gradient of %s", name);
    }
    bool ok = writer && tern_safetensors_finish(writer) && !error->code;
    while (count)
        free(held[--count]);
    return ok;
}

typedef struct peer_file {
    tern_safetensors *file;
    const tern_problem *problem;
    tern_error *error;
} peer_file;

static double *values_of_file(void *from, found_kind kind, int index, int64_t *count)
{
    static const char *const kinds[] = { "output", "changed", "gradient" };
    const peer_file *of = from;
    const char *what = kind == OUTPUT ? of->problem->op->out[index].name
                                      : of->problem->inputs[index].name;
    char name[NAME];
    snprintf(name, sizeof name, "%s.%s", kinds[kind], what);
    const tern_stored *stored = tern_safetensors_find(of->file, name, of->error);
    if (!stored)
        return NULL;
    double *values = malloc((size_t)(stored->count + 1) * sizeof *values);
    bool is_real = stored->dtype == TERN_F32 || stored->dtype == TERN_F64;
    for (int64_t i = 0; values && is_real && i < stored->count; i++)
        values[i] = stored->dtype == TERN_F64 ? ((const double *)stored->data)[i]
                                              : (double)((const float *)stored->data)[i];
    if (!values)
        tern_error_set(of->error, TERN_ERR_MEMORY, "no memory to read %s", name);
    else if (!is_real)
        tern_error_set(of->error, TERN_ERR_DTYPE, "%s is of %s, not of f32", name,
                       tern_dtype_name(stored->dtype));
    *count = stored->count;
    return values;
}

double bench_reference_compare_file(const bench_reference *reference, const bench_row *row,
                                    const char *path, tern_error *error)
{
    tern_safetensors *file = tern_safetensors_open(path, error);
    peer_file from = { file, row->problem, error };
    double worst = NAN;
    if (file)
        worst = compare_all(reference, row, &(found){ values_of_file, &from });
    tern_safetensors_close(file);
    return error->code ? NAN : worst;
}
