/* `tern op`: files of all formats and numbers of all types will do, and what will not is
 * told by name. */
#include "tests/check.h"

#include <jansson.h>
#include <string.h>

#include "core/array_file.h"
#include "kernels/op_file.h"
#include "kernels/table.h"
#include "tests/program.h"
#include "tests/temporary_folder.h"

static char folder[TEMPORARY_PATH_BYTES];

static int make_folder(void **state)
{
    (void)state;
    return temporary_folder_make(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    temporary_folder_remove(folder);
    return 0;
}

/* ----------------------------------------------------- types and formats -- */

/* A file with these arrays, up to the first without a name ("" is the one of .npy). */
static void write_arrays(char path[TEMPORARY_PATH_BYTES], const char *name,
                         const tern_values *arrays)
{
    tern_error error = { 0 };
    tern_array_writer *writer = tern_array_create(temporary_path(path, folder, name), &error);
    for (; arrays->name; arrays++)
        tern_array_add(writer, arrays);
    if (!tern_array_finish(writer))
        fail_msg("%s", error.message);
}

static void run_op(const char *op, const char *in, const char *out, bool grad, const char *says)
{
    tern_error error = { 0 };
    tern_ctx *ctx = open_context((tern_ctx_opts){ .threads = 1 });
    const tern_op_file file = { .in = in, .out = out, .grad = grad };
    bool done = tern_op_run_file(ctx, tern_op_find(op, &error), &file, NULL);
    if (done != !says || (says && !strstr(tern_ctx_error(ctx)->message, says)))
        fail_msg("%s: wanted \"%s\", got \"%s\"", op, says ? says : "success",
                 tern_ctx_error(ctx)->message);
    tern_ctx_free(ctx);
}

static void numbers_become_what_the_op_wants_or_are_named(void **state)
{
    (void)state;
    static const double doubles[] = { 0.5, 1, 1.5, 2, 2.5, 3 }, huge[] = { 0, 0, 1e39, 0, 0, 0 };
    static const int64_t longs[] = { 1, 0 }, wide[] = { 1, (int64_t)1 << 40 }, rough[] = {
        1, 2, 3, 4, 5, ((int64_t)1 << 24) + 1 };
    static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6 };
    static const float reals[] = { 1, 0 };
#define LOGITS(type, values) { "logits", type, 2, { 2, 3 }, 6, values }
#define TARGET(type, values) { "target", type, 1, { 2 }, 2, values }
    static const struct {
        tern_values arrays[3];
        const char *says;
    } cases[] = {
        { { LOGITS(TERN_F64, doubles), TARGET(TERN_I64, longs) }, NULL },
        { { LOGITS(TERN_U8, bytes), TARGET(TERN_U8, bytes) }, NULL },
        { { LOGITS(TERN_F64, huge), TARGET(TERN_I64, longs) },
          "cross_entropy: logits[0,2] is 1e+39, which f32 cannot hold" },
        { { LOGITS(TERN_I64, rough), TARGET(TERN_I64, longs) },
          "cross_entropy: logits[1,2] is 16777217, which f32 cannot hold" },
        { { LOGITS(TERN_F64, doubles), TARGET(TERN_I64, wide) },
          "cross_entropy: target[1] is 1099511627776, which i32 cannot hold" },
        { { LOGITS(TERN_F64, doubles), TARGET(TERN_F32, reals) },
          "cross_entropy: target: f32 values cannot become i32" },
    };
#undef LOGITS
#undef TARGET
    char in[TEMPORARY_PATH_BYTES], out[TEMPORARY_PATH_BYTES];
    temporary_path(out, folder, "converted.npz");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_arrays(in, "converted.safetensors", cases[i].arrays);
        run_op("cross_entropy", in, out, false, cases[i].says);
    }
}

static void one_array_may_be_a_npy_file(void **state)
{
    (void)state;
    static const float x[] = { -1, 0, 2 };
    const tern_values array[] = { { "", TERN_F32, 1, { 3 }, 3, x }, { 0 } };
    char in[TEMPORARY_PATH_BYTES], out[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    tern_values values;
    write_arrays(in, "x.npy", array);
    run_op("relu", in, temporary_path(out, folder, "y.npy"), false, NULL);
    tern_array_file *file = tern_array_file_open(out, &error);
    assert_true(file && tern_array_file_read(file, "", &values, &error));
    assert_int_equal(values.count, 3);
    assert_memory_equal(values.data, ((float[]){ 0, 0, 2 }), 12);
    tern_array_file_close(file);
    run_op("layer_norm", in, out, false, NULL); /* gain and bias are optional */
    run_op("linear", in, out, false, "a .npy file holds one array; linear wants several inputs");
    run_op("relu", in, out, true, "relu wants the gradient of its output too");
}

static void what_does_not_fit_is_told_and_nothing_is_written(void **state)
{
    (void)state;
    static const float values[] = { 1, 2, 3, 4 };
    const tern_values arrays[] = { { "x", TERN_F32, 1, { 4 }, 4, values },
                                   { "grad_y", TERN_F32, 2, { 2, 2 }, 4, values }, { 0 } };
    char in[TEMPORARY_PATH_BYTES], out[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    write_arrays(in, "shapes.npz", arrays);
    temporary_path(out, folder, "unwritten.npz");
    run_op("relu", in, out, true, "relu: grad_y is [2,2], output y is [4]");
    run_op("relu", in, temporary_path(out, folder, "unwritten.h5"), false,
           "unwritten.h5: the name must end in .safetensors, .npz or .npy");
    assert_null(tern_array_file_open(out, &error));
    run_op("embedding", in, out, false, "embedding has no input x; the file may hold table, tokens");
    run_op("argmax", in, out, true, "argmax has no gradient");
    run_op("lstm", NULL, out, false, "lstm: input x is NULL");
    tern_ctx *meta = open_context((tern_ctx_opts){ .device = "meta" });
    const tern_op_file file = { .in = in, .out = out };
    assert_false(tern_op_run_file(meta, tern_op_find("relu", &error), &file, NULL));
    assert_tern_fails(meta, TERN_ERR_ARGUMENT, "device meta computes nothing");
    tern_ctx_free(meta);
}

static void two_results_do_not_fit_into_a_npy_file(void **state)
{
    (void)state;
    static const float values[] = { 1, 2, 3, 4 };
    const tern_values arrays[] = { { "x", TERN_F32, 1, { 4 }, 4, values },
                                   { "grad_y", TERN_F32, 1, { 4 }, 4, values }, { 0 } };
    char in[TEMPORARY_PATH_BYTES], out[TEMPORARY_PATH_BYTES];
    write_arrays(in, "two.npz", arrays);
    run_op("relu", in, temporary_path(out, folder, "two.npy"), true,
           "two.npy: a .npy file holds one array, grad_x is a second one");
    tern_error error = { 0 };
    assert_null(tern_array_file_open(out, &error));
}

/* --------------------------------------------------------------- summary -- */

static void the_summary_tells_what_was_read_and_written(void **state)
{
    (void)state;
    static const float x[] = { -1, 0, 2, 1 }, grad[] = { 1, 1, 1, 1 };
    const tern_values arrays[] = { { "x", TERN_F32, 2, { 2, 2 }, 4, x },
                                   { "grad_y", TERN_F32, 2, { 2, 2 }, 4, grad }, { 0 } };
    char in[TEMPORARY_PATH_BYTES], out[TEMPORARY_PATH_BYTES];
    program p;
    write_arrays(in, "summary.npz", arrays);
    temporary_path(out, folder, "summary.safetensors");
    program_run(&p, (const char *const[]){ "op", "relu", "--in", in, "--out", out, "--json",
                                           "--grad", NULL });
    json_t *json = json_loads(p.out, JSON_REJECT_DUPLICATES, NULL);
    if (!json)
        fail_msg("exit status %d, no JSON: %s%s", p.status, p.out, p.err);
    json_t *y = json_object_get(json_object_get(json, "out"), "y");
    assert_string_equal(json_string_value(json_object_get(json, "op")), "relu");
    assert_string_equal(json_string_value(json_object_get(json, "device")), "cpu");
    assert_string_equal(json_string_value(json_object_get(y, "dtype")), "f32");
    assert_int_equal(json_array_size(json_object_get(y, "shape")), 2);
    assert_true(json_real_value(json_object_get(y, "highest")) == 2);
    assert_true(json_real_value(json_object_get(y, "mean")) == 0.75);
    assert_int_equal(json_object_size(json_object_get(json, "in")), 2);
    assert_int_equal(json_object_size(json_object_get(json, "out")), 2);
    json_decref(json);
    program_free(&p);
    program_run(&p, (const char *const[]){ "op", "relu", "--in", in, "--out", out, NULL });
    assert_non_null(strstr(p.out, "[2,2]"));
    assert_non_null(strstr(p.out, "0 to 2, mean 0.75"));
    program_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_become_what_the_op_wants_or_are_named),
        cmocka_unit_test(one_array_may_be_a_npy_file),
        cmocka_unit_test(what_does_not_fit_is_told_and_nothing_is_written),
        cmocka_unit_test(two_results_do_not_fit_into_a_npy_file),
        cmocka_unit_test(the_summary_tells_what_was_read_and_written),
    };
    return cmocka_run_group_tests_name("op_formats", tests, make_folder, remove_folder);
}
