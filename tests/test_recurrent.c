/* Promises of the stacked LSTM and GRU layers: outputs, states and all gradients are
 * those of nn.LSTM and nn.GRU, under PyTorch's names; dropout acts between layers only. */
#include "tests/check.h"

#include <string.h>

#include "kernels/table.h"
#include "layers/recurrent.h"
#include "tests/layer_case.h"

/* The cases of tests/fixtures/make_recurrent.py. */
typedef struct recurrent_case {
    const char *name;
    int64_t inputs, hidden;
    tern_recurrent_opts opts;
} recurrent_case;

static const recurrent_case cases[] = {
    { "lstm", 3, 2, { .layers = 2 } },
    { "lstm_forwards", 2, 3, { .layers = 3, .unidirectional = true } },
    { "lstm_one_layer", 3, 5, { 0 } },
    { "gru", 3, 2, { .cell = TERN_CELL_GRU, .layers = 2 } },
    { "gru_forwards", 2, 3, { .cell = TERN_CELL_GRU, .unidirectional = true } },
    { "gru_without_bias", 2, 2, { .cell = TERN_CELL_GRU, .layers = 2, .unidirectional = true,
                                  .no_bias = true } },
};
enum { CASES = sizeof cases / sizeof cases[0] };

static void run_case(layer_case *c, const void *opts)
{
    const recurrent_case *of = opts;
    tern_recurrent_layer layer = tern_recurrent_layer_declare(c->ctx, "layer", of->inputs,
                                                              of->hidden, of->opts);
    layer_case_begin(c);
    tern_tensor *x = layer_case_input(c, "x"), *lengths = layer_case_input(c, "lengths");
    tern_recurrent_state before = { layer_case_input(c, "h0"), layer_case_input(c, "c0") }, after;
    tern_tensor *y = tern_recurrent_layer_run(c->ctx, &layer, x, lengths, before, &after);
    layer_case_output(c, "y", y);
    layer_case_output(c, "h_n", after.h);
    if (of->opts.cell == TERN_CELL_LSTM)
        layer_case_output(c, "c_n", after.c);
    else
        assert_null(after.c);
}

static void stacked_layers_are_pytorchs(void **state)
{
    (void)state;
    for (int number = 0; number < CASES; number++)
        layer_case_run("tests/fixtures/recurrent.safetensors", cases[number].name, run_case,
                       &cases[number]);
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
