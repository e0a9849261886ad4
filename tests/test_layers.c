/* Sequence layers against PyTorch's: the same state names, the same numbers from the
 * same state, forward and backward, on ref and on cpu.  tests/fixtures/make_layers.py
 * says what the fixture holds. */
#include "tests/check.h"

#include <math.h>
#include <string.h>

#include "core/params.h"
#include "core/safetensors.h"
#include "kernels/table.h"
#include "layers/cross_modal.h"
#include "layers/recurrent.h"
#include "layers/transformer.h"

static const char FIXTURE[] = "tests/fixtures/layers.safetensors";

/* One case on one device. */
typedef struct setting {
    tern_ctx *ctx;
    tern_safetensors *file;
    const char *name;
    double tolerance;
} setting;

/* ------------------------------------------------------------- fixtures -- */

/* NULL if the case has none of that name. */
static const tern_stored *stored(const setting *s, const char *prefix, const char *name)
{
    char full[128];
    tern_error error = { 0 };
    snprintf(full, sizeof full, "%s/%s%s", s->name, prefix, name);
    return tern_safetensors_has(s->file, full) ? tern_safetensors_find(s->file, full, &error)
                                               : NULL;
}

static setting open_case(const char *name, const char *device)
{
    tern_error error = { 0 };
    setting s = { .ctx = tern_open((tern_ctx_opts){ .device = device, .poison = true }, &error),
                  .file = tern_safetensors_open(FIXTURE, &error), .name = name,
                  .tolerance = strcmp(device, "ref") == 0 ? 1e-10 : 1e-5 };
    if (!s.ctx || !s.file)
        fail_msg("%s", error.message);
    tern_set_recording(s.ctx, true);
    return s;
}

static void close_case(setting *s)
{
    assert_tern_ok(s->ctx);
    tern_safetensors_close(s->file);
    tern_ctx_free(s->ctx);
}

/* The layer's parameters get PyTorch's state; names and shapes must be the same. */
static void load_state(const setting *s)
{
    int in_file = 0;
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%s/state/", s->name);
    for (int i = 0; i < tern_safetensors_count(s->file); i++)
        in_file += strncmp(tern_safetensors_name(s->file, i), prefix, strlen(prefix)) == 0;
    tern_params_freeze(s->ctx);
    assert_int_equal(tern_param_count(s->ctx), in_file);
    for (int i = 0; i < in_file; i++) {
        tern_tensor *param = tern_param_at(s->ctx, i);
        const tern_stored *from = stored(s, "state/", param->name);
        if (!from)
            fail_msg("%s: PyTorch has no %s", s->name, param->name);
        assert_int_equal(param->rank, from->rank);
        for (int axis = 0; axis < param->rank; axis++)
            assert_int_equal(param->shape[axis], from->shape[axis]);
        tern_write(s->ctx, param, from->dtype, from->data);
    }
    tern_step_begin(s->ctx, 0);
}

/* NULL if the case has no such input. */
static tern_tensor *input(const setting *s, const char *name)
{
    const tern_stored *from = stored(s, "", name);
    if (!from)
        return NULL;
    tern_tensor *tensor = tern_input(s->ctx, name, from->dtype, from->rank, from->shape,
                                     from->data);
    return tern_dtype_is_real(tensor->dtype) ? tern_require_grad(s->ctx, tensor) : tensor;
}

/* ------------------------------------------------------------ comparing -- */

enum { MOST = 512 };

/* Rows that `valid` (or NULL) says are padding do not count. */
static void compare(const setting *s, const char *name, const tern_tensor *got,
                    const tern_stored *want, const tern_stored *valid)
{
    double values[MOST], largest = 0;
    assert_non_null(want);
    assert_non_null(got);
    assert_true(want->count <= MOST);
    assert_int_equal(got->count, want->count);
    tern_read(s->ctx, got, TERN_F64, values);
    assert_tern_ok(s->ctx);
    const double *wanted = want->data;
    for (int64_t i = 0; i < want->count; i++)
        largest = fmax(largest, fabs(wanted[i]));
    for (int64_t i = 0; i < want->count; i++) {
        if (valid && !((const uint8_t *)valid->data)[i / (want->count / valid->count)])
            continue;
        if (!(fabs(values[i] - wanted[i]) <= s->tolerance * largest))
            fail_msg("%s on %s: %s[%lld] is %.15g, PyTorch has %.15g", s->name,
                     tern_device(s->ctx), name, (long long)i, values[i], wanted[i]);
    }
}

static void check(const setting *s, tern_tensor *out, tern_tensor *const *inputs, int count)
{
    const tern_stored *seed = stored(s, "", "seed"), *mask = stored(s, "", "mask");
    compare(s, "out", out, stored(s, "", "out"), mask ? mask : stored(s, "", "target_mask"));
    tern_seed_grad(s->ctx, out, seed->dtype, seed->data);
    tern_backward(s->ctx, NULL);
    for (int i = 0; i < count; i++)
        compare(s, inputs[i]->name, inputs[i]->grad, stored(s, "grad/", inputs[i]->name), NULL);
    for (int i = 0; i < tern_param_count(s->ctx); i++) {
        const tern_tensor *param = tern_param_at(s->ctx, i);
        compare(s, param->name, param->grad, stored(s, "grad/", param->name), NULL);
    }
}

static const char *const devices[] = { "ref", "cpu" };
enum { DEVICES = 2 };

/* --------------------------------------------------------------- layers -- */

static void lstm_is_pytorchs(void **state)
{
    (void)state;
    for (int d = 0; d < DEVICES; d++) {
        setting s = open_case("lstm", devices[d]);
        tern_recurrent_layer layer =
            tern_recurrent_layer_declare(s.ctx, "layer", 3, 5, (tern_recurrent_opts){ 0 });
        load_state(&s);
        tern_tensor *x = input(&s, "x");
        check(&s, tern_recurrent_layer_forward(s.ctx, &layer, x, input(&s, "lengths")), &x, 1);
        close_case(&s);
    }
}

static void check_attention(const char *name, tern_multi_head_attention_opts opts)
{
    for (int d = 0; d < DEVICES; d++) {
        setting s = open_case(name, devices[d]);
        tern_multi_head_attention layer = tern_multi_head_attention_declare(s.ctx, "layer", opts);
        load_state(&s);
        tern_tensor *in[] = { input(&s, "query"), input(&s, "key"), input(&s, "value") };
        tern_tensor *weights = NULL;
        tern_tensor *y = tern_multi_head_attention_forward(s.ctx, &layer, in[0], in[1], in[2], NULL,
                                                           input(&s, "key_mask"),
                                                           (tern_attention_extras){ .weights = &weights });
        compare(&s, "weights", weights, stored(&s, "", "out_weights"), NULL);
        check(&s, y, in, 3);
        close_case(&s);
    }
}

static void multi_head_attention_is_pytorchs(void **state)
{
    (void)state;
    check_attention("attention", (tern_multi_head_attention_opts){ .size = 6, .heads = 2 });
}

static void keys_and_values_may_have_sizes_of_their_own(void **state)
{
    (void)state;
    check_attention("attention_sizes",
                    (tern_multi_head_attention_opts){ .size = 6, .heads = 2, .key_size = 5,
                                                      .value_size = 7 });
}

static void check_transformer(const char *name, tern_transformer_opts opts)
{
    for (int d = 0; d < DEVICES; d++) {
        setting s = open_case(name, devices[d]);
        tern_transformer_layer layer = tern_transformer_layer_declare(s.ctx, "layer", opts);
        load_state(&s);
        tern_tensor *x = input(&s, "x");
        check(&s, tern_transformer_layer_forward(s.ctx, &layer, x, input(&s, "mask"), (tern_attention_extras){ 0 }), &x, 1);
        close_case(&s);
    }
}

static void transformer_layer_is_pytorchs(void **state)
{
    (void)state;
    check_transformer("transformer_gelu",
                      (tern_transformer_opts){ .size = 6, .heads = 3, .hidden = 7 });
    check_transformer("transformer_relu_causal",
                      (tern_transformer_opts){ .size = 6, .heads = 3, .hidden = 7, .relu = true,
                                               .causal = true });
}

static void check_cross_modal(const char *name, bool shared_norm)
{
    for (int d = 0; d < DEVICES; d++) {
        setting s = open_case(name, devices[d]);
        tern_cross_modal_layer layer = tern_cross_modal_layer_declare(
            s.ctx, "layer", (tern_cross_modal_opts){ .size = 4, .heads = 2, .hidden = 9,
                                                     .relu = true, .shared_norm = shared_norm });
        load_state(&s);
        tern_tensor *in[] = { input(&s, "target"), input(&s, "source") };
        tern_cross_modal_stream target = { in[0], input(&s, "target_mask"), NULL };
        tern_cross_modal_stream source = { in[1], input(&s, "source_mask"), NULL };
        tern_tensor *y = tern_cross_modal_layer_forward(s.ctx, &layer, target, source, (tern_attention_extras){ 0 });
        check(&s, y, in, 2);
        close_case(&s);
    }
}

static void cross_modal_layer_is_that_of_pytorchs_parts(void **state)
{
    (void)state;
    check_cross_modal("cross_modal", false);
    check_cross_modal("cross_modal_shared_norm", true);
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
        tern_tensor *out = tern_multi_head_attention_forward(ctx, &layer, same[0], key, value, NULL,
                                                             NULL, (tern_attention_extras){ 0 });
        tern_read(ctx, out, TERN_F64, y[streams]);
    }
    assert_tern_ok(ctx);
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    assert_memory_equal(y[0], y[2], sizeof y[0]);
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lstm_is_pytorchs),
        cmocka_unit_test(multi_head_attention_is_pytorchs),
        cmocka_unit_test(keys_and_values_may_have_sizes_of_their_own),
        cmocka_unit_test(transformer_layer_is_pytorchs),
        cmocka_unit_test(cross_modal_layer_is_that_of_pytorchs_parts),
        cmocka_unit_test(one_stream_or_three_equal_ones_give_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
