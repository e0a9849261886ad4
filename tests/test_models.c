/* Promises of the models: all fusions learn, any modality may be missing, padding
 * and batch neighbours do not matter, the default models are cheap. */
#include "tests/check.h"

#include "core/params.h"
#include "core/rng.h"
#include "kernels/adamw/adamw.h"
#include "kernels/table.h"
#include "models/classifier.h"
#include "models/stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 6, FRAMES = 2, SIDE = 16, TOKENS = 6, SAMPLES = 8000, CLASSES = 3 };

typedef struct batch {
    float face[ROWS * FRAMES * SIDE * SIDE * 3], audio[ROWS * SAMPLES], weight[ROWS];
    uint8_t face_mask[ROWS * FRAMES], token_mask[ROWS * TOKENS], has[3][ROWS];
    int32_t audio_length[ROWS], tokens[ROWS * TOKENS], label[ROWS];
} batch;

static tern_model_config small_config(tern_fusion fusion, unsigned streams)
{
    tern_error error = { 0 };
    tern_model_config config = {
        .streams = streams, .fusion = fusion, .classes = CLASSES,
        .class_names = { "calm", "glad", "sad" }, .size = 16, .heads = 2, .dropout = -1,
        .frames = FRAMES, .height = SIDE, .width = SIDE, .face_width = 4, .seconds = 0.5,
        .audio_width = 4, .tokens = TOKENS, .vocabulary = 12, .text_layers = 1,
    };
    if (!tern_model_config_resolve(&config, &error))
        fail_msg("%s", error.message);
    return config;
}

static batch *new_batch(void)
{
    batch *b = calloc(1, sizeof *b);
    tern_rng rng = tern_rng_make(3, TERN_STREAM_TEST, 0);
    assert_non_null(b);
    for (size_t i = 0; i < sizeof b->face / sizeof *b->face; i++)
        b->face[i] = (float)tern_rng_normal(&rng) * 0.5f;
    for (int n = 0; n < ROWS; n++) {
        b->label[n] = n % CLASSES;
        b->weight[n] = 1;
        b->audio_length[n] = SAMPLES - 700 * n;
        for (int i = 0; i < b->audio_length[n]; i++)
            b->audio[n * SAMPLES + i] = 0.1f * (float)tern_rng_normal(&rng);
        for (int t = 0; t < TOKENS; t++) {
            b->token_mask[n * TOKENS + t] = t < TOKENS - n % 3;
            b->tokens[n * TOKENS + t] = t ? 3 + (int32_t)tern_rng_below(&rng, 9) : 2;
        }
        memset(b->face_mask + n * FRAMES, 1, FRAMES);
        for (int s = 0; s < 3; s++)
            b->has[s][n] = 1;
    }
    return b;
}

static tern_model_arrays arrays_of(const batch *b)
{
    return (tern_model_arrays){ .rows = ROWS, .face = b->face, .face_mask = b->face_mask,
                                .audio = b->audio, .audio_length = b->audio_length,
                                .tokens = b->tokens, .token_mask = b->token_mask,
                                .label = b->label, .row_weight = b->weight,
                                .has = { b->has[0], b->has[1], b->has[2] } };
}

static tern_ctx *open_cpu(int threads)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .threads = threads, .seed = 5, .poison = true },
                              &error);
    if (!ctx)
        fail_msg("%s", error.message);
    return ctx;
}

/* Train a few steps; returns the last loss. */
static double train_hiding(tern_ctx *ctx, const tern_classifier *model, const batch *b, int steps,
                           double modality_dropout, double *first)
{
    double loss = 0;
    tern_model_arrays arrays = arrays_of(b);
    tern_set_training(ctx, true);
    for (int step = 1; step <= steps; step++) {
        tern_step_begin(ctx, 1);
        tern_model_inputs inputs =
            tern_model_inputs_upload(ctx, tern_classifier_config(model), &arrays);
        tern_tensor *value = tern_classifier_loss(
            ctx, model, &inputs, NULL,
            (tern_classifier_loss_opts){ .auxiliary = 0.2, .modality_dropout = modality_dropout },
            NULL);
        tern_backward(ctx, value);
        tern_adamw(ctx, tern_blocks(ctx), NULL, (tern_adamw_opts){ .lr = 5e-3, .step = step });
        loss = tern_read_scalar(ctx, value);
        if (step == 1 && first)
            *first = loss;
    }
    tern_set_training(ctx, false);
    assert_tern_ok(ctx);
    return loss;
}

static double train(tern_ctx *ctx, const tern_classifier *model, const batch *b, int steps,
                    double *first)
{
    return train_hiding(ctx, model, b, steps, 0, first);
}

static void predict(tern_ctx *ctx, const tern_classifier *model, const tern_model_arrays *arrays,
                    double *logits)
{
    tern_step_begin(ctx, 2);
    tern_model_inputs inputs =
        tern_model_inputs_upload(ctx, tern_classifier_config(model), arrays);
    tern_read(ctx, tern_classifier_forward(ctx, model, &inputs, NULL), TERN_F64, logits);
    assert_tern_ok(ctx);
}

static void every_fusion_learns_from_every_set_of_modalities(void **state)
{
    (void)state;
    batch *b = new_batch();
    for (int fusion = 0; fusion < TERN_FUSIONS; fusion++)
        for (unsigned streams = 1; streams < 8; streams++) {
            tern_model_config config = small_config((tern_fusion)fusion, streams);
            tern_ctx *ctx = open_cpu(1);
            tern_classifier *model = tern_classifier_new(ctx, &config);
            double first = 0, last;
            tern_params_freeze(ctx);
            last = train(ctx, model, b, 30, &first);
            if (!(last < 0.5 * first))
                fail_msg("%s, modalities %u: loss %g after 30 steps, %g at first",
                         tern_fusion_names[fusion], streams, last, first);
            tern_classifier_free(model);
            tern_ctx_free(ctx);
        }
    free(b);
}

/* With one modality left of each row every fusion still learns, and what it is told is
 * another thing than all of them. */
static void every_fusion_learns_from_what_modality_dropout_leaves(void **state)
{
    (void)state;
    batch *b = new_batch();
    for (int fusion = 0; fusion < TERN_FUSIONS; fusion++) {
        tern_model_config config = small_config((tern_fusion)fusion, 7);
        double losses[2], first = 0, last;
        for (int hides = 0; hides < 2; hides++) {
            tern_ctx *ctx = open_cpu(1);
            tern_classifier *model = tern_classifier_new(ctx, &config);
            tern_params_freeze(ctx);
            losses[hides] = train_hiding(ctx, model, b, 1, hides, NULL);
            last = train_hiding(ctx, model, b, 60, hides, &first);
            if (!(last < 0.7 * first))
                fail_msg("%s: loss %g after 60 steps, %g at first", tern_fusion_names[fusion],
                         last, first);
            tern_classifier_free(model);
            tern_ctx_free(ctx);
        }
        assert_true(losses[0] != losses[1]);
    }
    free(b);
}

/* What is hidden, or lies behind a mask, must not reach the logits. */
static void masked_values_do_not_matter(void **state)
{
    (void)state;
    double want[ROWS * CLASSES], got[ROWS * CLASSES];
    for (int fusion = 0; fusion < TERN_FUSIONS; fusion++) {
        batch *b = new_batch();
        tern_model_config config = small_config((tern_fusion)fusion, 7);
        tern_ctx *ctx = open_cpu(1);
        tern_classifier *model = tern_classifier_new(ctx, &config);
        tern_params_freeze(ctx);
        train(ctx, model, b, 2, NULL);
        memset(b->has[0], 0, 3);            /* no face in the first rows    */
        memset(b->has[1] + 1, 0, 3);        /* no sound in some             */
        b->has[2][4] = b->has[2][2] = 0;    /* row 2 has nothing at all     */
        tern_model_arrays arrays = arrays_of(b);
        predict(ctx, model, &arrays, want);
        for (int n = 0; n < ROWS; n++) {
            for (int i = b->audio_length[n]; i < SAMPLES; i++)
                b->audio[n * SAMPLES + i] = 0; /* padding is zero by contract */
            for (int t = 0; t < TOKENS; t++)
                if (!b->token_mask[n * TOKENS + t])
                    b->tokens[n * TOKENS + t] = 7;
        }
        for (int i = 0; i < 3 * FRAMES * SIDE * SIDE * 3; i++)
            b->face[i] = 99;
        for (int i = 0; i < 3 * SAMPLES; i++)
            b->audio[SAMPLES + i] = 0.7f;
        predict(ctx, model, &arrays, got);
        for (int i = 0; i < ROWS * CLASSES; i++) {
            assert_true(isfinite(got[i]));
            if (want[i] != got[i])
                fail_msg("%s: logit %d is %g, was %g", tern_fusion_names[fusion], i, got[i],
                         want[i]);
        }
        tern_classifier_free(model);
        tern_ctx_free(ctx);
        free(b);
    }
}

static void training_is_bit_identical_for_any_number_of_threads(void **state)
{
    (void)state;
    batch *b = new_batch();
    double losses[3];
    for (int threads = 1; threads <= 3; threads++) {
        tern_model_config config = small_config(TERN_FUSION_CROSSMODAL, 7);
        tern_ctx *ctx = open_cpu(threads);
        config.dropout = 0.2;
        tern_classifier *model = tern_classifier_new(ctx, &config);
        tern_params_freeze(ctx);
        losses[threads - 1] = train(ctx, model, b, 4, NULL);
        tern_classifier_free(model);
        tern_ctx_free(ctx);
    }
    free(b);
    assert_memory_equal(&losses[0], &losses[1], sizeof losses[0]);
    assert_memory_equal(&losses[0], &losses[2], sizeof losses[0]);
}

static void a_model_allocates_nothing_after_the_second_step(void **state)
{
    (void)state;
    batch *b = new_batch();
    tern_model_config config = small_config(TERN_FUSION_CROSSMODAL, 7);
    tern_ctx *ctx = open_cpu(2);
    tern_classifier *model = tern_classifier_new(ctx, &config);
    tern_params_freeze(ctx);
    train(ctx, model, b, 2, NULL);
    uint64_t before = tern_memory(ctx).host_allocations;
    train(ctx, model, b, 5, NULL);
    assert_int_equal(tern_memory(ctx).host_allocations, before);
    tern_classifier_free(model);
    tern_ctx_free(ctx);
    free(b);
}

/* On meta: shapes and costs without memory. */
static void default_models_cost_at_most_300_megaflop_a_sample(void **state)
{
    (void)state;
    for (int fusion = 0; fusion < TERN_FUSIONS; fusion++) {
        tern_error error = { 0 };
        tern_model_config config = { .streams = 7, .fusion = (tern_fusion)fusion, .classes = 6,
                                     .vocabulary = 10000 };
        assert_true(tern_model_config_resolve(&config, &error));
        tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "meta" }, &error);
        assert_non_null(ctx);
        tern_classifier *model = tern_classifier_new(ctx, &config);
        tern_params_freeze(ctx);
        const int32_t length = (int32_t)tern_model_samples(&config);
        tern_model_arrays arrays = { .rows = 1, .audio_length = &length };
        tern_step_begin(ctx, 0);
        tern_model_inputs inputs = tern_model_inputs_upload(ctx, &config, &arrays);
        tern_tensor *logits = tern_classifier_forward(ctx, model, &inputs, NULL);
        assert_tern_ok(ctx);
        assert_int_equal(logits->shape[1], 6);
        print_message("%s: %.3f GFLOP a sample\n", tern_fusion_names[fusion],
                      tern_step_flops(ctx) / 1e9);
        assert_true(tern_step_flops(ctx) <= 0.3e9);
        tern_classifier_free(model);
        tern_ctx_free(ctx);
    }
}

/* They are turned from step to step; a long clip must not lose digits by it. */
static void time_codes_are_sines_and_cosines_of_relative_time(void **state)
{
    enum { COUNT = 500, STEPS = 400, SIZE = 8 };
    static float codes[STEPS * SIZE];
    (void)state;
    tern_time_codes(COUNT, STEPS, SIZE, codes);
    for (int t = 0; t < STEPS; t++)
        for (int j = 0; j < SIZE / 2; j++) {
            double frequency = 0.25 * pow(64, j / (SIZE / 2 - 1.0));
            double angle = 2 * 3.14159265358979323846 * frequency * (t + 0.5) / COUNT;
            const float *code = codes + t * SIZE + 2 * j;
            assert_true(fabs(code[0] - sin(angle)) < 1e-7 && fabs(code[1] - cos(angle)) < 1e-7);
        }
}

static void a_configuration_survives_json(void **state)
{
    (void)state;
    tern_error error = { 0 };
    tern_model_config config = small_config(TERN_FUSION_ATTENTION, 5), back;
    json_t *json = tern_model_config_to_json(&config);
    assert_true(tern_model_config_from_json(json, &back, &error));
    assert_memory_equal(&config, &back, sizeof config);
    json_object_set_new(json, "sise", json_integer(3));
    assert_false(tern_model_config_from_json(json, &back, &error));
    assert_non_null(strstr(error.message, "sise"));
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fusion_learns_from_every_set_of_modalities),
        cmocka_unit_test(every_fusion_learns_from_what_modality_dropout_leaves),
        cmocka_unit_test(masked_values_do_not_matter),
        cmocka_unit_test(training_is_bit_identical_for_any_number_of_threads),
        cmocka_unit_test(a_model_allocates_nothing_after_the_second_step),
        cmocka_unit_test(default_models_cost_at_most_300_megaflop_a_sample),
        cmocka_unit_test(time_codes_are_sines_and_cosines_of_relative_time),
        cmocka_unit_test(a_configuration_survives_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
