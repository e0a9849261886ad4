#include "bench/workload/workload.h"

#include "bench/measure/memory.h"
#include "core/params.h"
#include "core/rng.h"
#include "kernels/cross_entropy/cross_entropy.h"
#include "kernels/table.h"
#include "train/checkpoint.h"
#include "train/options.h"

#include <stdlib.h>
#include <string.h>

/* Signatures of the steps' plans; an inference plan is told apart by its rows. */
enum { TRAINING = 1, INFERENCE = 1000 };

enum { MOST_MODELS = 16 };

extern const bench_model bench_cnn, bench_lstm, bench_transformer, bench_crossmodal,
    bench_trimodal_concat, bench_trimodal_attention, bench_trimodal_crossmodal;

const bench_model *const bench_models[] = {
    &bench_cnn, &bench_lstm, &bench_transformer, &bench_crossmodal, &bench_trimodal_concat,
    &bench_trimodal_attention, &bench_trimodal_crossmodal, NULL,
};

const bench_model *bench_model_find(const char *name, tern_error *error)
{
    const char *names[MOST_MODELS];
    int count = 0;
    for (; bench_models[count]; count++) {
        names[count] = bench_models[count]->name;
        if (strcmp(names[count], name) == 0)
            return bench_models[count];
    }
    const char *near = tern_nearest_name(name, names, count);
    tern_error_set(error, TERN_ERR_ARGUMENT, "there is no model %s%s%s", name,
                   near ? "; did you mean " : "", near ? near : "");
    return NULL;
}

/* --------------------------------------------------------------- batch -- */

static int64_t row_count(const bench_input *input)
{
    int64_t count = 1;
    for (int axis = 1; axis < input->rank; axis++)
        count *= input->shape[axis];
    return count;
}

static float *normals(tern_rng *rng, int64_t count, double mean, double deviation)
{
    float *values = malloc((size_t)count * sizeof *values);
    for (int64_t i = 0; values && i < count; i++)
        values[i] = (float)(mean + (deviation > 0 ? deviation : 1) * tern_rng_normal(rng));
    return values;
}

static int32_t *whole_numbers(tern_rng *rng, int64_t count, int32_t lowest, int32_t end)
{
    int32_t *values = malloc((size_t)count * sizeof *values);
    for (int64_t i = 0; values && i < count; i++)
        values[i] = lowest + (int32_t)tern_rng_below(rng, (uint32_t)(end - lowest));
    return values;
}

static bool draw_batch(bench_batch *batch, const bench_model *model, uint64_t seed,
                       tern_error *error)
{
    tern_rng rng = tern_rng_make(seed, TERN_STREAM_TEST, 0);
    *batch = (bench_batch){ .model = model, .rows = model->rows };
    for (int i = 0; model->inputs[i].name; i++) {
        const bench_input *input = &model->inputs[i];
        int64_t count = model->rows * row_count(input);
        if (input->dtype == TERN_I32)
            batch->inputs[i] = whole_numbers(&rng, count, input->lowest, input->end);
        else
            batch->inputs[i] = normals(&rng, count, input->mean, input->deviation);
        if (!batch->inputs[i])
            return tern_error_set(error, TERN_ERR_MEMORY, "no memory for the input %s",
                                  input->name);
    }
    batch->label = whole_numbers(&rng, model->rows, 0, BENCH_CLASSES);
    return batch->label || tern_error_set(error, TERN_ERR_MEMORY, "no memory for labels");
}

tern_tensor *bench_upload(tern_ctx *ctx, const bench_batch *batch, int index)
{
    const bench_input *input = &batch->model->inputs[index];
    int64_t shape[TERN_MAX_RANK];
    memcpy(shape, input->shape, sizeof shape);
    shape[0] = batch->rows;
    return tern_input(ctx, input->name, input->dtype, input->rank, shape, batch->inputs[index]);
}

/* The values of an array of the file, which must be as the batch has it. */
static bool read_array(const tern_safetensors *file, const char *name, tern_dtype dtype,
                       int64_t count, void *values, tern_error *error)
{
    const tern_stored *stored = tern_safetensors_find(file, name, error);
    if (!stored)
        return false;
    if (stored->dtype != dtype || stored->count != count)
        return tern_error_set(error, TERN_ERR_SHAPE, "%s: %lld elements wanted, the file has %lld "
                              "of %s", name, (long long)count, (long long)stored->count,
                              tern_dtype_name(stored->dtype));
    memcpy(values, stored->data, stored->bytes);
    return true;
}

bool bench_workload_give(bench_workload *work, const char *path, tern_error *error)
{
    const bench_model *model = work->model;
    tern_safetensors *file = tern_safetensors_open(path, error);
    bool ok = file != NULL;
    for (int i = 0; ok && model->inputs[i].name; i++)
        ok = read_array(file, model->inputs[i].name, model->inputs[i].dtype,
                        model->rows * row_count(&model->inputs[i]), work->batch.inputs[i], error);
    ok = ok && read_array(file, "label", TERN_I32, model->rows, work->batch.label, error);
    tern_safetensors_close(file);
    return ok;
}

/* ------------------------------------------------------------- the whole -- */

bool bench_workload_open(bench_workload *work, const bench_model *model, const bench_opts *opts,
                         tern_error *error)
{
    tern_train_opts train = tern_train_opts_default();
    *work = (bench_workload){
        .model = model, .lr = train.lr,
        .optimiser = { .kind = TERN_OPTIMISER_ADAMW, .weight_decay = train.weight_decay,
                       .beta1 = train.beta1, .beta2 = train.beta2, .eps = train.eps,
                       .clip = model->clip },
    };
    if (!draw_batch(&work->batch, model, opts->batch_seed ? opts->batch_seed : opts->seed, error) ||
        (opts->batch && !bench_workload_give(work, opts->batch, error)))
        return false;
    bench_load_code();
    work->resident_bytes = bench_resident_bytes();
    work->own = calloc(1, model->bytes);
    if (!work->own)
        return tern_error_set(error, TERN_ERR_MEMORY, "no memory for the model %s", model->name);
    work->ctx = tern_open((tern_ctx_opts){ .device = opts->device, .threads = opts->threads,
                                           .simd = opts->simd, .seed = opts->seed }, error);
    if (!work->ctx)
        return false;
    if (opts->inference_only)
        tern_set_inference_only(work->ctx);
    model->declare(work->ctx, work->own, opts);
    tern_params_freeze(work->ctx);
    if (opts->weights && tern_ok(work->ctx))
        tern_checkpoint_load(work->ctx, opts->weights, NULL, NULL);
    if (!tern_ok(work->ctx))
        *error = *tern_ctx_error(work->ctx);
    return tern_ok(work->ctx);
}

void bench_workload_close(bench_workload *work)
{
    if (work->own && work->model->close)
        work->model->close(work->own);
    tern_ctx_free(work->ctx);
    for (int i = 0; i < BENCH_INPUTS; i++)
        free(work->batch.inputs[i]);
    free(work->batch.label);
    free(work->own);
    *work = (bench_workload){ 0 };
}

/* --------------------------------------------------------------- steps -- */

static tern_tensor *loss_of(const bench_workload *work)
{
    if (work->model->loss)
        return work->model->loss(work->ctx, work->own, &work->batch);
    tern_tensor *logits = work->model->logits(work->ctx, work->own, &work->batch);
    tern_tensor *label = tern_input(work->ctx, "label", TERN_I32, 1, &work->batch.rows,
                                    work->batch.label);
    return tern_cross_entropy(work->ctx, logits, label, NULL, NULL,
                              (tern_cross_entropy_opts){ 0 });
}

/* Forward, backward, clip and update; recorded or run.  Returns the loss. */
static double step_ops(bench_workload *work)
{
    tern_ctx *ctx = work->ctx;
    tern_tensor *loss = loss_of(work);
    work->forward_flops = tern_step_flops(ctx);
    tern_backward(ctx, loss);
    work->executed_flops =
        tern_step_executed_flops(ctx) + tern_step_backward_executed_flops(ctx);
    tern_optimiser_step(ctx, &work->optimiser, work->lr, work->step + 1);
    return tern_read_scalar(ctx, loss);
}

double bench_workload_outline(bench_workload *work, bool trains)
{
    bench_batch row = work->batch;
    row.rows = 1;
    tern_set_training(work->ctx, trains);
    tern_step_begin_dry(work->ctx, TRAINING);
    if (trains) {
        step_ops(work);
        return 3 * work->forward_flops;
    }
    work->model->logits(work->ctx, work->own, &row);
    return tern_step_flops(work->ctx);
}

double bench_workload_train(bench_workload *work)
{
    tern_set_training(work->ctx, true);
    if (!tern_step_is_planned(work->ctx, TRAINING)) {
        tern_step_begin_dry(work->ctx, TRAINING);
        step_ops(work);
    }
    tern_step_begin(work->ctx, TRAINING);
    double loss = step_ops(work);
    work->step++;
    return loss;
}

void bench_workload_infer(bench_workload *work, int64_t rows, float *logits)
{
    bench_batch batch = work->batch;
    batch.rows = rows;
    uint64_t signature = INFERENCE + (uint64_t)rows;
    tern_set_training(work->ctx, false);
    if (!tern_step_is_planned(work->ctx, signature)) {
        tern_step_begin_dry(work->ctx, signature);
        work->model->logits(work->ctx, work->own, &batch);
    }
    tern_step_begin(work->ctx, signature);
    tern_tensor *found = work->model->logits(work->ctx, work->own, &batch);
    work->forward_flops = tern_step_flops(work->ctx);
    work->executed_flops = tern_step_executed_flops(work->ctx);
    if (tern_ok(work->ctx))
        tern_read(work->ctx, found, TERN_F32, logits);
}
