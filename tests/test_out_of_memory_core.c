/* Whatever allocation of a context, a step or a file fails, the error says so, nothing leaks
 * and nothing is written half. */
#include "tests/failing_memory.h"

#include <unistd.h>

#include "core/array_file.h"
#include "kernels/adamw/adamw.h"
#include "kernels/cross_entropy/cross_entropy.h"
#include "kernels/gradcheck.h"
#include "kernels/op_file.h"
#include "kernels/table.h"
#include "layers/linear.h"
#include "tests/temporary_folder.h"
#include "train/checkpoint.h"

/* -------------------------------------------------------------- contexts -- */

static void take_over(tern_error *error, tern_ctx *ctx)
{
    if (ctx && !tern_ok(ctx))
        tern_error_set(error, tern_ctx_error(ctx)->code, "%s", tern_ctx_error(ctx)->message);
    tern_ctx_free(ctx);
}

static void open_and_close(tern_error *error)
{
    take_over(error, tern_open((tern_ctx_opts){ .device = "cpu", .threads = 3 }, error));
}

static void a_context_opens_or_says_why(void **state)
{
    (void)state;
    try_all(open_and_close, "a context");
}

static double last_loss, wanted_loss;

/* Three steps of a small network, with an optimiser. */
static void train(tern_error *error)
{
    static const double x[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    static const int32_t labels[2] = { 0, 2 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "cpu", .threads = 1 }, error);
    if (!ctx)
        return;
    tern_scope_push(ctx, "model");
    tern_linear_layer hidden = tern_linear_layer_declare(
        ctx, "hidden", 4, 5, (tern_linear_layer_opts){ .activation = TERN_ACT_TANH });
    tern_linear_layer out =
        tern_linear_layer_declare(ctx, "out", 5, 3, (tern_linear_layer_opts){ 0 });
    tern_params_freeze(ctx);
    tern_set_training(ctx, true);
    for (int step = 1; step <= 3; step++) {
        tern_step_begin(ctx, 0);
        tern_tensor *in = tern_input(ctx, "x", TERN_F64, 2, (int64_t[]){ 2, 4 }, x);
        tern_tensor *target = tern_input(ctx, "target", TERN_I32, 1, (int64_t[]){ 2 }, labels);
        tern_tensor *y = tern_linear_layer_forward(ctx, &hidden, in);
        y = tern_linear_layer_forward(ctx, &out, y);
        tern_tensor *loss = tern_cross_entropy(ctx, y, target, NULL, NULL,
                                               (tern_cross_entropy_opts){ 0 });
        tern_backward(ctx, loss);
        tern_adamw(ctx, tern_blocks(ctx), NULL, (tern_adamw_opts){ .lr = 0.01, .step = step });
        tern_keep(ctx, loss);
        last_loss = tern_read_scalar(ctx, loss);
    }
    take_over(error, ctx);
    if (error->code == TERN_OK && wanted_loss > 0 && last_loss != wanted_loss)
        fail_msg("the last loss is %.9g instead of %.9g", last_loss, wanted_loss);
}

static void training_goes_on_or_says_why(void **state)
{
    (void)state;
    tern_error error = { 0 };
    train(&error);
    assert_string_equal(error.message, "");
    wanted_loss = last_loss;
    assert_true(wanted_loss > 0);
    try_all(train, "training");
}

static int directions; /* that are to be checked */

static void check_gradients(tern_error *error)
{
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "ref" }, error);
    tern_gradcheck_result result = { 0 };
    if (ctx)
        tern_gradcheck(ctx, tern_op_find("masked_mean", error), &result);
    take_over(error, ctx);
    if (error->code == TERN_OK && result.checked != directions)
        fail_msg("%d directions were checked instead of %d", result.checked, directions);
}

static void a_gradient_check_ends_or_says_why(void **state)
{
    (void)state;
    tern_error error = { 0 };
    tern_gradcheck_result result = { 0 };
    tern_ctx *ctx = open_context((tern_ctx_opts){ .device = "ref" });
    assert_true(tern_gradcheck(ctx, tern_op_find("masked_mean", &error), &result));
    directions = result.checked;
    tern_ctx_free(ctx);
    try_all(check_gradients, "a gradient check");
}

/* ----------------------------------------------------------------- files -- */

static char folder[TEMPORARY_PATH_BYTES], path[TEMPORARY_PATH_BYTES];

static int make_folder(void **state)
{
    (void)state;
    json_set_alloc_funcs(failing_json_malloc, free);
    return temporary_folder_make(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    temporary_folder_remove(folder);
    return 0;
}

enum { COUNT = 3 };
static const double earlier[COUNT] = { 1, 2, 3 }, later[COUNT] = { 4, 5, 6 };

static void write_file(const double *values, tern_error *error)
{
    tern_array_writer *writer = tern_array_create(path, error);
    tern_array_add(writer, &(tern_values){ .name = "x", .dtype = TERN_F64, .rank = 1,
                                           .shape = { COUNT }, .count = COUNT, .data = values });
    tern_array_finish(writer);
}

static void write_later(tern_error *error)
{
    write_file(later, error);
}

/* Either all of the earlier values or all of the later ones. */
static void read_back(tern_error *error)
{
    tern_values values;
    tern_array_file *file = tern_array_file_open(path, error);
    const char *name = file ? tern_array_file_name(file, 0) : NULL;
    if (file && tern_array_file_read(file, name, &values, error)) {
        assert_int_equal(values.count, COUNT);
        if (memcmp(values.data, earlier, sizeof earlier) != 0)
            assert_memory_equal(values.data, later, sizeof later);
    }
    tern_array_file_close(file);
}

static void files_of_arrays_stay_whole(void **state)
{
    (void)state;
    static const char *const names[] = { "x.safetensors", "x.npz", "x.npy" };
    for (int i = 0; i < 3; i++) {
        tern_error error = { 0 };
        temporary_path(path, folder, names[i]);
        write_file(earlier, &error);
        assert_string_equal(error.message, "");
        try_all(write_later, names[i]);
        try_all(read_back, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0); /* nothing else was left */
    assert_true(temporary_folder_make(folder));
}

static char in_path[TEMPORARY_PATH_BYTES];

static void run_op(tern_error *error)
{
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "cpu", .threads = 1 }, error);
    const char *const options[] = { "axes=0" };
    const tern_op_file file = { .in = in_path, .out = path, .options = options,
                                .option_count = 1, .grad = true };
    if (ctx)
        tern_op_run_file(ctx, tern_op_find("sum", error), &file, NULL);
    take_over(error, ctx);
}

static void an_op_on_files_ends_or_says_why(void **state)
{
    (void)state;
    tern_error error = { 0 };
    const double one = 1;
    tern_array_writer *writer = tern_array_create(temporary_path(in_path, folder, "in.npz"),
                                                  &error);
    tern_array_add(writer, &(tern_values){ .name = "x", .dtype = TERN_F64, .rank = 1,
                                           .shape = { COUNT }, .count = COUNT, .data = later });
    tern_array_add(writer, &(tern_values){ .name = "grad_y", .dtype = TERN_F64, .count = 1,
                                           .data = &one });
    assert_true(tern_array_finish(writer));
    temporary_path(path, folder, "out.safetensors");
    try_all(run_op, "tern op");
}

static tern_ctx *open_model(tern_error *error)
{
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "cpu", .threads = 1 }, error);
    if (ctx) {
        tern_linear_layer_declare(ctx, "layer", 3, 2, (tern_linear_layer_opts){ 0 });
        tern_params_freeze(ctx);
    }
    return ctx;
}

static void save(tern_error *error)
{
    tern_ctx *ctx = open_model(error);
    if (ctx)
        tern_checkpoint_save(ctx, path, NULL, &(tern_checkpoint_info){ .epoch = 1 });
    take_over(error, ctx);
}

static void load(tern_error *error)
{
    tern_ctx *ctx = open_model(error);
    if (ctx)
        tern_checkpoint_load(ctx, path, NULL, NULL);
    take_over(error, ctx);
}

static void checkpoints_stay_whole(void **state)
{
    (void)state;
    tern_error error = { 0 };
    temporary_path(path, folder, "model.safetensors");
    save(&error);
    assert_string_equal(error.message, "");
    try_all(save, "saving a checkpoint");
    try_all(load, "loading a checkpoint");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_context_opens_or_says_why),
        cmocka_unit_test(training_goes_on_or_says_why),
        cmocka_unit_test(a_gradient_check_ends_or_says_why),
        cmocka_unit_test(files_of_arrays_stay_whole),
        cmocka_unit_test(an_op_on_files_ends_or_says_why),
        cmocka_unit_test(checkpoints_stay_whole),
    };
    return cmocka_run_group_tests_name("out_of_memory_core", tests, make_folder, remove_folder);
}
