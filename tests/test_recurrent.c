/* Promises of the stacked LSTM and GRU layers: outputs, states and all gradients are
 * those of nn.LSTM and nn.GRU, under PyTorch's names; dropout acts between layers only. */
#include "tests/check.h"

#include <math.h>
#include <string.h>

#include "core/params.h"
#include "core/safetensors.h"
#include "kernels/table.h"
#include "layers/recurrent.h"

static const char FIXTURE[] = "tests/fixtures/recurrent.safetensors";

/* The cases of tests/fixtures/make_recurrent.py. */
static const struct {
    const char *name;
    int64_t inputs, hidden;
    tern_recurrent_opts opts;
} cases[] = {
    { "lstm", 3, 2, { .layers = 2 } },
    { "lstm_forwards", 2, 3, { .layers = 3, .unidirectional = true } },
    { "gru", 3, 2, { .cell = TERN_CELL_GRU, .layers = 2 } },
    { "gru_forwards", 2, 3, { .cell = TERN_CELL_GRU, .unidirectional = true } },
};
enum { CASES = sizeof cases / sizeof cases[0], MOST = 256 };

typedef struct setting {
    tern_ctx *ctx;
    tern_safetensors *file;
    const char *name;
    tern_recurrent_layer layer;
} setting;

static const tern_stored *stored(const setting *s, const char *prefix, const char *name)
{
    char full[128];
    tern_error error = { 0 };
    snprintf(full, sizeof full, "%s/%s%s", s->name, prefix, name);
    return tern_safetensors_has(s->file, full) ? tern_safetensors_find(s->file, full, &error)
                                               : NULL;
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
}

static setting open_case(int number, const char *device)
{
    tern_error error = { 0 };
    setting s = { .ctx = tern_open((tern_ctx_opts){ .device = device, .poison = true }, &error),
                  .file = tern_safetensors_open(FIXTURE, &error), .name = cases[number].name };
    if (!s.ctx || !s.file)
        fail_msg("%s", error.message);
    s.layer = tern_recurrent_layer_declare(s.ctx, "layer", cases[number].inputs,
                                           cases[number].hidden, cases[number].opts);
    load_state(&s);
    tern_set_recording(s.ctx, true);
    tern_step_begin(s.ctx, 0);
    return s;
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

static void compare(const setting *s, const char *prefix, const char *name,
                    const tern_tensor *found)
{
    const tern_stored *expected = stored(s, prefix, name);
    double got[MOST], tolerance = strcmp(tern_device(s->ctx), "ref") == 0 ? 1e-12 : 1e-5;
    if (!expected || !found || found->count != expected->count || found->count > MOST)
        fail_msg("%s: %s%s is not there or has another size", s->name, prefix, name);
    tern_read(s->ctx, found, TERN_F64, got);
    assert_tern_ok(s->ctx);
    const double *want = expected->data;
    for (int64_t i = 0; i < found->count; i++)
        if (!(fabs(got[i] - want[i]) <= tolerance * (1 + fabs(want[i]))))
            fail_msg("%s on %s: %s%s[%d] is %.15g, PyTorch has %.15g", s->name,
                     tern_device(s->ctx), prefix, name, (int)i, got[i], want[i]);
}

static void check_output(const setting *s, const char *name, tern_tensor *found)
{
    const tern_stored *seed = stored(s, "seed_", name);
    assert_non_null(seed);
    compare(s, "", name, found);
    tern_seed_grad(s->ctx, found, seed->dtype, seed->data);
}

static void stacked_layers_are_pytorchs(void **state)
{
    static const char *const devices[] = { "ref", "cpu" };
    (void)state;
    for (int number = 0; number < CASES; number++)
        for (int d = 0; d < 2; d++) {
            setting s = open_case(number, devices[d]);
            tern_tensor *x = input(&s, "x");
            tern_recurrent_state before = { input(&s, "h0"), input(&s, "c0") }, after;
            tern_tensor *y = tern_recurrent_layer_run(s.ctx, &s.layer, x, input(&s, "lengths"),
                                                      before, &after);
            assert_tern_ok(s.ctx);
            check_output(&s, "y", y);
            check_output(&s, "h_n", after.h);
            if (stored(&s, "", "c_n"))
                check_output(&s, "c_n", after.c);
            else
                assert_null(after.c);
            tern_backward(s.ctx, NULL);
            compare(&s, "grad/", "x", x->grad);
            if (before.h)
                compare(&s, "grad/", "h0", before.h->grad);
            if (before.c)
                compare(&s, "grad/", "c0", before.c->grad);
            for (int i = 0; i < tern_param_count(s.ctx); i++)
                compare(&s, "grad/", tern_param_at(s.ctx, i)->name,
                        tern_param_at(s.ctx, i)->grad);
            assert_tern_ok(s.ctx);
            tern_safetensors_close(s.file);
            tern_ctx_free(s.ctx);
        }
}

/* y of a layer of ones in training, [1,6,4]. */
static void run_dropout(int layers, double dropout, double *y)
{
    const int64_t shape[] = { 1, 6, 3 };
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "ref", .seed = 5 }, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    tern_recurrent_layer layer = tern_recurrent_layer_declare(
        ctx, "layer", 3, 2, (tern_recurrent_opts){ .layers = layers, .dropout = dropout });
    tern_params_freeze(ctx);
    tern_set_training(ctx, true);
    tern_step_begin(ctx, 0);
    tern_read(ctx, tern_recurrent_layer_forward(ctx, &layer, tern_full(ctx, 3, shape, 1), NULL),
              TERN_F64, y);
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
}

static void dropout_acts_between_layers_only(void **state)
{
    double with[24], without[24];
    (void)state;
    run_dropout(1, 0.5, with);
    run_dropout(1, 0, without);
    assert_memory_equal(with, without, sizeof with);
    run_dropout(2, 0.5, with);
    run_dropout(2, 0, without);
    assert_memory_not_equal(with, without, sizeof with);
}

static void too_many_layers_are_refused(void **state)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "meta" }, &error);
    (void)state;
    assert_non_null(ctx);
    tern_recurrent_layer_declare(ctx, "layer", 3, 2, (tern_recurrent_opts){ .layers = 9 });
    assert_tern_fails(ctx, TERN_ERR_OPTION, "layer: layers is 9, it must be from 1 to 8");
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stacked_layers_are_pytorchs),
        cmocka_unit_test(dropout_acts_between_layers_only),
        cmocka_unit_test(too_many_layers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
