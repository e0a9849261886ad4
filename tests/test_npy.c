/* .npy and .npz: agreement with NumPy, and files that appear whole or not at all. */
#include "tests/check.h"

#include <string.h>
#include <sys/stat.h>

#include "core/npy.h"
#include "tests/temporary_folder.h"

#define NPY "tests/fixtures/npy/"

/* ------------------------------------------------------------- helpers -- */

static char folder[TEMPORARY_PATH_BYTES], path[TEMPORARY_PATH_BYTES];

static int make_folder(void **state)
{
    (void)state;
    if (!temporary_folder_make(folder))
        return -1;
    temporary_path(path, folder, "file");
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    temporary_folder_remove(folder);
    return 0;
}

/* Element i is i + 1/4, or i where the type has no fractions: see make_npy.py. */
static void assert_counted(const tern_array *array)
{
    assert_int_equal(array->bytes, (size_t)array->count * tern_dtype_size(array->dtype));
    for (int64_t i = 0; i < array->count; i++)
        switch (array->dtype) {
        case TERN_F64: assert_true(((const double *)array->data)[i] == (double)i + 0.25); break;
        case TERN_F32: assert_true(((const float *)array->data)[i] == (float)i + 0.25f); break;
        case TERN_I32: assert_int_equal(((const int32_t *)array->data)[i], i); break;
        case TERN_I64: assert_int_equal(((const int64_t *)array->data)[i], i); break;
        default: assert_int_equal(((const uint8_t *)array->data)[i], i); break;
        }
}

static void assert_refused(bool read, const tern_error *error, tern_status code, const char *text)
{
    assert_false(read);
    if (error->code != code || !strstr(error->message, text))
        fail_msg("wanted %s error with \"%s\", got %s: %s", tern_status_name(code), text,
                 tern_status_name(error->code), error->message);
}

/* What make_npy.py writes. */
static const struct expected {
    const char *name;
    tern_dtype dtype;
    int rank;
    int64_t shape[4];
} expected[] = {
    { "doubles", TERN_F64, 2, { 2, 3 } },  { "floats", TERN_F32, 4, { 2, 1, 3, 3 } },
    { "ids", TERN_I32, 1, { 5 } },         { "long_ids", TERN_I64, 2, { 3, 1 } },
    { "bytes", TERN_U8, 2, { 3, 2 } },     { "flags", TERN_U8, 1, { 2 } },
    { "scalar", TERN_F32, 0, { 0 } },      { "empty", TERN_F32, 2, { 4, 0 } },
    { "fortran", TERN_F64, 3, { 2, 3, 5 } },
};
enum { EXPECTED = sizeof expected / sizeof *expected };

static void assert_expected(const tern_array *array, const struct expected *wanted)
{
    assert_int_equal(array->dtype, wanted->dtype);
    assert_int_equal(array->rank, wanted->rank);
    for (int axis = 0; axis < wanted->rank; axis++)
        assert_int_equal(array->shape[axis], wanted->shape[axis]);
    assert_counted(array);
}

/* -------------------------------------------------------------- reading -- */

static void reads_what_numpy_wrote(void **state)
{
    (void)state;
    for (int i = 0; i < EXPECTED; i++) {
        char from[128];
        tern_array array;
        tern_error error = { 0 };
        snprintf(from, sizeof from, NPY "%s.npy", expected[i].name);
        tern_npy_read(from, &array, &error);
        assert_string_equal(error.message, "");
        assert_expected(&array, &expected[i]);
        tern_array_free(&array);
    }
}

static void reads_versions_two_and_three(void **state)
{
    (void)state;
    static const char *const files[] = { NPY "version2.npy", NPY "version3.npy" };
    const struct expected wanted = { "", TERN_I32, 2, { 2, 3 } };
    for (int i = 0; i < 2; i++) {
        tern_array array;
        tern_error error = { 0 };
        tern_npy_read(files[i], &array, &error);
        assert_string_equal(error.message, "");
        assert_expected(&array, &wanted);
        tern_array_free(&array);
    }
}

static void reads_archives_stored_and_deflated(void **state)
{
    (void)state;
    static const char *const files[] = { NPY "stored.npz", NPY "deflated.npz" };
    for (int f = 0; f < 2; f++) {
        tern_array array;
        tern_error error = { 0 };
        tern_npz *npz = tern_npz_open(files[f], &error);
        assert_string_equal(error.message, "");
        assert_int_equal(tern_npz_count(npz), EXPECTED + f);
        for (int i = 0; i < EXPECTED; i++) {
            assert_string_equal(tern_npz_name(npz, i), expected[i].name);
            tern_npz_read(npz, expected[i].name, &array, &error);
            assert_string_equal(error.message, "");
            assert_expected(&array, &expected[i]);
            tern_array_free(&array);
        }
        if (f == 1) { /* long enough to be packed for good */
            assert_true(tern_npz_read(npz, "many", &array, &error));
            assert_int_equal(array.count, 1000);
            assert_counted(&array);
            tern_array_free(&array);
        }
        assert_refused(tern_npz_read(npz, "doublse", &array, &error), &error, TERN_ERR_ARGUMENT,
                       "has no array 'doublse'");
        tern_npz_close(npz);
    }
}

/* -------------------------------------------------------------- writing -- */

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    for (int i = 0; i < EXPECTED; i++) {
        char from[128];
        tern_array array, again;
        tern_error error = { 0 };
        snprintf(from, sizeof from, NPY "%s.npy", expected[i].name);
        assert_true(tern_npy_read(from, &array, &error));
        assert_true(tern_npy_write(path, array.dtype, array.rank, array.shape, array.data,
                                   &error));
        assert_true(tern_npy_read(path, &again, &error));
        assert_expected(&again, &expected[i]);
        tern_array_free(&array);
        tern_array_free(&again);
    }
}

static void archives_are_read_back(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static double many[COUNT];
    for (int i = 0; i < COUNT; i++)
        many[i] = i + 0.25;
    for (int deflate = 0; deflate < 2; deflate++) {
        struct stat info;
        tern_array array;
        tern_error error = { 0 };
        tern_npz_writer *writer = tern_npz_create(path, deflate, &error);
        tern_npz_add(writer, "many", TERN_F64, 2, (int64_t[]){ 50, 100 }, many);
        tern_npz_add(writer, "F\xc3\xbc\xc3\x9f" "e", TERN_U8, 0, NULL, "\0");
        tern_npz_add(writer, "none", TERN_I32, 2, (int64_t[]){ 0, 3 }, NULL);
        assert_true(tern_npz_finish(writer));
        tern_npz *npz = tern_npz_open(path, &error);
        assert_string_equal(error.message, "");
        assert_int_equal(tern_npz_count(npz), 3);
        assert_true(tern_npz_read(npz, "many", &array, &error));
        assert_int_equal(array.shape[1], 100);
        assert_counted(&array);
        tern_array_free(&array);
        assert_true(tern_npz_has(npz, "F\xc3\xbc\xc3\x9f" "e"));
        assert_true(tern_npz_read(npz, "none", &array, &error));
        assert_int_equal(array.count, 0);
        tern_array_free(&array);
        tern_npz_close(npz);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_size < (off_t)sizeof many, deflate);
    }
}

static void a_file_that_cannot_be_written_leaves_the_old_one(void **state)
{
    (void)state;
    const int64_t shape[] = { 2, -1 };
    tern_array array;
    tern_error error = { 0 };
    assert_true(tern_npy_write(path, TERN_U8, 1, shape, "\0\1", &error));
    assert_refused(tern_npy_write(path, TERN_BF16, 1, shape, "", &error), &error, TERN_ERR_DTYPE,
                   "NumPy has no element type bf16");
    error = (tern_error){ 0 };
    assert_refused(tern_npy_write(path, TERN_U8, 2, shape, "", &error), &error, TERN_ERR_SHAPE,
                   "axis 1 of -1 is impossible");
    error = (tern_error){ 0 };
    tern_npz_writer *writer = tern_npz_create(path, false, &error);
    tern_npz_add(writer, "x", TERN_U8, 1, shape, "\0\1");
    tern_npz_add(writer, "x", TERN_U8, 1, shape, "\0\1");
    assert_refused(tern_npz_finish(writer), &error, TERN_ERR_ARGUMENT, "'x' was added twice");
    error = (tern_error){ 0 };
    assert_refused(tern_npy_write("/nowhere/x.npy", TERN_U8, 1, shape, "\0\1", &error), &error,
                   TERN_ERR_IO, "cannot be created");
    error = (tern_error){ 0 };
    assert_true(tern_npy_read(path, &array, &error));
    assert_int_equal(array.count, 2);
    assert_counted(&array);
    tern_array_free(&array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_numpy_wrote),
        cmocka_unit_test(reads_versions_two_and_three),
        cmocka_unit_test(reads_archives_stored_and_deflated),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(archives_are_read_back),
        cmocka_unit_test(a_file_that_cannot_be_written_leaves_the_old_one),
    };
    return cmocka_run_group_tests_name("npy", tests, make_folder, remove_folder);
}
