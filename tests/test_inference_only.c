/* Contexts that only infer (tern_set_inference_only): weights lie in memory once, and values
 * that are discarded are missed by nobody without a word. */
#include "tests/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/params.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/linear/linear.h"
#include "kernels/lstm/lstm.h"
#include "kernels/matmul/openblas.h"
#include "kernels/shape/reshape.h"
#include "tests/checkpointed.h"

enum { HIDDEN = 128, OUTPUTS = 4 * HIDDEN, WEIGHTS = OUTPUTS * HIDDEN };

/* A weight of which linear and lstm each have an order of their own, and a bias. */
typedef struct layer {
    tern_ctx *ctx;
    tern_tensor *weight, *bias;
} layer;

static layer open_layer(tern_ctx_opts opts)
{
    tern_param_opts one = { .init = { .kind = TERN_INIT_ONE } };
    layer l = { .ctx = open_context(opts) };
    tern_set_inference_only(l.ctx);
    tern_scope_push(l.ctx, "model");
    l.weight = tern_param(l.ctx, "weight", 2, (int64_t[]){ OUTPUTS, HIDDEN }, one);
    l.bias = tern_param(l.ctx, "bias", 1, (int64_t[]){ OUTPUTS }, one);
    tern_scope_pop(l.ctx);
    tern_params_freeze(l.ctx);
    assert_tern_ok(l.ctx);
    return l;
}

static tern_tensor *ones(tern_ctx *ctx)
{
    return tern_full(ctx, 2, (int64_t[]){ 2, HIDDEN }, 1);
}

/* A linear layer's first output. */
static float infer(layer l)
{
    float y[2 * OUTPUTS] = { 0 };
    tern_step_begin(l.ctx, 0);
    tern_read(l.ctx, tern_linear(l.ctx, ones(l.ctx), l.weight, l.bias, (tern_linear_opts){ 0 }),
              TERN_F32, y);
    return y[0];
}

/* One that has discarded its weight. */
static layer open_discarded(void)
{
    layer l = open_layer((tern_ctx_opts){ .device = "cpu" });
    assert_float_equal(infer(l), HIDDEN + 1, 0);
    assert_tern_ok(l.ctx);
    return l;
}

static void write_all(tern_ctx *ctx, tern_tensor *tensor, double value)
{
    double *values = malloc((size_t)tensor->count * sizeof *values);
    assert_non_null(values);
    for (int64_t i = 0; i < tensor->count; i++)
        values[i] = value;
    tern_write(ctx, tensor, TERN_F64, values);
    free(values);
}

/* ------------------------------------------------------------- memory -- */

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Pages of a tensor's memory that are there, of those that hold nothing else. */
static int resident_pages(const tern_tensor *tensor, int *all)
{
    static unsigned char there[4096];
    uintptr_t page = page_bytes(), begin = ((uintptr_t)tensor->data + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)tensor->data + tern_tensor_bytes(tensor)) / page * page;
    int resident = 0;
    *all = (int)((end - begin) / page);
    assert_true(*all > 10 && *all <= (int)sizeof there);
    assert_int_equal(mincore((void *)begin, end - begin, there), 0);
    for (int i = 0; i < *all; i++)
        resident += there[i] & 1;
    return resident;
}

static void a_packed_weight_lies_in_memory_once(void **state)
{
    (void)state;
    int pages;
    layer l = open_layer((tern_ctx_opts){ .device = "cpu" });
    size_t before = tern_memory(l.ctx).param_bytes;
    int resident = resident_pages(l.weight, &pages);
    assert_int_equal(resident, pages);
    infer(l);
    assert_int_equal(resident_pages(l.weight, &pages), 0);
    assert_int_equal(before - tern_memory(l.ctx).param_bytes, (size_t)pages * page_bytes());
    assert_true(tern_memory(l.ctx).packed_bytes >= WEIGHTS * sizeof(float));
    tern_ctx_free(l.ctx);
}

static void nothing_is_kept_for_training(void **state)
{
    (void)state;
    layer l = open_layer((tern_ctx_opts){ .device = "cpu" });
    assert_true(tern_memory(l.ctx).param_bytes < 2 * WEIGHTS * sizeof(float));
    assert_null(l.weight->grad);
    assert_int_equal(tern_param_slice(l.ctx, 0, TERN_BLOCK_GRAD).count, 0);
    assert_int_equal(tern_param_slice(l.ctx, 0, TERN_BLOCK_MOMENT1).count, 0);
    tern_ctx_free(l.ctx);
}

static void what_is_not_packed_keeps_its_values(void **state)
{
    (void)state;
    float bias[OUTPUTS];
    layer l = open_discarded();
    tern_read(l.ctx, l.bias, TERN_F32, bias);
    assert_tern_ok(l.ctx);
    assert_float_equal(bias[OUTPUTS - 1], 1, 0);
    tern_ctx_free(l.ctx);
}

/* conv2d packs nothing for no image. */
static void a_call_that_packed_nothing_discards_nothing(void **state)
{
    (void)state;
    enum { COUNT = 16 * 3 * 3 * 8 };
    float values[COUNT];
    tern_ctx *ctx = open_context((tern_ctx_opts){ .device = "cpu" });
    tern_set_inference_only(ctx);
    tern_tensor *weight = tern_param(ctx, "weight", 4, (int64_t[]){ 16, 3, 3, 8 },
                                     (tern_param_opts){ .init = { .kind = TERN_INIT_ONE } });
    tern_params_freeze(ctx);
    tern_step_begin(ctx, 0);
    tern_tensor *x = tern_full(ctx, 4, (int64_t[]){ 0, 9, 9, 8 }, 1);
    tern_conv2d(ctx, x, weight, NULL, (tern_conv2d_opts){ 0 });
    tern_read(ctx, weight, TERN_F32, values);
    assert_tern_ok(ctx);
    assert_float_equal(values[COUNT - 1], 1, 0);
    tern_ctx_free(ctx);
}

/* Of the same weight a depthwise convolution reads the values themselves. */
static void options_tell_whether_a_call_packs(void **state)
{
    (void)state;
    tern_ctx *ctx = open_context((tern_ctx_opts){ .device = "cpu" });
    tern_set_inference_only(ctx);
    tern_tensor *weight = tern_param(ctx, "weight", 4, (int64_t[]){ 16, 3, 3, 1 },
                                     (tern_param_opts){ .init = { .kind = TERN_INIT_ONE } });
    tern_params_freeze(ctx);
    tern_step_begin(ctx, 0);
    tern_tensor *gray = tern_full(ctx, 4, (int64_t[]){ 1, 9, 9, 1 }, 1);
    tern_tensor *sixteen = tern_full(ctx, 4, (int64_t[]){ 1, 9, 9, 16 }, 1);
    tern_conv2d(ctx, sixteen, weight, NULL, (tern_conv2d_opts){ .groups = 16 });
    tern_conv2d(ctx, gray, weight, NULL, (tern_conv2d_opts){ 0 });
    assert_tern_ok(ctx);
    tern_conv2d(ctx, sixteen, weight, NULL, (tern_conv2d_opts){ .groups = 16 });
    assert_tern_fails(ctx, TERN_ERR_STATE, "conv2d: the values of parameter weight [16,3,3,1]");
    tern_ctx_free(ctx);
}

/* ------------------------------------------------------------- errors -- */

static void read_it(layer l)
{
    static float values[WEIGHTS];
    tern_read(l.ctx, l.weight, TERN_F32, values);
}

static void read_its_slice(layer l)
{
    static float values[WEIGHTS];
    tern_tensor slice = tern_param_slice(l.ctx, 0, TERN_BLOCK_VALUE);
    tern_read(l.ctx, &slice, TERN_F32, values);
}

static void keep_it(layer l)
{
    tern_keep(l.ctx, l.weight);
}

static void save_it(layer l)
{
    char path[TEMPORARY_PATH_BYTES];
    temporary_path(path, test_folder, "weights.safetensors");
    assert_false(tern_checkpoint_save(l.ctx, path, NULL, &SAVED));
    assert_int_not_equal(access(path, F_OK), 0);
}

static void reshape_it(layer l)
{
    tern_step_begin(l.ctx, 1);
    tern_reshape(l.ctx, l.weight, (tern_reshape_opts){ .shape = { WEIGHTS } });
}

static void multiply_it(layer l)
{
    tern_step_begin(l.ctx, 1);
    tern_linear(l.ctx, l.weight, l.weight, NULL, (tern_linear_opts){ 0 });
}

static void pack_it_in_another_order(layer l)
{
    tern_step_begin(l.ctx, 1);
    tern_tensor *x = tern_full(l.ctx, 3, (int64_t[]){ 1, 2, HIDDEN }, 1);
    tern_lstm(l.ctx, x, (tern_lstm_weights){ .w_ih = l.weight, .w_hh = l.weight }, NULL, NULL,
              NULL, (tern_lstm_opts){ 0 });
}

static void use_a_provider_that_does_not_pack(layer l)
{
    tern_set_provider(l.ctx, "linear", "openblas");
    infer(l);
}

static void reading_a_discarded_weight_is_an_error_that_names_it(void **state)
{
    (void)state;
    static void (*const reads[])(layer l) = {
        read_it, read_its_slice, keep_it, save_it, reshape_it, multiply_it,
        pack_it_in_another_order, use_a_provider_that_does_not_pack,
    };
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
        if (reads[i] == use_a_provider_that_does_not_pack && !tern_openblas_sgemm(NULL))
            continue;
        layer l = open_discarded();
        reads[i](l);
        assert_tern_fails(l.ctx, TERN_ERR_STATE,
                          "the values of parameter model.weight [512,128] are discarded");
        tern_ctx_free(l.ctx);
    }
}

/* A header of the step that was made while there were values. */
static void a_view_made_before_is_seen_through(void **state)
{
    (void)state;
    static float values[WEIGHTS];
    layer l = open_layer((tern_ctx_opts){ .device = "cpu" });
    tern_step_begin(l.ctx, 0);
    tern_tensor *view =
        tern_reshape(l.ctx, l.weight, (tern_reshape_opts){ .shape = { WEIGHTS } });
    tern_linear(l.ctx, ones(l.ctx), l.weight, NULL, (tern_linear_opts){ 0 });
    assert_tern_ok(l.ctx);
    tern_read(l.ctx, view, TERN_F32, values);
    assert_tern_fails(l.ctx, TERN_ERR_STATE, "model.weight");
    tern_ctx_free(l.ctx);
}

static void training_is_refused(void **state)
{
    (void)state;
    layer l = open_layer((tern_ctx_opts){ .device = "cpu" });
    tern_set_training(l.ctx, true);
    assert_tern_fails(l.ctx, TERN_ERR_STATE, "training is asked for");
    assert_false(tern_is_training(l.ctx));
    tern_clear_error(l.ctx);
    tern_set_recording(l.ctx, true);
    assert_tern_fails(l.ctx, TERN_ERR_STATE, "recording is asked for");
    tern_clear_error(l.ctx);
    tern_average_begin(l.ctx);
    assert_tern_fails(l.ctx, TERN_ERR_STATE, "no parameter blocks after tern_set_inference_only");
    tern_ctx_free(l.ctx);
}

static void it_is_too_late_when_there_are_gradients(void **state)
{
    (void)state;
    tern_ctx *ctx = open_context((tern_ctx_opts){ .device = "cpu" });
    tern_set_training(ctx, true);
    tern_set_inference_only(ctx);
    assert_tern_fails(ctx, TERN_ERR_STATE, "in training");
    tern_clear_error(ctx);
    tern_set_training(ctx, false);
    tern_params_freeze(ctx);
    tern_set_inference_only(ctx);
    assert_tern_fails(ctx, TERN_ERR_STATE, "after tern_params_freeze");
    tern_clear_error(ctx);
    tern_set_training(ctx, true);
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
}

/* --------------------------------------------------------- new values -- */

static void written_values_are_used(void **state)
{
    (void)state;
    int pages;
    layer l = open_discarded();
    for (int i = 2; i < 5; i++) {
        static float values[WEIGHTS];
        write_all(l.ctx, l.weight, i);
        read_it(l); /* they are there until they are packed */
        tern_read(l.ctx, l.weight, TERN_F32, values);
        assert_float_equal(values[WEIGHTS - 1], i, 0);
        assert_float_equal(infer(l), HIDDEN * i + 1, 0);
        assert_tern_ok(l.ctx);
        assert_int_equal(resident_pages(l.weight, &pages), 0);
    }
    tern_ctx_free(l.ctx);
}

static void writing_to_others_leaves_it_usable(void **state)
{
    (void)state;
    layer l = open_discarded();
    write_all(l.ctx, l.bias, 7);
    assert_float_equal(infer(l), HIDDEN + 7, 0);
    assert_float_equal(infer(l), HIDDEN + 7, 0);
    assert_tern_ok(l.ctx);
    tern_ctx_free(l.ctx);
}

static void a_write_that_fails_leaves_it_discarded(void **state)
{
    (void)state;
    static double values[WEIGHTS] = { [WEIGHTS - 1] = 1e300 };
    layer l = open_discarded();
    tern_write(l.ctx, l.weight, TERN_F64, values);
    assert_tern_fails(l.ctx, TERN_ERR_DATA, "model.weight");
    tern_clear_error(l.ctx);
    assert_float_equal(infer(l), HIDDEN + 1, 0);
    read_it(l);
    assert_tern_fails(l.ctx, TERN_ERR_STATE, "are discarded");
    tern_ctx_free(l.ctx);
}

/* Of two orders one is made again, the other is of older values. */
static void an_order_of_earlier_values_is_not_used(void **state)
{
    (void)state;
    layer l = open_layer((tern_ctx_opts){ .device = "cpu" });
    pack_it_in_another_order(l); /* both orders, in one call */
    assert_tern_ok(l.ctx);
    write_all(l.ctx, l.weight, 2);
    assert_float_equal(infer(l), 2 * HIDDEN + 1, 0);
    assert_tern_ok(l.ctx);
    pack_it_in_another_order(l);
    assert_tern_fails(l.ctx, TERN_ERR_STATE, "are discarded");
    tern_ctx_free(l.ctx);
}

static void a_checkpoint_brings_all_values_back(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES];
    temporary_path(path, test_folder, "other.safetensors");
    layer l = open_layer((tern_ctx_opts){ .device = "cpu" });
    write_all(l.ctx, l.weight, 3);
    assert_true(tern_checkpoint_save(l.ctx, path, NULL, &SAVED));
    write_all(l.ctx, l.weight, 5);
    assert_float_equal(infer(l), 5 * HIDDEN + 1, 0);
    assert_true(tern_checkpoint_load(l.ctx, path, NULL, NULL));
    assert_float_equal(infer(l), 3 * HIDDEN + 1, 0);
    assert_tern_ok(l.ctx);
    tern_ctx_free(l.ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packed_weight_lies_in_memory_once),
        cmocka_unit_test(nothing_is_kept_for_training),
        cmocka_unit_test(what_is_not_packed_keeps_its_values),
        cmocka_unit_test(a_call_that_packed_nothing_discards_nothing),
        cmocka_unit_test(options_tell_whether_a_call_packs),
        cmocka_unit_test(reading_a_discarded_weight_is_an_error_that_names_it),
        cmocka_unit_test(a_view_made_before_is_seen_through),
        cmocka_unit_test(training_is_refused),
        cmocka_unit_test(it_is_too_late_when_there_are_gradients),
        cmocka_unit_test(written_values_are_used),
        cmocka_unit_test(writing_to_others_leaves_it_usable),
        cmocka_unit_test(a_write_that_fails_leaves_it_discarded),
        cmocka_unit_test(an_order_of_earlier_values_is_not_used),
        cmocka_unit_test(a_checkpoint_brings_all_values_back),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
