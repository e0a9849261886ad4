/* Promises of initialisation: every kind has the moments and bounds of its distribution,
 * layers start as PyTorch's do unless asked otherwise, and what makes no sense is refused. */
#include "tests/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/params.h"
#include "core/safetensors.h"
#include "kernels/table.h"
#include "layers/conv1d.h"
#include "layers/conv2d.h"
#include "layers/embedding.h"
#include "layers/recurrent.h"
#include "layers/transformer.h"

static tern_ctx *open_seeded(uint64_t seed)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "ref", .seed = seed }, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    return ctx;
}

/* The values of a parameter; freed by the caller. */
static double *values_of(tern_ctx *ctx, const tern_tensor *param)
{
    double *values = malloc(((size_t)param->count + 1) * sizeof *values);
    assert_non_null(values);
    tern_read(ctx, param, TERN_F64, values);
    assert_tern_ok(ctx);
    return values;
}

static double moment(const double *values, int64_t count, int power)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += pow(values[i], power);
    return sum / (double)count;
}

static double largest(const double *values, int64_t count)
{
    double most = 0;
    for (int64_t i = 0; i < count; i++)
        most = fmax(most, fabs(values[i]));
    return most;
}

/* -------------------------------------------------------- distributions -- */

/* The second and fourth moment of a standard normal within [-bound, bound], by Simpson's
 * rule. */
static void truncated_moments(double bound, double *second, double *fourth)
{
    enum { STEPS = 2000 };
    double mass = 0, two = 0, four = 0;
    for (int i = 0; i <= STEPS; i++) {
        double x = bound * (2.0 * i / STEPS - 1);
        double weight = (i == 0 || i == STEPS ? 1 : i % 2 ? 4 : 2) * exp(-x * x / 2);
        mass += weight;
        two += weight * x * x;
        four += weight * x * x * x * x;
    }
    *second = two / mass;
    *fourth = four / mass;
}

typedef enum family { FLAT, BELL, CUT_BELL } family;

/* What a kind must give: spread is the bound of a uniform distribution, the deviation
 * of a normal one; cut is where it is truncated, in deviations. */
typedef struct expectation {
    tern_init init;
    int rank;
    int64_t shape[4];
    family family;
    double spread, cut;
} expectation;

static void expect(const expectation *e)
{
    tern_ctx *ctx = open_seeded(11);
    tern_tensor *param = tern_param(ctx, "weight", e->rank, e->shape,
                                    (tern_param_opts){ .init = e->init });
    tern_params_freeze(ctx);
    double *x = values_of(ctx, param), two = 1.0 / 3, four = 1.0 / 5, bound = 1;
    int64_t count = param->count;
    if (e->family != FLAT) {
        bound = e->family == CUT_BELL ? e->cut : 20;
        truncated_moments(bound, &two, &four);
    }
    for (int64_t i = 0; i < count; i++)
        x[i] /= e->spread;
    /* Five standard errors of each mean. */
    double n = (double)count;
    assert_true(fabs(moment(x, count, 1)) < 5 * sqrt(two / n));
    assert_true(fabs(moment(x, count, 2) - two) < 5 * sqrt((four - two * two) / n));
    assert_true(fabs(moment(x, count, 4) - four) < 0.05 * four);
    double most = largest(x, count);
    assert_true(most <= bound);
    assert_true(most > (e->family == BELL ? 3.5 : 0.995 * bound));
    free(x);
    tern_ctx_free(ctx);
}

#define MATRIX 2, { 300, 200 }        /* fan_in 200, fan_out 300            */
#define IMAGE 4, { 40, 3, 5, 32 }     /* fan_in 3*5*32, fan_out 40*3*5      */

static void every_kind_has_its_moments_and_bounds(void **state)
{
    (void)state;
    const expectation all[] = {
        { { .kind = TERN_INIT_UNIFORM }, MATRIX, FLAT, 1, 0 },
        { { .kind = TERN_INIT_UNIFORM, .scale = 0.3 }, MATRIX, FLAT, 0.3, 0 },
        { { .kind = TERN_INIT_NORMAL }, MATRIX, BELL, 1, 0 },
        { { .kind = TERN_INIT_NORMAL, .scale = 7 }, IMAGE, BELL, 7, 0 },
        { { .kind = TERN_INIT_TRUNCATED_NORMAL }, MATRIX, CUT_BELL, 1, 2 },
        { { .kind = TERN_INIT_TRUNCATED_NORMAL, .scale = 0.02 }, MATRIX, CUT_BELL, 0.02, 2 },
        { { .kind = TERN_INIT_TRUNCATED_NORMAL, .scale = 0.02, .bound = 0.05 }, MATRIX, CUT_BELL,
          0.02, 2.5 },
        { { .kind = TERN_INIT_TRUNCATED_NORMAL, .scale = 2, .bound = 1 }, MATRIX, CUT_BELL, 2,
          0.5 },
        { { .kind = TERN_INIT_XAVIER_UNIFORM }, MATRIX, FLAT, sqrt(6.0 / 500), 0 },
        { { .kind = TERN_INIT_XAVIER_UNIFORM }, IMAGE, FLAT, sqrt(6.0 / 1080), 0 },
        { { .kind = TERN_INIT_XAVIER_NORMAL, .gain = TERN_GAIN_TANH }, IMAGE, BELL,
          5.0 / 3 * sqrt(2.0 / 1080), 0 },
        { { .kind = TERN_INIT_KAIMING_UNIFORM }, MATRIX, FLAT, sqrt(6.0 / 200), 0 },
        { { .kind = TERN_INIT_KAIMING_UNIFORM, .fan_out = true, .gain = TERN_GAIN_LINEAR }, IMAGE,
          FLAT, sqrt(3.0 / 600), 0 },
        { { .kind = TERN_INIT_KAIMING_NORMAL }, IMAGE, BELL, sqrt(2.0 / 480), 0 },
        { { .kind = TERN_INIT_KAIMING_NORMAL, .fan_out = true, .gain = tern_gain_leaky_relu(0.2) },
          MATRIX, BELL, sqrt(2 / (1 + 0.04) / 300), 0 },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        expect(&all[i]);
}

static void zeros_ones_and_the_default(void **state)
{
    (void)state;
    static const tern_init_kind kinds[] = { TERN_INIT_DEFAULT, TERN_INIT_ZERO, TERN_INIT_ONE };
    tern_ctx *ctx = open_seeded(1);
    tern_tensor *param[3];
    for (int k = 0; k < 3; k++)
        param[k] = tern_param(ctx, (const char *[]){ "default", "zero", "one" }[k], 1,
                              (int64_t[]){ 5 }, (tern_param_opts){ .init = { .kind = kinds[k] } });
    tern_params_freeze(ctx);
    for (int k = 0; k < 3; k++) {
        double *x = values_of(ctx, param[k]);
        for (int i = 0; i < 5; i++)
            assert_true(x[i] == (k == 2));
        free(x);
    }
    tern_ctx_free(ctx);
}

static void refuse(tern_init init, int rank, const char *message)
{
    tern_ctx *ctx = open_seeded(1);
    tern_scope_push(ctx, "layer");
    tern_param(ctx, "weight", rank, (int64_t[]){ 3, 4 }, (tern_param_opts){ .init = init });
    assert_tern_fails(ctx, TERN_ERR_OPTION, message);
    assert_non_null(strstr(tern_ctx_error(ctx)->message, "layer.weight"));
    tern_ctx_free(ctx);
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    refuse((tern_init){ .kind = TERN_INIT_XAVIER_UNIFORM }, 1, "need inputs and outputs");
    refuse((tern_init){ .kind = TERN_INIT_KAIMING_NORMAL }, 0, "need inputs and outputs");
    refuse((tern_init){ .kind = TERN_INIT_NORMAL, .scale = -1 }, 2, "must be positive");
    refuse((tern_init){ .kind = TERN_INIT_NORMAL, .scale = NAN }, 2, "must be positive");
    refuse((tern_init){ .kind = TERN_INIT_TRUNCATED_NORMAL, .bound = -2 }, 2, "must be positive");
    refuse((tern_init){ .kind = TERN_INIT_KAIMING_UNIFORM, .gain = INFINITY }, 2,
           "must be positive");
    refuse((tern_init){ .kind = (tern_init_kind)99 }, 2, "no such kind");
    refuse((tern_init){ .has_zero_row = true, .zero_row = 3 }, 2, "row that is to be zero");
}

/* --------------------------------------------------------------- layers -- */

static void declare_asked(tern_ctx *ctx, const char *name, int rank, const int64_t *shape)
{
    const struct {
        const char *name;
        tern_init init;
    } asked[] = {
        { "xavier_uniform", { .kind = TERN_INIT_XAVIER_UNIFORM } },
        { "xavier_normal_tanh", { .kind = TERN_INIT_XAVIER_NORMAL, .gain = TERN_GAIN_TANH } },
        { "kaiming_uniform", { .kind = TERN_INIT_KAIMING_UNIFORM } },
        { "kaiming_normal_out", { .kind = TERN_INIT_KAIMING_NORMAL, .fan_out = true,
                                  .gain = tern_gain_leaky_relu(0.2) } },
        { "trunc_normal", { .kind = TERN_INIT_TRUNCATED_NORMAL, .scale = 0.02, .bound = 0.03 } },
    };
    tern_scope_push(ctx, "asked.%s", name);
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++)
        tern_param(ctx, asked[i].name, rank, shape, (tern_param_opts){ .init = asked[i].init });
    tern_scope_pop(ctx);
}

/* The layers of tests/fixtures/make_init.py. */
static void declare_layers(tern_ctx *ctx)
{
    tern_linear_layer_declare(ctx, "linear", 70, 900, (tern_linear_layer_opts){ 0 });
    tern_conv1d_layer_declare(ctx, "conv1d", 24, 800, (tern_conv1d_layer_opts){ .groups = 2 });
    tern_conv2d_layer_declare(ctx, "conv2d", 12, 800, (tern_conv2d_layer_opts){ 0 });
    tern_batch_norm_layer_declare(ctx, "norm", 20, (tern_batch_norm_opts){ 0 });
    tern_embedding_layer_declare(ctx, "embedding", 400, 60,
                                 (tern_embedding_layer_opts){ .has_padding = true,
                                                              .padding_index = 7 });
    tern_recurrent_layer_declare(ctx, "lstm", 40, 200, (tern_recurrent_opts){ .layers = 2 });
    tern_recurrent_layer_declare(ctx, "gru", 40, 200,
                                 (tern_recurrent_opts){ .cell = TERN_CELL_GRU,
                                                        .unidirectional = true });
    tern_multi_head_attention_declare(
        ctx, "attention", (tern_multi_head_attention_opts){ .size = 120, .heads = 4 });
    tern_multi_head_attention_declare(
        ctx, "attention_sizes",
        (tern_multi_head_attention_opts){ .size = 120, .heads = 4, .key_size = 80,
                                          .value_size = 200 });
    tern_transformer_layer_declare(
        ctx, "transformer", (tern_transformer_opts){ .size = 120, .heads = 4, .hidden = 900 });
    declare_asked(ctx, "linear", 2, (int64_t[]){ 300, 200 });
    declare_asked(ctx, "image", 4, (int64_t[]){ 40, 3, 5, 32 });
}

/* Both are samples of what must be one distribution. */
static void compare(const char *name, const double *x, int64_t count, const double *theirs)
{
    double deviation = sqrt(moment(x, count, 2)), most = largest(x, count);
    double n = (double)count, ratio = theirs[0] > 0 ? theirs[1] / theirs[0] : 1;
    /* A largest value says much where values are bounded, little where they are not. */
    double slack = ratio < 1.9 ? 30 / n : 0.3;
    if (fabs(deviation - theirs[0]) > 6 / sqrt(n) * theirs[0] ||
        fabs(most - theirs[1]) > slack * theirs[1])
        fail_msg("%s: deviation %g, largest %g; PyTorch's %g, %g", name, deviation, most,
                 theirs[0], theirs[1]);
}

static void parameters_start_as_pytorchs(void **state)
{
    (void)state;
    tern_error error = { 0 };
    tern_safetensors *file = tern_safetensors_open("tests/fixtures/init.safetensors", &error);
    if (!file)
        fail_msg("%s", error.message);
    tern_ctx *ctx = open_seeded(5);
    declare_layers(ctx);
    tern_params_freeze(ctx);
    assert_tern_ok(ctx);
    assert_int_equal(tern_param_count(ctx), tern_safetensors_count(file));
    for (int i = 0; i < tern_param_count(ctx); i++) {
        const tern_tensor *param = tern_param_at(ctx, i);
        const tern_stored *theirs = tern_safetensors_find(file, param->name, &error);
        if (!theirs)
            fail_msg("%s", error.message);
        double *x = values_of(ctx, param);
        compare(param->name, x, param->count, theirs->data);
        free(x);
    }
    tern_ctx_free(ctx);
    tern_safetensors_close(file);
}

static void the_padding_row_of_an_embedding_is_zero(void **state)
{
    (void)state;
    enum { ROWS = 5, SIZE = 3, PADDING = 2 };
    tern_ctx *ctx = open_seeded(5);
    tern_embedding_layer layer = tern_embedding_layer_declare(
        ctx, "words", ROWS, SIZE,
        (tern_embedding_layer_opts){ .has_padding = true, .padding_index = PADDING });
    tern_params_freeze(ctx);
    double *x = values_of(ctx, layer.weight);
    for (int i = 0; i < ROWS * SIZE; i++)
        assert_true((x[i] == 0) == (i / SIZE == PADDING));
    free(x);
    tern_ctx_free(ctx);
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Values are drawn piece by piece; nobody sees where a piece ends. */
static void a_large_parameter_starts_with_one_stream_of_values(void **state)
{
    (void)state;
    enum { ROWS = 3, SIZE = 5000 };
    const int64_t shape[] = { ROWS, SIZE };
    tern_ctx *ctx = open_seeded(5);
    const tern_init init = { .kind = TERN_INIT_NORMAL, .has_zero_row = true, .zero_row = 1 };
    const tern_tensor *param = tern_param(ctx, "table", 2, shape, (tern_param_opts){ .init = init });
    tern_params_freeze(ctx);
    double *x = values_of(ctx, param);
    for (int i = 0; i < ROWS * SIZE; i++)
        assert_true((x[i] == 0) == (i / SIZE == 1));
    double *sorted = values_of(ctx, param);
    qsort(sorted, ROWS * SIZE, sizeof *sorted, by_value);
    for (int i = 1; i < ROWS * SIZE; i++)
        assert_true(sorted[i] > sorted[i - 1] || sorted[i] == 0);
    free(sorted);
    free(x);
    tern_ctx_free(ctx);
}

static void what_is_asked_of_a_layer_reaches_all_its_weights(void **state)
{
    (void)state;
    tern_init one = { .kind = TERN_INIT_ONE };
    tern_ctx *ctx = open_seeded(5);
    tern_transformer_encoder_declare(ctx, "text", 2,
                                     (tern_transformer_opts){ .size = 4, .heads = 2, .init = one });
    tern_recurrent_layer_declare(ctx, "lstm", 3, 2, (tern_recurrent_opts){ .init = one });
    tern_conv2d_layer_declare(ctx, "conv", 2, 3, (tern_conv2d_layer_opts){ .init = one });
    tern_params_freeze(ctx);
    for (int i = 0; i < tern_param_count(ctx); i++) {
        const tern_tensor *param = tern_param_at(ctx, i);
        double *x = values_of(ctx, param);
        if (param->rank > 1)
            assert_true(largest(x, param->count) == 1 && moment(x, param->count, 1) == 1);
        free(x);
    }
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_its_moments_and_bounds),
        cmocka_unit_test(zeros_ones_and_the_default),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(parameters_start_as_pytorchs),
        cmocka_unit_test(the_padding_row_of_an_embedding_is_zero),
        cmocka_unit_test(a_large_parameter_starts_with_one_stream_of_values),
        cmocka_unit_test(what_is_asked_of_a_layer_reaches_all_its_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
