#include "bench/workload/save.h"

#include <stdio.h>
#include <string.h>

void bench_save_number(tern_safetensors_writer *writer, const char *key, double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.17g", value);
    tern_safetensors_set_metadata(writer, key, text);
}

bool bench_workload_save_batch(const bench_workload *work, const char *path, tern_error *error)
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
