/* Promises of conv1d: it computes what nn.Conv1d computes, its weights are read and
 * written in PyTorch's layout, and wrong shapes are named as conv1d's. */
#include "tests/check.h"

#include <math.h>
#include <string.h>

#include "core/params.h"
#include "core/safetensors.h"
#include "kernels/table.h"
#include "layers/conv1d.h"
#include "tests/temporary_folder.h"
#include "train/checkpoint.h"

/* The layers of tests/fixtures/make_conv1d.py. */
static const struct {
    const char *file;
    int64_t inputs, outputs;
    tern_conv1d_layer_opts opts;
} cases[] = {
    { "conv1d_dense", 3, 5, { .kernel = 4, .stride = 2, .pad = 3, .dilation = 2 } },
    { "conv1d_grouped", 6, 4, { .pad = 1, .groups = 2 } },
    { "conv1d_depthwise", 5, 5, { .pad = 2, .dilation = 2, .groups = 5 } },
};
enum { CASES = sizeof cases / sizeof cases[0], MOST = 512 };

typedef struct setting {
    tern_ctx *ctx;
    tern_conv1d_layer layer;
    tern_safetensors *file;
} setting;

static setting open_case(int number, const char *device)
{
    char path[128];
    tern_error error = { 0 };
    setting s = { .ctx = tern_open((tern_ctx_opts){ .device = device, .poison = true }, &error) };
    snprintf(path, sizeof path, "tests/fixtures/%s.safetensors", cases[number].file);
    s.file = s.ctx ? tern_safetensors_open(path, &error) : NULL;
    if (!s.file)
        fail_msg("%s", error.message);
    s.layer = tern_conv1d_layer_declare(s.ctx, "layer", cases[number].inputs,
                                        cases[number].outputs, cases[number].opts);
    tern_params_freeze(s.ctx);
    tern_checkpoint_load_part(s.ctx, path, "layer.");
    tern_set_recording(s.ctx, true);
    assert_tern_ok(s.ctx);
    return s;
}

static void close_case(setting *s)
{
    tern_safetensors_close(s->file);
    tern_ctx_free(s->ctx);
}

static const tern_stored *stored(const tern_safetensors *file, const char *name)
{
    tern_error error = { 0 };
    const tern_stored *found = tern_safetensors_find(file, name, &error);
    if (!found)
        fail_msg("%s", error.message);
    return found;
}

/* permuted: found is [O,k,I], the file has [O,I,k]. */
static void compare(const setting *s, const char *name, const tern_tensor *found, bool permuted)
{
    const tern_stored *expected = stored(s->file, name);
    const double *want = expected->data;
    double got[MOST], tolerance = strcmp(tern_device(s->ctx), "ref") == 0 ? 1e-12 : 1e-5;
    int64_t taps = permuted ? found->shape[1] : 1, inputs = permuted ? found->shape[2] : 1;

    assert_int_equal(found->count, expected->count);
    assert_true(found->count <= MOST);
    tern_read(s->ctx, found, TERN_F64, got);
    for (int64_t i = 0; i < found->count; i++) {
        int64_t row = i / (taps * inputs), tap = i / inputs % taps, input = i % inputs;
        int64_t theirs = permuted ? (row * inputs + input) * taps + tap : i;
        if (!(fabs(got[i] - want[theirs]) <= tolerance * (1 + fabs(want[theirs]))))
            fail_msg("%s on %s: element %d is %.15g, PyTorch has %.15g", name,
                     tern_device(s->ctx), (int)i, got[i], want[theirs]);
    }
}

static void conv1d_is_pytorchs(void **state)
{
    static const char *const devices[] = { "ref", "cpu" };
    (void)state;
    for (int number = 0; number < CASES; number++)
        for (int d = 0; d < 2; d++) {
            setting s = open_case(number, devices[d]);
            const tern_stored *from = stored(s.file, "x"), *seed = stored(s.file, "seed");
            tern_step_begin(s.ctx, 0);
            tern_tensor *x = tern_input(s.ctx, "x", from->dtype, 3, from->shape, from->data);
            tern_require_grad(s.ctx, x);
            tern_tensor *y = tern_conv1d_layer_forward(s.ctx, &s.layer, x);
            tern_seed_grad(s.ctx, y, seed->dtype, seed->data);
            tern_backward(s.ctx, NULL);
            assert_tern_ok(s.ctx);
            assert_int_equal(y->rank, 3);
            compare(&s, "y", y, false);
            compare(&s, "grad_x", x->grad, false);
            compare(&s, "grad_weight", s.layer.weight->grad, true);
            compare(&s, "grad_bias", s.layer.bias->grad, false);
            close_case(&s);
        }
}

static void weights_are_stored_as_pytorch_does(void **state)
{
    char folder[TEMPORARY_PATH_BYTES], path[TEMPORARY_PATH_BYTES];
    tern_checkpoint_info info = { 0 };
    tern_error error = { 0 };
    (void)state;
    assert_true(temporary_folder_make(folder));
    for (int number = 0; number < CASES; number++) {
        setting s = open_case(number, "ref");
        temporary_path(path, folder, "saved.safetensors");
        tern_checkpoint_save(s.ctx, path, NULL, &info);
        assert_tern_ok(s.ctx);
        tern_safetensors *file = tern_safetensors_open(path, &error);
        if (!file)
            fail_msg("%s", error.message);
        const tern_stored *want = stored(s.file, "layer.weight");
        const tern_stored *got = stored(file, "layer.weight");
        assert_int_equal(got->rank, 3);
        assert_memory_equal(got->shape, want->shape, 3 * sizeof *got->shape);
        assert_memory_equal(got->data, want->data, want->bytes);
        tern_safetensors_close(file);
        close_case(&s);
    }
    temporary_folder_remove(folder);
}

static void fails(int rank, const int64_t *x_shape, const int64_t *weight_shape,
                  const char *message)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "meta" }, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    tern_step_begin(ctx, 0);
    tern_tensor *x = tern_full(ctx, rank, x_shape, 1), *weight = tern_full(ctx, 3, weight_shape, 1);
    tern_conv1d(ctx, x, weight, NULL, (tern_conv1d_opts){ 0 });
    assert_tern_fails(ctx, TERN_ERR_SHAPE, message);
    tern_ctx_free(ctx);
}

static void wrong_shapes_are_named(void **state)
{
    (void)state;
    fails(2, (int64_t[]){ 4, 3 }, (int64_t[]){ 5, 3, 3 },
          "conv1d: x [N,T,I] must have three axes, not [4,3]");
    fails(3, (int64_t[]){ 1, 4, 3 }, (int64_t[]){ 5, 3, 2 },
          "weight [5,3,1,2] (O,kh,kw,I) wants 2 input channels, x is [1,4,1,3]");
    fails(3, (int64_t[]){ 1, 4, 3 }, (int64_t[]){ 5, 7, 3 }, "is larger than x [1,4,1,3]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv1d_is_pytorchs),
        cmocka_unit_test(weights_are_stored_as_pytorch_does),
        cmocka_unit_test(wrong_shapes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
