#include "bench/workload/reference.h"

#include "bench/workload/save.h"
#include "train/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char MOMENTS[] = "optimizer.exp_avg.";

static const struct { const char *name; double allowed; } kinds[BENCH_DISTANCES] = {
    [BENCH_LOGITS] = { "logits", 1e-5 },       [BENCH_GRADIENTS] = { "gradients", 5e-3 },
    [BENCH_LOSSES] = { "losses", 1e-2 },       [BENCH_TRAINED] = { "trained", 5e-2 },
    [BENCH_READ_BACK] = { "read_back", 1e-5 },
};

/* Logits of ref: as many FLOPs as can be waited for. */
static const double LONGEST = 4e9;

const char *bench_distance_name(bench_distance kind)
{
    return kinds[kind].name;
}

/* --------------------------------------------------------------- making -- */

static bool name_file(char path[BENCH_PATH], const char *before, const char *end,
                      tern_error *error)
{
    return snprintf(path, BENCH_PATH, "%s.%s.safetensors", before, end) < BENCH_PATH ||
           tern_error_set(error, TERN_ERR_ARGUMENT, "the path %s is too long", before);
}

static bool ended_well(const bench_workload *work, tern_error *error)
{
    if (!tern_ok(work->ctx))
        *error = *tern_ctx_error(work->ctx);
    return tern_ok(work->ctx);
}

/* Five steps, and the logits after them. */
static bool train(bench_model_reference *reference, bench_workload *work, tern_error *error)
{
    for (int i = 0; i < BENCH_COMPARED_STEPS; i++) {
        reference->losses[i] = bench_workload_train(work);
        reference->flops = 3 * work->forward_flops;
        reference->executed = work->executed_flops;
        if (i == 0)
            tern_checkpoint_save(work->ctx, reference->first, &work->optimiser,
                                 &(tern_checkpoint_info){ 0 });
    }
    reference->rows = work->batch.rows;
    bench_workload_infer(work, reference->rows, reference->logits);
    return ended_well(work, error);
}

/* The logits of one row: of ref, if that can be waited for. */
static bool infer(bench_model_reference *reference, bench_workload *work, tern_error *error)
{
    bench_workload ref = { 0 };
    bench_opts opts = { .device = "ref", .seed = 1, .batch = reference->batch,
                        .weights = reference->weights };
    reference->rows = 1;
    bench_workload_infer(work, 1, reference->logits);
    reference->flops = work->forward_flops;
    reference->executed = work->executed_flops;
    if (!ended_well(work, error) || reference->flops > LONGEST)
        return !error->code;
    bool ok = bench_workload_open(&ref, reference->model, &opts, error);
    if (ok) {
        bench_workload_infer(&ref, 1, reference->logits);
        ok = ended_well(&ref, error);
    }
    bench_workload_close(&ref);
    return ok;
}

bool bench_model_reference_make(bench_model_reference *reference, const bench_model *model,
                                bool trains, uint64_t seed, uint64_t batch_seed,
                                const char *folder, const char *name, tern_error *error)
{
    char before[BENCH_PATH];
    bench_workload work = { 0 };
    bench_opts opts = { .threads = 1, .seed = seed, .batch_seed = batch_seed };
    *reference = (bench_model_reference){ .model = model, .trains = trains };
    snprintf(before, sizeof before, "%s/%s", folder, name);
    bool ok = name_file(reference->batch, before, "batch", error) &&
              name_file(reference->weights, before, "weights", error) &&
              name_file(reference->first, before, "first", error) &&
              bench_workload_open(&work, model, &opts, error) &&
              bench_workload_save_batch(&work, reference->batch, error);
    if (ok) {
        tern_checkpoint_save(work.ctx, reference->weights, NULL, &(tern_checkpoint_info){ 0 });
        ok = ended_well(&work, error) &&
             (trains ? train(reference, &work, error) : infer(reference, &work, error));
    }
    bench_workload_close(&work);
    return ok;
}

/* ------------------------------------------------------------ comparing -- */

static double value_at(const tern_stored *stored, int64_t i)
{
    return stored->dtype == TERN_F64 ? ((const double *)stored->data)[i]
                                     : (double)((const float *)stored->data)[i];
}

/* An array of so many real numbers. */
static const tern_stored *find(const tern_safetensors *file, const char *name, int64_t count,
                               tern_error *error)
{
    const tern_stored *stored = tern_safetensors_find(file, name, error);
    if (!stored || (stored->count == count && tern_dtype_is_real(stored->dtype) &&
                    stored->dtype != TERN_BF16))
        return stored;
    tern_error_set(error, TERN_ERR_SHAPE, "%s: %lld numbers wanted, %lld of %s came", name,
                   (long long)count, (long long)stored->count, tern_dtype_name(stored->dtype));
    return NULL;
}

/* The largest difference as a part of the largest wanted; NaN where one is NaN. */
static double farthest(const double *wanted, const tern_stored *found, int64_t count)
{
    double most = 0, largest = 0;
    for (int64_t i = 0; i < count; i++) {
        double off = fabs(value_at(found, i) - wanted[i]);
        if (!(off <= most))
            most = off;
        largest = fmax(largest, fabs(wanted[i]));
        if (isnan(off))
            return NAN;
    }
    return most / largest;
}

static double farthest_logit(const float *wanted, const tern_stored *found)
{
    double values[BENCH_MOST_ROWS * BENCH_CLASSES] = { 0 };
    for (int64_t i = 0; i < found->count; i++)
        values[i] = wanted[i];
    return farthest(values, found, found->count);
}

/* AdamW's first moments of all parameters together. */
static double gradients_away(const char *wanted_path, const char *found_path, tern_error *error)
{
    double off = 0, whole = 0;
    tern_safetensors *wanted = tern_safetensors_open(wanted_path, error);
    tern_safetensors *found = wanted ? tern_safetensors_open(found_path, error) : NULL;
    for (int i = 0; found && i < tern_safetensors_count(wanted) && !error->code; i++) {
        const char *name = tern_safetensors_name(wanted, i);
        if (strncmp(name, MOMENTS, strlen(MOMENTS)) != 0)
            continue;
        const tern_stored *a = tern_safetensors_at(wanted, i, error);
        const tern_stored *b = a ? find(found, name, a->count, error) : NULL;
        for (int64_t j = 0; b && j < a->count; j++) {
            double difference = value_at(b, j) - value_at(a, j);
            off += difference * difference;
            whole += value_at(a, j) * value_at(a, j);
        }
    }
    tern_safetensors_close(wanted);
    tern_safetensors_close(found);
    return sqrt(off / whole);
}

/* tern's logits from the weights that the other has trained, beside the other's. */
static double read_back(const bench_model_reference *reference, const char *path,
                        const tern_stored *theirs, tern_error *error)
{
    bench_workload work = { 0 };
    bench_opts opts = { .threads = 1, .seed = 1, .batch = reference->batch, .weights = path };
    float ours[BENCH_MOST_ROWS * BENCH_CLASSES];
    double away = NAN;
    if (bench_workload_open(&work, reference->model, &opts, error)) {
        bench_workload_infer(&work, reference->rows, ours);
        if (ended_well(&work, error))
            away = farthest_logit(ours, theirs);
    }
    bench_workload_close(&work);
    return away;
}

static bool compare_training(const bench_model_reference *reference, const char *path,
                             const tern_safetensors *results, const tern_stored *logits,
                             double distances[BENCH_DISTANCES], tern_error *error)
{
    char first[BENCH_PATH], trained[BENCH_PATH];
    const tern_stored *losses = find(results, "losses", BENCH_COMPARED_STEPS, error);
    if (!losses || !name_file(first, path, "first", error) ||
        !name_file(trained, path, "trained", error))
        return false;
    distances[BENCH_LOSSES] = farthest(reference->losses, losses, BENCH_COMPARED_STEPS);
    distances[BENCH_GRADIENTS] = gradients_away(reference->first, first, error);
    if (!error->code)
        distances[BENCH_READ_BACK] = read_back(reference, trained, logits, error);
    return !error->code;
}

double bench_model_reference_compare(const bench_model_reference *reference, const char *path,
                                     double distances[BENCH_DISTANCES], tern_error *error)
{
    char file[BENCH_PATH];
    double worst = 0;
    memset(distances, 0, BENCH_DISTANCES * sizeof *distances);
    if (!name_file(file, path, "results", error))
        return NAN;
    tern_safetensors *results = tern_safetensors_open(file, error);
    const tern_stored *logits =
        results ? find(results, "logits", reference->rows * BENCH_CLASSES, error) : NULL;
    if (logits) {
        bench_distance kind = reference->trains ? BENCH_TRAINED : BENCH_LOGITS;
        distances[kind] = farthest_logit(reference->logits, logits);
        if (reference->trains)
            compare_training(reference, path, results, logits, distances, error);
    }
    tern_safetensors_close(results);
    for (int kind = 0; kind < BENCH_DISTANCES; kind++) {
        double part = distances[kind] / kinds[kind].allowed;
        worst = isnan(part) || part > worst ? part : worst;
        if (isnan(part))
            break;
    }
    return error->code ? NAN : worst;
}
