#include "bench/workload/save.h"

#include "train/checkpoint.h"

#include <stdio.h>
#include <string.h>

enum { COMPARED_STEPS = 5, PATH_BYTES = 1024 };

static bool path_in(const char *folder, const char *name, const char *end, char path[PATH_BYTES],
                    tern_error *error)
{
    if (snprintf(path, PATH_BYTES, "%s/%s.%s.safetensors", folder, name, end) < PATH_BYTES)
        return true;
    return tern_error_set(error, TERN_ERR_ARGUMENT, "the path %s is too long", folder);
}

void bench_save_number(tern_safetensors_writer *writer, const char *key, double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.17g", value);
    tern_safetensors_set_metadata(writer, key, text);
}

static bool save_batch(const bench_workload *work, const char *path, tern_error *error)
{
    const bench_model *model = work->model;
    tern_safetensors_writer *writer = tern_safetensors_create(path, error);
    if (!writer)
        return false;
    for (int i = 0; model->inputs[i].name; i++) {
        const bench_input *input = &model->inputs[i];
        int64_t shape[TERN_MAX_RANK];
        memcpy(shape, input->shape, sizeof shape);
        shape[0] = work->batch.rows;
        tern_safetensors_add(writer, input->name, input->dtype, input->rank, shape,
                             work->batch.inputs[i]);
    }
    tern_safetensors_add(writer, "label", TERN_I32, 1, &work->batch.rows, work->batch.label);
    bench_save_number(writer, "lr", work->lr);
    bench_save_number(writer, "weight_decay", work->optimiser.weight_decay);
    bench_save_number(writer, "clip", work->optimiser.clip);
    if (model->describe)
        model->describe(work->own, writer);
    return tern_safetensors_finish(writer);
}

static bool save_weights(bench_workload *work, const char *folder, const char *end,
                         const tern_optimiser *optimiser, tern_error *error)
{
    char path[PATH_BYTES];
    if (!path_in(folder, work->model->name, end, path, error))
        return false;
    if (!tern_checkpoint_save(work->ctx, path, optimiser, &(tern_checkpoint_info){ 0 }))
        *error = *tern_ctx_error(work->ctx);
    return error->code == TERN_OK;
}

static bool save_steps(bench_workload *work, const char *folder, const char *path,
                       tern_error *error)
{
    float before[BENCH_MOST_ROWS * BENCH_CLASSES], after[BENCH_MOST_ROWS * BENCH_CLASSES];
    double losses[COMPARED_STEPS];
    int64_t rows = work->batch.rows;
    bench_workload_infer(work, rows, before);
    for (int i = 0; i < COMPARED_STEPS; i++) {
        losses[i] = bench_workload_train(work);
        if (i == 0 && !save_weights(work, folder, "first", &work->optimiser, error))
            return false;
    }
    bench_workload_infer(work, rows, after);
    if (!tern_ok(work->ctx)) {
        *error = *tern_ctx_error(work->ctx);
        return false;
    }
    tern_safetensors_writer *writer = tern_safetensors_create(path, error);
    if (!writer)
        return false;
    int64_t logits[] = { rows, BENCH_CLASSES }, steps = COMPARED_STEPS;
    tern_safetensors_add(writer, "logits_before", TERN_F32, 2, logits, before);
    tern_safetensors_add(writer, "losses", TERN_F64, 1, &steps, losses);
    tern_safetensors_add(writer, "logits_after", TERN_F32, 2, logits, after);
    return tern_safetensors_finish(writer);
}

bool bench_workload_save(bench_workload *work, const char *folder, tern_error *error)
{
    const char *name = work->model->name;
    char batch[PATH_BYTES], steps[PATH_BYTES];
    return path_in(folder, name, "batch", batch, error) && save_batch(work, batch, error) &&
           save_weights(work, folder, "weights", NULL, error) &&
           path_in(folder, name, "steps", steps, error) && save_steps(work, folder, steps, error);
}
