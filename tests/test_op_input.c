/* tern op on a file: what it computes, what it refuses, and that it then leaves the earlier
 * result. */
#include "check.h"
#include "program.h"
#include "temporary_folder.h"

#include "core/safetensors.h"
#include "datasets/file.h"

#include <stdlib.h>

enum { ROWS = 2, INPUTS = 3, OUTPUTS = 2 };

/* The inputs of linear; weight has `columns` columns, and the third is called `bias`. */
static const char *write_linear(char path[TEMPORARY_PATH_BYTES], int64_t columns, const char *bias)
{
    static const float x[ROWS * INPUTS] = { 1, 2, 3, 4, 5, 6 }, b[OUTPUTS] = { 10, 20 };
    static const float w[OUTPUTS * 8] = { 1, 0, 0, 0, 1, 0 };
    const int64_t x_shape[] = { ROWS, INPUTS }, w_shape[] = { OUTPUTS, columns }, out = OUTPUTS;
    tern_error error = { 0 };
    tern_safetensors_writer *writer =
        tern_safetensors_create(temporary_path(path, test_folder, "in.safetensors"), &error);
    tern_safetensors_add(writer, "x", TERN_F32, 2, x_shape, x);
    tern_safetensors_add(writer, "weight", TERN_F32, 2, w_shape, w);
    tern_safetensors_add(writer, bias, TERN_F32, 1, &out, b);
    tern_safetensors_add(writer, "grad_y", TERN_F32, 2, (const int64_t[]){ ROWS, OUTPUTS }, x);
    if (!tern_safetensors_finish(writer))
        fail_msg("%s", error.message);
    return path;
}

static void assert_tensor(const tern_safetensors *file, const char *name, const float *want,
                          int count)
{
    tern_error error = { 0 };
    const tern_stored *stored = tern_safetensors_find(file, name, &error);
    if (!stored)
        fail_msg("%s", error.message);
    assert_int_equal(stored->count, count);
    assert_memory_equal(stored->data, want, (size_t)count * sizeof *want);
}

static void an_op_runs_from_file_to_file(void **state)
{
    (void)state;
    static const float y[] = { 11, 22, 14, 25 }, grad_bias[] = { 4, 6 },
                       grad_weight[] = { 13, 17, 21, 18, 24, 30 };
    char in[TEMPORARY_PATH_BYTES], out[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    program p;
    program_run(&p, LIST("op", "linear", "--in", write_linear(in, INPUTS, "bias"), "--out",
                         temporary_path(out, test_folder, "out.safetensors"), "--grad"));
    if (p.status)
        fail_msg("%s", p.err);
    program_free(&p);
    tern_safetensors *file = tern_safetensors_open(out, &error);
    if (!file)
        fail_msg("%s", error.message);
    assert_tensor(file, "y", y, 4);
    assert_tensor(file, "grad_bias", grad_bias, 2);
    assert_tensor(file, "grad_weight", grad_weight, 6);
    tern_safetensors_close(file);
}

static void an_op_refuses_tensors_by_name_and_keeps_the_earlier_result(void **state)
{
    (void)state;
    char in[TEMPORARY_PATH_BYTES], out[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    assert_true(temporary_file(out, test_folder, "kept.safetensors", "earlier", 7));
    assert_fails(LIST("op", "linear", "--in", write_linear(in, 4, "bias"), "--out", out),
                 "linear", "weight [2,4]", "[2,3]");
    assert_fails(LIST("op", "linear", "--in", write_linear(in, INPUTS, "bais"), "--out",
                      out), "linear has no input bais, did you mean bias?");
    write_linear(in, INPUTS, "bias");
    assert_fails(LIST("op", "linear", "--in", in, "--out", out, "--set", "activaton=relu"),
                 "activaton", "did you mean activation?");
    assert_fails(LIST("op", "linear", "--in", in, "--out", out, "--set", "activation=relo"),
                 "relo", "relu");
    assert_fails(LIST("op", "layer_norm", "--in", in, "--out", out),
                 "layer_norm has no input weight; the file may hold x, ");
    assert_fails(LIST("op", "linear", "--in", "/no/in.safetensors", "--out", out),
                 "/no/in.safetensors: cannot be opened: No such file or directory");
    assert_fails(LIST("op", "linear", "--in", out, "--out", out),
                 "kept.safetensors: 7 bytes are too few for a safetensors file");
    assert_fails(LIST("op", "linear", "--in", in, "--out", "/no/out.safetensors"),
                 "/no/out.safetensors", "cannot be created: No such file or directory");
    char *kept = tern_file_read_text(out, &error);
    assert_non_null(kept);
    assert_string_equal(kept, "earlier");
    free(kept);
}

/* Two arrays of ones [2,3] under these names. */
static char *write_pair(char *path, const char *first, const char *second)
{
    static const float ones[ROWS * INPUTS] = { 1, 1, 1, 1, 1, 1 };
    const int64_t shape[] = { ROWS, INPUTS };
    tern_error error = { 0 };
    tern_safetensors_writer *writer =
        tern_safetensors_create(temporary_path(path, test_folder, "pair.safetensors"), &error);
    tern_safetensors_add(writer, first, TERN_F32, 2, shape, ones);
    tern_safetensors_add(writer, second, TERN_F32, 2, shape, ones);
    if (!tern_safetensors_finish(writer))
        fail_msg("%s", error.message);
    return path;
}

static void an_op_says_which_input_the_file_lacks(void **state)
{
    (void)state;
    char in[TEMPORARY_PATH_BYTES], out[TEMPORARY_PATH_BYTES];
    temporary_path(out, test_folder, "none.safetensors");
    assert_fails(LIST("op", "linear", "--in", write_pair(in, "x", "grad_y"), "--out", out),
                 "pair.safetensors holds no weight, [O, I]");
    assert_fails(LIST("op", "concat", "--in", write_pair(in, "x0", "x2"), "--out", out),
                 "pair.safetensors holds x2, but no x1");
    assert_fails(LIST("op", "concat", "--in", write_pair(in, "x", "x1"), "--out", out),
                 "pair.safetensors holds x and x1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_op_runs_from_file_to_file),
        cmocka_unit_test(an_op_refuses_tensors_by_name_and_keeps_the_earlier_result),
        cmocka_unit_test(an_op_says_which_input_the_file_lacks),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
