/* The trimodal training step, as train/trainer.c makes it. */
#include "bench/workload/trimodal.h"

#include "bench/measure/memory.h"
#include "core/params.h"
#include "core/rng.h"
#include "core/safetensors.h"
#include "kernels/adamw/adamw.h"
#include "kernels/grad_norm/grad_norm.h"
#include "kernels/table.h"
#include "models/speech_encoder.h"
#include "train/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VOCABULARY = 10000, FIRST_WORD = 3, SENTENCE_START = 2, COMPARED_STEPS = 5 };

/* Signatures of the steps' plans; an inference plan is told apart by its rows. */
enum { TRAINING = 1, INFERENCE = 1000 };

/* --------------------------------------------------------------- batch -- */

static tern_model_config default_config(const bench_trimodal_opts *opts)
{
    tern_model_config config = {
        .streams = 1u << TERN_STREAM_FACE | 1u << TERN_STREAM_AUDIO | 1u << TERN_STREAM_TEXT,
        .fusion = opts->fusion,
        .classes = BENCH_CLASSES,
        .vocabulary = VOCABULARY,
        .dropout = opts->dropout > 0 ? opts->dropout : -1,
    };
    for (int c = 0; c < BENCH_CLASSES; c++)
        snprintf(config.class_names[c], sizeof config.class_names[c], "class%d", c);
    return config;
}

static float *normals(tern_rng *rng, int64_t count, double mean, double deviation)
{
    float *values = malloc((size_t)count * sizeof *values);
    for (int64_t i = 0; values && i < count; i++)
        values[i] = (float)(mean + deviation * tern_rng_normal(rng));
    return values;
}

static int32_t *whole_numbers(tern_rng *rng, int64_t count, int32_t lowest, int32_t end)
{
    int32_t *values = malloc((size_t)count * sizeof *values);
    for (int64_t i = 0; values && i < count; i++)
        values[i] = lowest + (int32_t)tern_rng_below(rng, (uint32_t)(end - lowest));
    return values;
}

static uint8_t *all_valid(int64_t count)
{
    uint8_t *mask = malloc((size_t)count);
    if (mask)
        memset(mask, 1, (size_t)count);
    return mask;
}

/* Pixels about -1 to 1, a spectrogram in decibels, any words. */
static bool make_batch(bench_trimodal *work, uint64_t seed, tern_error *error)
{
    const tern_model_config *config = &work->config;
    tern_rng rng = tern_rng_make(seed, TERN_STREAM_TEST, 0);
    int64_t frames = BENCH_ROWS * config->frames, tokens = BENCH_ROWS * config->tokens;
    int64_t steps = tern_speech_frames(tern_model_samples(config));
    int64_t pixels = frames * config->height * config->width * config->channels;
    work->face = normals(&rng, pixels, 0, 0.5);
    work->mel = normals(&rng, BENCH_ROWS * steps * config->mels, -40, 15);
    work->mel_length = whole_numbers(&rng, BENCH_ROWS, (int32_t)steps, (int32_t)steps + 1);
    work->tokens = whole_numbers(&rng, tokens, FIRST_WORD, VOCABULARY);
    work->label = whole_numbers(&rng, BENCH_ROWS, 0, BENCH_CLASSES);
    work->face_mask = all_valid(frames);
    work->token_mask = all_valid(tokens);
    if (!work->face || !work->mel || !work->mel_length || !work->tokens || !work->label ||
        !work->face_mask || !work->token_mask)
        return tern_error_set(error, TERN_ERR_MEMORY, "no memory for a batch");
    for (int64_t n = 0; n < BENCH_ROWS; n++)
        work->tokens[n * config->tokens] = SENTENCE_START;
    work->batch = (tern_model_arrays){
        .rows = BENCH_ROWS, .face = work->face, .face_mask = work->face_mask, .mel = work->mel,
        .audio_length = work->mel_length, .mel_frames = steps, .tokens = work->tokens,
        .token_mask = work->token_mask, .label = work->label,
    };
    return true;
}

bool bench_trimodal_open(bench_trimodal *work, const bench_trimodal_opts *opts, tern_error *error)
{
    *work = (bench_trimodal){ .config = default_config(opts), .train = tern_train_opts_default() };
    if (!tern_model_config_resolve(&work->config, error) || !make_batch(work, opts->seed, error))
        return false;
    work->resident_bytes = bench_resident_bytes();
    work->ctx = tern_open((tern_ctx_opts){ .device = "cpu", .threads = opts->threads,
                                           .simd = opts->simd, .seed = opts->seed }, error);
    if (!work->ctx)
        return false;
    work->model = tern_classifier_new(work->ctx, &work->config);
    tern_params_freeze(work->ctx);
    if (!tern_ok(work->ctx))
        *error = *tern_ctx_error(work->ctx);
    return tern_ok(work->ctx);
}

void bench_trimodal_close(bench_trimodal *work)
{
    tern_classifier_free(work->model);
    tern_ctx_free(work->ctx);
    free(work->face), free(work->mel), free(work->mel_length), free(work->tokens);
    free(work->label), free(work->face_mask), free(work->token_mask);
    *work = (bench_trimodal){ 0 };
}

/* --------------------------------------------------------------- steps -- */

/* Forward, backward, clip and update; recorded or run.  Returns the loss. */
static double step_ops(bench_trimodal *work)
{
    const tern_train_opts *train = &work->train;
    tern_ctx *ctx = work->ctx;
    tern_tensor *scale;
    tern_model_inputs inputs = tern_model_inputs_upload(ctx, &work->config, &work->batch);
    tern_tensor *loss = tern_classifier_loss(
        ctx, work->model, &inputs, NULL,
        (tern_classifier_loss_opts){ .auxiliary = train->auxiliary }, NULL);
    work->forward_flops = tern_step_flops(ctx);
    tern_backward(ctx, loss);
    const tern_param_blocks *blocks = tern_blocks(ctx);
    tern_grad_norm(ctx, blocks->grad, &scale, (tern_grad_norm_opts){ .max_norm = train->clip });
    tern_adamw(ctx, blocks, scale,
               (tern_adamw_opts){ .lr = train->lr, .weight_decay = train->weight_decay,
                                  .step = work->step + 1 });
    return tern_read_scalar(ctx, loss);
}

double bench_trimodal_train(bench_trimodal *work)
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

void bench_trimodal_infer(bench_trimodal *work, int64_t rows, float *logits)
{
    tern_model_arrays batch = work->batch;
    batch.rows = rows;
    batch.label = NULL;
    tern_set_training(work->ctx, false);
    tern_step_begin(work->ctx, INFERENCE + (uint64_t)rows);
    tern_model_inputs inputs = tern_model_inputs_upload(work->ctx, &work->config, &batch);
    tern_tensor *found = tern_classifier_forward(work->ctx, work->model, &inputs, NULL);
    work->forward_flops = tern_step_flops(work->ctx);
    if (tern_ok(work->ctx))
        tern_read(work->ctx, found, TERN_F32, logits);
}

/* ---------------------------------------------------------------- save -- */

static bool path_in(const char *folder, const char *name, const char *end, char path[1024],
                    tern_error *error)
{
    if (snprintf(path, 1024, "%s/%s%s", folder, name, end) < 1024)
        return true;
    return tern_error_set(error, TERN_ERR_ARGUMENT, "the path %s is too long", folder);
}

static void set_number(tern_safetensors_writer *writer, const char *key, double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.17g", value);
    tern_safetensors_set_metadata(writer, key, text);
}

static bool save_batch(const bench_trimodal *work, const char *path, tern_error *error)
{
    const tern_model_config *c = &work->config;
    const tern_model_arrays *batch = &work->batch;
    const tern_train_opts *train = &work->train;
    int64_t face[] = { batch->rows, c->frames, c->height, c->width, c->channels };
    int64_t mel[] = { batch->rows, batch->mel_frames, c->mels };
    int64_t tokens[] = { batch->rows, c->tokens };
    tern_safetensors_writer *writer = tern_safetensors_create(path, error);
    if (!writer)
        return false;
    tern_safetensors_add(writer, "face", TERN_F32, 5, face, batch->face);
    tern_safetensors_add(writer, "mel", TERN_F32, 3, mel, batch->mel);
    tern_safetensors_add(writer, "tokens", TERN_I32, 2, tokens, batch->tokens);
    tern_safetensors_add(writer, "label", TERN_I32, 1, &batch->rows, batch->label);
    json_t *config = tern_model_config_to_json(c), *value;
    const char *key;
    json_object_foreach(config, key, value)
        if (json_is_integer(value))
            set_number(writer, key, (double)json_integer_value(value));
    json_decref(config);
    set_number(writer, "classes", (double)c->classes);
    set_number(writer, "lr", train->lr);
    set_number(writer, "weight_decay", train->weight_decay);
    set_number(writer, "clip", train->clip);
    set_number(writer, "auxiliary", train->auxiliary);
    return tern_safetensors_finish(writer);
}

static bool save_steps(bench_trimodal *work, const char *path, tern_error *error)
{
    float before[BENCH_ROWS * BENCH_CLASSES], after[BENCH_ROWS * BENCH_CLASSES];
    double losses[COMPARED_STEPS];
    bench_trimodal_infer(work, BENCH_ROWS, before);
    for (int i = 0; i < COMPARED_STEPS; i++)
        losses[i] = bench_trimodal_train(work);
    bench_trimodal_infer(work, BENCH_ROWS, after);
    if (!tern_ok(work->ctx)) {
        *error = *tern_ctx_error(work->ctx);
        return false;
    }
    tern_safetensors_writer *writer = tern_safetensors_create(path, error);
    if (!writer)
        return false;
    int64_t logits[] = { BENCH_ROWS, BENCH_CLASSES }, steps = COMPARED_STEPS;
    tern_safetensors_add(writer, "logits_before", TERN_F32, 2, logits, before);
    tern_safetensors_add(writer, "losses", TERN_F64, 1, &steps, losses);
    tern_safetensors_add(writer, "logits_after", TERN_F32, 2, logits, after);
    return tern_safetensors_finish(writer);
}

bool bench_trimodal_save(bench_trimodal *work, const char *folder, tern_error *error)
{
    const char *fusion = tern_fusion_names[work->config.fusion];
    char path[1024];
    if (!path_in(folder, "batch", ".safetensors", path, error) || !save_batch(work, path, error) ||
        !path_in(folder, fusion, ".safetensors", path, error))
        return false;
    if (!tern_checkpoint_save(work->ctx, path, false, &(tern_checkpoint_info){ 0 })) {
        *error = *tern_ctx_error(work->ctx);
        return false;
    }
    return path_in(folder, fusion, ".steps.safetensors", path, error) &&
           save_steps(work, path, error);
}
