/* See checkpointed.h. */
#include "tests/checkpointed.h"

#include "core/params.h"
#include "core/rng.h"
#include "kernels/table.h"
#include "tests/check.h"

#include <math.h>
#include <stdlib.h>

const tern_checkpoint_info SAVED = { 7, 91, 5, 1.0 / 3 };
const tern_optimiser ADAMW = { .kind = TERN_OPTIMISER_ADAMW, .ema = 0.9 };

network new_network(const char *device, uint64_t seed)
{
    tern_error error = { 0 };
    tern_model_config config = {
        .streams = 7, .fusion = TERN_FUSION_ATTENTION, .classes = 3, .class_names = { "a", "b", "c" },
        .size = 8, .heads = 2, .height = 16, .width = 16, .channels = 3, .face_width = 2,
        .seconds = 0.3, .mels = 32, .audio_width = 2, .tokens = 5, .vocabulary = 9, .text_layers = 1,
    };
    if (!tern_model_config_resolve(&config, &error))
        fail_msg("%s", error.message);
    network n = { .ctx = tern_open((tern_ctx_opts){ .device = device, .threads = 1, .seed = seed },
                                   &error) };
    if (!n.ctx)
        fail_msg("%s", error.message);
    n.model = tern_classifier_new(n.ctx, &config);
    tern_params_freeze(n.ctx);
    tern_average_begin(n.ctx);
    assert_tern_ok(n.ctx);
    return n;
}

void free_network(network n)
{
    tern_classifier_free(n.model);
    tern_ctx_free(n.ctx);
}

bool tensor_of_network(tern_ctx *ctx, int index, tern_tensor *tensor)
{
    static const tern_block blocks[PARAM_PARTS] = { TERN_BLOCK_VALUE, TERN_BLOCK_MOMENT1,
                                                    TERN_BLOCK_MOMENT2, TERN_BLOCK_AVERAGE };
    int state = index - PARAM_PARTS * tern_param_count(ctx);
    if (state >= STATE_PARTS * tern_state_count(ctx))
        return false;
    if (state < 0)
        *tensor = tern_param_slice(ctx, index / PARAM_PARTS, blocks[index % PARAM_PARTS]);
    else if (state % STATE_PARTS)
        *tensor = tern_state_average(ctx, state / STATE_PARTS);
    else
        *tensor = *tern_state_at(ctx, state / STATE_PARTS);
    return true;
}

void fill_network(tern_ctx *ctx, uint64_t seed)
{
    tern_rng rng = tern_rng_make(seed, TERN_STREAM_TEST, 1);
    tern_tensor tensor;
    for (int i = 0; tensor_of_network(ctx, i, &tensor); i++) {
        double *values = malloc((size_t)tensor.count * sizeof *values);
        assert_non_null(values);
        for (int64_t k = 0; k < tensor.count; k++)
            values[k] = fabs(tern_rng_normal(&rng)) / 3;
        tern_write(ctx, &tensor, TERN_F64, values);
        free(values);
    }
    assert_tern_ok(ctx);
}

uint64_t hash_of_network(tern_ctx *ctx)
{
    uint64_t hash = 14695981039346656037u;
    tern_tensor tensor;
    for (int i = 0; tensor_of_network(ctx, i, &tensor); i++) {
        size_t bytes = tern_tensor_bytes(&tensor);
        uint8_t *values = malloc(bytes);
        assert_non_null(values);
        tern_read(ctx, &tensor, tensor.dtype, values);
        for (size_t k = 0; k < bytes; k++)
            hash = (hash ^ values[k]) * 1099511628211u;
        free(values);
    }
    assert_tern_ok(ctx);
    return hash;
}

const char *save_network(network n, const char *name, const tern_optimiser *optimiser,
                         char path[TEMPORARY_PATH_BYTES])
{
    temporary_path(path, test_folder, name);
    tern_checkpoint_save(n.ctx, path, optimiser, &SAVED);
    assert_tern_ok(n.ctx);
    return path;
}

tern_safetensors *open_checkpoint(const char *path)
{
    tern_error error = { 0 };
    tern_safetensors *file = tern_safetensors_open(path, &error);
    if (!file)
        fail_msg("%s", error.message);
    return file;
}
