/* Whole models against PyTorch: from the same weights and batches, 200 training steps
 * of each trimodal fusion, that is of convolutions, an LSTM, a transformer and, in the
 * crossmodal one, attention across streams.  The fixtures are
 * tests/fixtures/make_trimodal.py's. */
#include "tests/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/params.h"
#include "core/safetensors.h"
#include "kernels/adamw/adamw.h"
#include "kernels/grad_norm/grad_norm.h"
#include "kernels/table.h"
#include "models/classifier.h"
#include "train/checkpoint.h"

#define FOLDER "tests/fixtures/trimodal/"

enum { MAX_STEPS = 200 };

typedef struct fixture {
    tern_safetensors *file;
    tern_model_config config;
    int steps, batches;
    double lr, weight_decay, clip;
    tern_classifier_loss_opts loss;
} fixture;

static double number(const fixture *fix, const char *key)
{
    const char *text = tern_safetensors_metadata(fix->file, key);
    if (!text)
        fail_msg("the fixture does not say %s", key);
    return atof(text);
}

static fixture open_fixture(void)
{
    static const char *const options[] = { "size", "heads", "frames", "height", "width",
                                           "channels", "face_width", "face_stride", "mels",
                                           "audio_width", "tokens", "text_layers",
                                           "cross_layers" };
    tern_error error = { 0 };
    fixture fix = { .file = tern_safetensors_open(FOLDER "runs.safetensors", &error) };
    if (!fix.file)
        fail_msg("%s", error.message);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        tern_model_config_set(&fix.config, options[i],
                              tern_safetensors_metadata(fix.file, options[i]), &error);
    assert_string_equal(error.message, "");
    fix.config.streams = 7;
    fix.config.classes = (int64_t)number(&fix, "classes");
    fix.config.vocabulary = (int64_t)number(&fix, "vocabulary");
    fix.config.dropout = -1; /* none: PyTorch draws other numbers */
    fix.steps = (int)number(&fix, "steps");
    fix.batches = (int)number(&fix, "batches");
    fix.lr = number(&fix, "lr");
    fix.weight_decay = number(&fix, "weight_decay");
    fix.clip = number(&fix, "clip");
    fix.loss = (tern_classifier_loss_opts){ .label_smoothing = number(&fix, "label_smoothing"),
                                            .auxiliary = number(&fix, "auxiliary") };
    assert_true(fix.steps <= MAX_STEPS);
    return fix;
}

static const tern_stored *stored(const fixture *fix, const char *owner, const char *name)
{
    char full[96];
    tern_error error = { 0 };
    snprintf(full, sizeof full, "%s/%s", owner, name);
    const tern_stored *found = tern_safetensors_find(fix->file, full, &error);
    if (!found)
        fail_msg("%s", error.message);
    return found;
}

static tern_model_arrays batch_arrays(const fixture *fix, int batch)
{
    char owner[16];
    snprintf(owner, sizeof owner, "%d", batch);
    const tern_stored *mel = stored(fix, owner, "mel");
    return (tern_model_arrays){
        .rows = mel->shape[0],
        .face = stored(fix, owner, "face")->data,
        .face_mask = stored(fix, owner, "face_mask")->data,
        .mel = mel->data,
        .mel_frames = mel->shape[1],
        .audio_length = stored(fix, owner, "mel_length")->data,
        .tokens = stored(fix, owner, "tokens")->data,
        .token_mask = stored(fix, owner, "token_mask")->data,
        .label = stored(fix, owner, "label")->data,
        .row_weight = stored(fix, owner, "row_weight")->data,
        .has = { stored(fix, owner, "has_face")->data, stored(fix, owner, "has_audio")->data,
                 stored(fix, owner, "has_text")->data },
    };
}

static double train_step(tern_ctx *ctx, const fixture *fix, const tern_classifier *model, int step)
{
    tern_error error = { 0 };
    tern_tensor *scale;
    tern_model_arrays arrays = batch_arrays(fix, step % fix->batches);
    tern_step_begin(ctx, 1);
    tern_model_inputs inputs = tern_model_inputs_upload(ctx, tern_classifier_config(model),
                                                        &arrays);
    const tern_stored *weight = tern_safetensors_find(fix->file, "class_weight", &error);
    assert_non_null(weight);
    tern_tensor *class_weight = tern_input(ctx, "class_weight", weight->dtype, weight->rank,
                                           weight->shape, weight->data);
    tern_tensor *loss = tern_classifier_loss(ctx, model, &inputs, class_weight, fix->loss, NULL);
    tern_backward(ctx, loss);
    tern_grad_norm(ctx, tern_blocks(ctx)->grad, &scale,
                   (tern_grad_norm_opts){ .max_norm = fix->clip });
    tern_adamw(ctx, tern_blocks(ctx), scale,
               (tern_adamw_opts){ .lr = fix->lr, .weight_decay = fix->weight_decay,
                                  .step = step + 1 });
    double value = tern_read_scalar(ctx, loss);
    assert_tern_ok(ctx);
    return value;
}

/* Train on a device from PyTorch's state dict; logits of batch 0 afterwards. */
static void train(const fixture *fix, const char *device, const char *simd, tern_fusion fusion,
                  double *losses, double *logits)
{
    char path[128];
    tern_error error = { 0 };
    tern_model_config config = fix->config;
    config.fusion = fusion;
    assert_true(tern_model_config_resolve(&config, &error));
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = device, .simd = simd, .threads = 1,
                                               .poison = true }, &error);
    assert_non_null(ctx);
    tern_classifier *model = tern_classifier_new(ctx, &config);
    tern_params_freeze(ctx);
    snprintf(path, sizeof path, FOLDER "%s.safetensors", tern_fusion_names[fusion]);
    tern_checkpoint_load(ctx, path, NULL, NULL);
    assert_tern_ok(ctx);
    tern_set_training(ctx, true);
    for (int step = 0; step < fix->steps; step++)
        losses[step] = train_step(ctx, fix, model, step);
    tern_set_training(ctx, false);
    tern_model_arrays arrays = batch_arrays(fix, 0);
    tern_step_begin(ctx, 2);
    tern_model_inputs inputs = tern_model_inputs_upload(ctx, &config, &arrays);
    tern_read(ctx, tern_classifier_forward(ctx, model, &inputs, NULL), TERN_F64, logits);
    assert_tern_ok(ctx);
    tern_classifier_free(model);
    tern_ctx_free(ctx);
}

static double farthest(const double *a, const double *b, int count)
{
    double distance = 0;
    for (int i = 0; i < count; i++)
        distance = fmax(distance, fabs(a[i] - b[i]));
    return distance;
}

/* --------------------------------------------------------------- tests -- */

static void ref_stays_with_pytorch_in_float64(void **state)
{
    (void)state;
    fixture fix = open_fixture();
    double losses[MAX_STEPS], logits[1024];
    for (int fusion = 0; fusion < TERN_FUSIONS; fusion++) {
        const tern_stored *wanted = stored(&fix, tern_fusion_names[fusion], "loss64");
        const tern_stored *wanted_logits = stored(&fix, tern_fusion_names[fusion], "logits64");
        assert_true(wanted->count == fix.steps && wanted_logits->count <= 1024);
        train(&fix, "ref", NULL, (tern_fusion)fusion, losses, logits);
        double off = farthest(losses, wanted->data, fix.steps);
        double logits_off = farthest(logits, wanted_logits->data, (int)wanted_logits->count);
        print_message("%s: ref off by %.2g, its logits afterwards by %.2g\n",
                      tern_fusion_names[fusion], off, logits_off);
        assert_true(off <= 1e-8);
        assert_true(logits_off <= 1e-6);
    }
    tern_safetensors_close(fix.file);
}

static void cpu_strays_at_most_three_times_as_far_as_pytorch_in_float32(void **state)
{
    (void)state;
    fixture fix = open_fixture();
    double losses[MAX_STEPS], logits[1024];
    const char *levels[4];
    int level_count = tern_simd_levels(levels);
    for (int trial = 0; trial < level_count * TERN_FUSIONS; trial++) {
        const char *level = levels[trial / TERN_FUSIONS];
        const char *fusion = tern_fusion_names[trial % TERN_FUSIONS];
        const double *exact = stored(&fix, fusion, "loss64")->data;
        const double *single = stored(&fix, fusion, "loss32")->data;
        train(&fix, "cpu", level, (tern_fusion)(trial % TERN_FUSIONS), losses, logits);
        double ours = farthest(losses, exact, fix.steps);
        double theirs = farthest(single, exact, fix.steps);
        print_message("%s: cpu (%s) off by %.2g, PyTorch's float32 by %.2g\n", fusion, level, ours,
                      theirs);
        assert_true(ours <= 3 * theirs);
    }
    tern_safetensors_close(fix.file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ref_stays_with_pytorch_in_float64),
        cmocka_unit_test(cpu_strays_at_most_three_times_as_far_as_pytorch_in_float32),
    };
    return cmocka_run_group_tests_name("trimodal", tests, NULL, NULL);
}
