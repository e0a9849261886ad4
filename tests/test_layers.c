/* Sequence layers against PyTorch's: the same state names, the same numbers from the
 * same state, forward and backward.  The cases are tests/fixtures/make_layers.py's. */
#include "tests/check.h"

#include <math.h>
#include <string.h>

#include "kernels/table.h"
#include "layers/attention_pool.h"
#include "layers/cross_modal.h"
#include "layers/dropout.h"
#include "layers/embedding.h"
#include "layers/mlp.h"
#include "layers/norm.h"
#include "layers/positional_encoding.h"
#include "layers/transformer.h"
#include "tests/layer_case.h"

static const char FIXTURE[] = "tests/fixtures/layers.safetensors";

/* -------------------------------------------- linear, norms, embeddings -- */

static void run_linear(layer_case *c, const void *opts)
{
    (void)opts;
    tern_linear_layer layer = tern_linear_layer_declare(
        c->ctx, "layer", 4, 3, (tern_linear_layer_opts){ .no_bias = true });
    layer_case_begin(c);
    layer_case_output(c, "y",
                      tern_linear_layer_forward(c->ctx, &layer, layer_case_input(c, "x")));
}

static void run_layer_norm(layer_case *c, const void *opts)
{
    (void)opts;
    tern_layer_norm_layer layer =
        tern_layer_norm_layer_declare(c->ctx, "layer", 5, (tern_layer_norm_opts){ .eps = 0.01 });
    layer_case_begin(c);
    layer_case_output(c, "y",
                      tern_layer_norm_layer_forward(c->ctx, &layer, layer_case_input(c, "x")));
}

static void run_rms_norm(layer_case *c, const void *opts)
{
    (void)opts;
    tern_rms_norm_layer layer =
        tern_rms_norm_layer_declare(c->ctx, "layer", 5, (tern_rms_norm_opts){ .eps = 0.01 });
    layer_case_begin(c);
    layer_case_output(c, "y",
                      tern_rms_norm_layer_forward(c->ctx, &layer, layer_case_input(c, "x")));
}

static void run_group_norm(layer_case *c, const void *opts)
{
    (void)opts;
    tern_group_norm_layer layer = tern_group_norm_layer_declare(
        c->ctx, "layer", 6, (tern_group_norm_opts){ .groups = 2, .eps = 0.01 });
    layer_case_begin(c);
    layer_case_output(c, "y",
                      tern_group_norm_layer_forward(c->ctx, &layer, layer_case_input(c, "x")));
}

static void linear_and_norms_are_pytorchs(void **state)
{
    (void)state;
    layer_case_run(FIXTURE, "linear_without_bias", run_linear, NULL);
    layer_case_run(FIXTURE, "layer_norm", run_layer_norm, NULL);
    layer_case_run(FIXTURE, "rms_norm", run_rms_norm, NULL);
    layer_case_run(FIXTURE, "group_norm", run_group_norm, NULL);
}

static void run_mlp(layer_case *c, const void *opts)
{
    (void)opts;
    tern_mlp layer = tern_mlp_declare(
        c->ctx, "layer", 5, 3, (tern_mlp_opts){ .hidden = { 7, 6 }, .activation = TERN_ACT_TANH });
    layer_case_begin(c);
    layer_case_output(c, "y", tern_mlp_forward(c->ctx, &layer, layer_case_input(c, "x")));
}

static void mlp_is_pytorchs_sequence_of_layers(void **state)
{
    (void)state;
    layer_case_run(FIXTURE, "mlp", run_mlp, NULL);
}

static void run_embedding(layer_case *c, const void *opts)
{
    (void)opts;
    tern_embedding_layer layer = tern_embedding_layer_declare(
        c->ctx, "layer", 9, 4,
        (tern_embedding_layer_opts){ .has_padding = true, .padding_index = 2 });
    layer_case_begin(c);
    layer_case_output(c, "y",
                      tern_embedding_layer_forward(c->ctx, &layer, layer_case_input(c, "tokens")));
}

static void embedding_is_pytorchs(void **state)
{
    (void)state;
    layer_case_run(FIXTURE, "embedding", run_embedding, NULL);
}

static void run_positions(layer_case *c, const void *opts)
{
    const tern_positional_encoding_opts *of = opts;
    tern_positional_encoding layer =
        tern_positional_encoding_declare(c->ctx, "layer", of->learned ? 4 : 7, *of);
    layer_case_begin(c);
    layer_case_output(c, "y", tern_positional_encoding_forward(c->ctx, &layer,
                                                               layer_case_input(c, "x")));
}

static void positions_are_added_learned_or_sinusoidal(void **state)
{
    (void)state;
    layer_case_run(FIXTURE, "positions_learned", run_positions,
                   &(tern_positional_encoding_opts){ .learned = 6 });
    layer_case_run(FIXTURE, "positions_sinusoidal", run_positions,
                   &(tern_positional_encoding_opts){ .base = 50 });
}

/* ------------------------------------------------------------ attention -- */

static void run_attention_pool(layer_case *c, const void *opts)
{
    (void)opts;
    tern_attention_pool layer = tern_attention_pool_declare(c->ctx, "layer", 6, 2);
    layer_case_begin(c);
    tern_tensor *x = layer_case_input(c, "x"), *mask = layer_case_input(c, "mask");
    layer_case_output(c, "y", tern_attention_pool_forward(c->ctx, &layer, x, mask));
}

static void attention_pool_is_that_of_pytorchs_parts(void **state)
{
    (void)state;
    layer_case_run(FIXTURE, "attention_pool", run_attention_pool, NULL);
}

static void run_attention(layer_case *c, const void *opts)
{
    tern_multi_head_attention layer = tern_multi_head_attention_declare(
        c->ctx, "layer", *(const tern_multi_head_attention_opts *)opts);
    layer_case_begin(c);
    tern_tensor *query = layer_case_input(c, "query"), *key = layer_case_input(c, "key");
    tern_tensor *value = layer_case_input(c, "value"), *mask = layer_case_input(c, "key_mask");
    tern_tensor *weights = NULL;
    tern_attention_extras extras = { .bias = layer_case_input(c, "bias"), .weights = &weights };
    tern_tensor *y = tern_multi_head_attention_forward(c->ctx, &layer, query, key, value, NULL,
                                                       mask, extras);
    layer_case_output(c, "weights", weights);
    layer_case_output(c, "y", y);
}

static void multi_head_attention_is_pytorchs(void **state)
{
    (void)state;
    tern_multi_head_attention_opts opts = { .size = 6, .heads = 2 };
    layer_case_run(FIXTURE, "attention", run_attention, &opts);
    layer_case_run(FIXTURE, "attention_bias", run_attention, &opts);
    opts.no_bias = true;
    layer_case_run(FIXTURE, "attention_without_bias", run_attention, &opts);
}

static void keys_and_values_may_have_sizes_of_their_own(void **state)
{
    (void)state;
    layer_case_run(FIXTURE, "attention_sizes", run_attention,
                   &(tern_multi_head_attention_opts){ .size = 6, .heads = 2, .key_size = 5,
                                                      .value_size = 7 });
}

/* One stream given three times takes one joint product, given as copies three: the
 * numbers are the same. */
static void one_stream_or_three_equal_ones_give_the_same(void **state)
{
    const int64_t shape[] = { 2, 3, 4 };
    double x[24], y[3][24];
    tern_error error = { 0 };
    (void)state;
    for (int i = 0; i < 24; i++)
        x[i] = sin(i);
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "ref" }, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    tern_multi_head_attention layer = tern_multi_head_attention_declare(
        ctx, "layer", (tern_multi_head_attention_opts){ .size = 4, .heads = 2 });
    tern_params_freeze(ctx);
    tern_step_begin(ctx, 0);
    tern_tensor *same[3];
    for (int i = 0; i < 3; i++)
        same[i] = tern_input(ctx, "x", TERN_F64, 3, shape, x);
    for (int streams = 0; streams < 3; streams++) {
        tern_tensor *key = same[streams > 0], *value = same[streams];
        tern_tensor *out = tern_multi_head_attention_forward(
            ctx, &layer, same[0], key, value, NULL, NULL, (tern_attention_extras){ 0 });
        tern_read(ctx, out, TERN_F64, y[streams]);
    }
    assert_tern_ok(ctx);
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    assert_memory_equal(y[0], y[2], sizeof y[0]);
    tern_ctx_free(ctx);
}

/* ---------------------------------------------------------- transformer -- */

static void run_transformer(layer_case *c, const void *opts)
{
    tern_transformer_layer layer = tern_transformer_layer_declare(
        c->ctx, "layer", *(const tern_transformer_opts *)opts);
    layer_case_begin(c);
    tern_tensor *x = layer_case_input(c, "x"), *mask = layer_case_input(c, "mask");
    tern_attention_extras extras = { .bias = layer_case_input(c, "bias") };
    layer_case_output(c, "y", tern_transformer_layer_forward(c->ctx, &layer, x, mask, extras));
}

static void transformer_layer_is_pytorchs(void **state)
{
    (void)state;
    tern_transformer_opts opts = { .size = 6, .heads = 3, .hidden = 7 };
    layer_case_run(FIXTURE, "transformer_gelu", run_transformer, &opts);
    opts.relu = opts.causal = true;
    layer_case_run(FIXTURE, "transformer_relu_causal", run_transformer, &opts);
}

static void transformer_layer_may_have_its_norms_behind(void **state)
{
    (void)state;
    tern_transformer_opts opts = { .size = 6, .heads = 3, .hidden = 7, .post_norm = true,
                                   .norm_eps = 0.01 };
    layer_case_run(FIXTURE, "transformer_post_norm", run_transformer, &opts);
    opts.norm_eps = 0;
    opts.relu = true;
    layer_case_run(FIXTURE, "transformer_post_norm_bias", run_transformer, &opts);
}

static void run_encoder(layer_case *c, const void *opts)
{
    tern_transformer_encoder encoder = tern_transformer_encoder_declare(
        c->ctx, "layer", 2, *(const tern_transformer_opts *)opts);
    layer_case_begin(c);
    tern_tensor *x = layer_case_input(c, "x"), *mask = layer_case_input(c, "mask");
    tern_tensor *bias = layer_case_input(c, "bias");
    layer_case_output(c, "y", tern_transformer_encoder_forward(c->ctx, &encoder, x, mask, bias));
}

static void transformer_encoder_is_pytorchs(void **state)
{
    (void)state;
    tern_transformer_opts opts = { .size = 6, .heads = 3, .hidden = 7 };
    layer_case_run(FIXTURE, "encoder", run_encoder, &opts);
    opts.post_norm = true;
    layer_case_run(FIXTURE, "encoder_post_norm", run_encoder, &opts);
}

static void run_cross_modal(layer_case *c, const void *opts)
{
    tern_cross_modal_layer layer = tern_cross_modal_layer_declare(
        c->ctx, "layer", *(const tern_cross_modal_opts *)opts);
    layer_case_begin(c);
    tern_cross_modal_stream target = { .x = layer_case_input(c, "target"),
                                       .mask = layer_case_input(c, "target_mask") };
    tern_cross_modal_stream source = { .x = layer_case_input(c, "source"),
                                       .mask = layer_case_input(c, "source_mask") };
    tern_attention_extras extras = { .bias = layer_case_input(c, "bias") };
    layer_case_output(c, "y",
                      tern_cross_modal_layer_forward(c->ctx, &layer, target, source, extras));
}

static void cross_modal_layer_is_that_of_pytorchs_parts(void **state)
{
    (void)state;
    tern_cross_modal_opts opts = { .size = 4, .heads = 2, .hidden = 9, .relu = true };
    layer_case_run(FIXTURE, "cross_modal", run_cross_modal, &opts);
    opts.shared_norm = true;
    layer_case_run(FIXTURE, "cross_modal_shared_norm", run_cross_modal, &opts);
    opts.shared_norm = false;
    opts.post_norm = true;
    layer_case_run(FIXTURE, "cross_modal_post_norm", run_cross_modal, &opts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_and_norms_are_pytorchs),
        cmocka_unit_test(mlp_is_pytorchs_sequence_of_layers),
        cmocka_unit_test(embedding_is_pytorchs),
        cmocka_unit_test(positions_are_added_learned_or_sinusoidal),
        cmocka_unit_test(attention_pool_is_that_of_pytorchs_parts),
        cmocka_unit_test(multi_head_attention_is_pytorchs),
        cmocka_unit_test(keys_and_values_may_have_sizes_of_their_own),
        cmocka_unit_test(one_stream_or_three_equal_ones_give_the_same),
        cmocka_unit_test(transformer_layer_is_pytorchs),
        cmocka_unit_test(transformer_layer_may_have_its_norms_behind),
        cmocka_unit_test(transformer_encoder_is_pytorchs),
        cmocka_unit_test(cross_modal_layer_is_that_of_pytorchs_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
