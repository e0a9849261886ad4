/* Layers of images against PyTorch's: the same state names, the same numbers from the
 * same state, forward and backward.  The cases are tests/fixtures/make_image_layers.py's. */
#include "tests/check.h"

#include <string.h>

#include "kernels/table.h"
#include "layers/cbam.h"
#include "layers/conv1d.h"
#include "layers/conv_block.h"
#include "layers/residual_block.h"
#include "tests/layer_case.h"

static const char FIXTURE[] = "tests/fixtures/image_layers.safetensors";

static void run_conv2d(layer_case *c, const void *opts)
{
    tern_conv2d_layer layer = tern_conv2d_layer_declare(c->ctx, "layer", 4, 6,
                                                        *(const tern_conv2d_layer_opts *)opts);
    layer_case_begin(c);
    layer_case_output(c, "y",
                      tern_conv2d_layer_forward(c->ctx, &layer, layer_case_input(c, "x")));
}

typedef struct conv1d_case {
    int64_t inputs, outputs;
    tern_conv1d_layer_opts opts;
} conv1d_case;

static void run_conv1d(layer_case *c, const void *opts)
{
    const conv1d_case *of = opts;
    tern_conv1d_layer layer =
        tern_conv1d_layer_declare(c->ctx, "layer", of->inputs, of->outputs, of->opts);
    layer_case_begin(c);
    layer_case_output(c, "y",
                      tern_conv1d_layer_forward(c->ctx, &layer, layer_case_input(c, "x")));
}

static void convolutions_are_pytorchs(void **state)
{
    (void)state;
    layer_case_run(FIXTURE, "conv2d", run_conv2d,
                   &(tern_conv2d_layer_opts){ .kernel = { 3, 2 }, .stride = { 2, 1 },
                                              .pad = { 1, 0 }, .dilation = { 1, 2 },
                                              .groups = 2 });
    layer_case_run(FIXTURE, "conv1d", run_conv1d,
                   &(conv1d_case){ 3, 5, { .kernel = 4, .stride = 2, .pad = 3, .dilation = 2 } });
    layer_case_run(FIXTURE, "conv1d_depthwise", run_conv1d,
                   &(conv1d_case){ 5, 5, { .pad = 2, .dilation = 2, .groups = 5 } });
    layer_case_run(FIXTURE, "conv1d_without_bias", run_conv1d,
                   &(conv1d_case){ 4, 6, { .pad = 2, .dilation = 2, .groups = 2,
                                           .no_bias = true } });
}

/* --------------------------------------------------------------- blocks -- */

typedef struct block_case {
    int64_t inputs, outputs;
    tern_conv_block_opts opts;
    bool training;
} block_case;

static void run_block(layer_case *c, const void *opts)
{
    const block_case *of = opts;
    tern_set_training(c->ctx, of->training);
    tern_set_recording(c->ctx, true);
    tern_conv_block block = tern_conv_block_declare(c->ctx, "layer", of->inputs, of->outputs,
                                                    of->opts);
    layer_case_begin(c);
    tern_tensor *x = layer_case_input(c, "x"), *mask = layer_case_input(c, "mask");
    layer_case_output(c, "y", tern_conv_block_forward(c->ctx, &block, x, mask));
}

static void conv_block_is_pytorchs_sequence_of_layers(void **state)
{
    (void)state;
    layer_case_run(FIXTURE, "block", run_block,
                   &(block_case){ 3, 4, { .pool = { 2, 2 } }, true });
    layer_case_run(FIXTURE, "block_inference", run_block,
                   &(block_case){ 3, 4, { .stride = 2, .activation = TERN_ACT_GELU }, false });
}

static void conv_block_has_the_norm_activation_and_pooling_asked_for(void **state)
{
    (void)state;
    layer_case_run(FIXTURE, "block_group_norm", run_block,
                   &(block_case){ 4, 6, { .groups = 2, .norm = TERN_NORM_GROUP, .norm_groups = 3,
                                          .activation = TERN_ACT_GELU, .pool = { 2, 1 },
                                          .average_pool = true }, true });
    layer_case_run(FIXTURE, "block_group_norm_samples", run_block,
                   &(block_case){ 3, 4, { .norm = TERN_NORM_GROUP, .norm_groups = 2,
                                          .pool = { 2, 2 } }, true });
    layer_case_run(FIXTURE, "block_layer_norm", run_block,
                   &(block_case){ 3, 5, { .kernel = 5, .norm = TERN_NORM_LAYER,
                                          .activation = TERN_ACT_TANH }, true });
    layer_case_run(FIXTURE, "block_without_norm", run_block,
                   &(block_case){ 3, 4, { .norm = TERN_NORM_NONE, .activation = TERN_ACT_SIGMOID,
                                          .pool = { 2, 2 } }, true });
}

typedef struct residual_case {
    int64_t inputs, outputs;
    tern_residual_block_opts opts;
} residual_case;

static void run_residual(layer_case *c, const void *opts)
{
    const residual_case *of = opts;
    tern_set_training(c->ctx, true);
    tern_residual_block block = tern_residual_block_declare(c->ctx, "layer", of->inputs,
                                                            of->outputs, of->opts);
    layer_case_begin(c);
    layer_case_output(
        c, "y", tern_residual_block_forward(c->ctx, &block, layer_case_input(c, "x"), NULL));
}

static void residual_block_is_that_of_pytorchs_parts(void **state)
{
    (void)state;
    layer_case_run(FIXTURE, "residual", run_residual, &(residual_case){ 3, 3, { 0 } });
    layer_case_run(FIXTURE, "residual_smaller", run_residual,
                   &(residual_case){ 2, 4, { .stride = 2 } });
    layer_case_run(FIXTURE, "residual_squeeze_excitation", run_residual,
                   &(residual_case){ 4, 4, { .norm = TERN_NORM_GROUP, .norm_groups = 2,
                                             .attention = TERN_RESIDUAL_SQUEEZE_EXCITATION,
                                             .reduction = 2 } });
    layer_case_run(FIXTURE, "residual_cbam", run_residual,
                   &(residual_case){ 2, 4, { .norm = TERN_NORM_NONE,
                                             .attention = TERN_RESIDUAL_CBAM, .reduction = 2 } });
}

/* ------------------------------------------------------------ attention -- */

static void run_channel_attention(layer_case *c, const void *opts)
{
    tern_tensor *x, *mask;
    const tern_channel_attention_opts *of = opts;
    tern_channel_attention layer =
        tern_channel_attention_declare(c->ctx, "layer", of->mean_only ? 5 : 6, *of);
    layer_case_begin(c);
    x = layer_case_input(c, "x");
    mask = layer_case_input(c, "mask");
    layer_case_output(c, "y", tern_channel_attention_forward(c->ctx, &layer, x, mask));
}

static void channel_attention_is_that_of_pytorchs_parts(void **state)
{
    (void)state;
    tern_channel_attention_opts opts = { .reduction = 3 };
    layer_case_run(FIXTURE, "channel_attention", run_channel_attention, &opts);
    layer_case_run(FIXTURE, "channel_attention_rows", run_channel_attention, &opts);
    opts = (tern_channel_attention_opts){ .mean_only = true };
    layer_case_run(FIXTURE, "squeeze_excitation", run_channel_attention, &opts);
}

static void run_spatial_attention(layer_case *c, const void *opts)
{
    tern_spatial_attention layer = tern_spatial_attention_declare(
        c->ctx, "layer", *(const tern_spatial_attention_opts *)opts);
    layer_case_begin(c);
    tern_tensor *x = layer_case_input(c, "x"), *mask = layer_case_input(c, "mask");
    layer_case_output(c, "y", tern_spatial_attention_forward(c->ctx, &layer, x, mask));
}

static void run_cbam(layer_case *c, const void *opts)
{
    tern_cbam layer = tern_cbam_declare(c->ctx, "layer", 4, *(const tern_cbam_opts *)opts);
    layer_case_begin(c);
    layer_case_output(c, "y", tern_cbam_forward(c->ctx, &layer, layer_case_input(c, "x"), NULL));
}

static void spatial_attention_and_cbam_are_those_of_pytorchs_parts(void **state)
{
    (void)state;
    layer_case_run(FIXTURE, "spatial_attention", run_spatial_attention,
                   &(tern_spatial_attention_opts){ 0 });
    layer_case_run(FIXTURE, "spatial_attention_rows", run_spatial_attention,
                   &(tern_spatial_attention_opts){ .kernel = 3 });
    layer_case_run(FIXTURE, "cbam", run_cbam, &(tern_cbam_opts){ .reduction = 2, .kernel = 3 });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_are_pytorchs),
        cmocka_unit_test(conv_block_is_pytorchs_sequence_of_layers),
        cmocka_unit_test(conv_block_has_the_norm_activation_and_pooling_asked_for),
        cmocka_unit_test(residual_block_is_that_of_pytorchs_parts),
        cmocka_unit_test(channel_attention_is_that_of_pytorchs_parts),
        cmocka_unit_test(spatial_attention_and_cbam_are_those_of_pytorchs_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
