/* safetensors: agreement with the Python library, and files that appear whole or not at
 * all. */
#include "tests/check.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/safetensors.h"
#include "tests/temporary_folder.h"

#define LIBRARY "tests/fixtures/library.safetensors"
#define LIBRARY_NOTE "quotes \" and \xc3\x9cml\xc3\xa4ute"

/* ------------------------------------------------------------- helpers -- */

static char folder[TEMPORARY_PATH_BYTES], path[TEMPORARY_PATH_BYTES]; /* of the one file */

static int make_folder(void **state)
{
    (void)state;
    if (!temporary_folder_make(folder))
        return -1;
    temporary_path(path, folder, "file.safetensors");
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    temporary_folder_remove(folder);
    return 0;
}

static int files_in_folder(void)
{
    int count = 0;
    DIR *listing = opendir(folder);
    assert_non_null(listing);
    for (struct dirent *item; (item = readdir(listing));)
        count += item->d_name[0] != '.';
    closedir(listing);
    return count;
}

static const tern_stored *find(const tern_safetensors *file, const char *name)
{
    tern_error error = { 0 };
    const tern_stored *stored = tern_safetensors_find(file, name, &error);
    assert_string_equal(error.message, "");
    assert_non_null(stored);
    return stored;
}

/* Element i is i + 1/4, or i where the type has no fractions: see
 * fixtures/make_safetensors.py. */
static void assert_counted(const tern_stored *stored)
{
    for (int64_t i = 0; i < stored->count; i++) {
        uint32_t widened;
        float single;
        switch (stored->dtype) {
        case TERN_F64: assert_true(((const double *)stored->data)[i] == (double)i + 0.25); break;
        case TERN_F32: assert_true(((const float *)stored->data)[i] == (float)i + 0.25f); break;
        case TERN_BF16:
            widened = (uint32_t)((const uint16_t *)stored->data)[i] << 16;
            memcpy(&single, &widened, sizeof single);
            assert_true(single == (float)i + 0.25f);
            break;
        case TERN_I32: assert_int_equal(((const int32_t *)stored->data)[i], i); break;
        case TERN_I64: assert_int_equal(((const int64_t *)stored->data)[i], i); break;
        default: assert_int_equal(((const uint8_t *)stored->data)[i], i); break;
        }
    }
}

/* -------------------------------------------------------------- reading -- */

static void reads_what_the_python_library_wrote(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        tern_dtype dtype;
        int rank;
        int64_t shape[4];
    } expected[] = {
        { "doubles", TERN_F64, 2, { 2, 3 } },
        { "face.conv1.weight", TERN_F32, 4, { 2, 1, 3, 3 } },
        { "brain", TERN_BF16, 1, { 7 } },
        { "ids", TERN_I32, 1, { 5 } },
        { "long ids", TERN_I64, 1, { 3 } },
        { "mask", TERN_U8, 2, { 3, 1 } },
        { "flags", TERN_U8, 1, { 2 } }, /* truth values */
        { "scalar", TERN_F32, 0, { 0 } },
        { "empty", TERN_F32, 2, { 4, 0 } },
        { "F\xc3\xbc\xc3\x9f" "e", TERN_U8, 1, { 2 } },
    };
    tern_error error = { 0 };
    tern_safetensors *file = tern_safetensors_open(LIBRARY, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(tern_safetensors_count(file), 12);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const tern_stored *stored = find(file, expected[i].name);
        assert_string_equal(stored->name, expected[i].name);
        assert_int_equal(stored->dtype, expected[i].dtype);
        assert_int_equal(stored->rank, expected[i].rank);
        int64_t count = 1;
        for (int axis = 0; axis < stored->rank; axis++) {
            assert_int_equal(stored->shape[axis], expected[i].shape[axis]);
            count *= stored->shape[axis];
        }
        assert_int_equal(stored->count, count);
        assert_int_equal(stored->bytes, (size_t)count * tern_dtype_size(stored->dtype));
        assert_counted(stored);
    }
    assert_string_equal(tern_safetensors_metadata(file, "note"), LIBRARY_NOTE);
    assert_null(tern_safetensors_metadata(file, "no such key"));
    tern_safetensors_close(file);
}

static void unknown_types_and_ranks_fail_only_when_asked_for(void **state)
{
    (void)state;
    tern_error error = { 0 };
    tern_safetensors *file = tern_safetensors_open(LIBRARY, &error);
    assert_non_null(file);
    assert_null(tern_safetensors_find(file, "half", &error));
    assert_int_equal(error.code, TERN_ERR_DTYPE);
    assert_non_null(strstr(error.message, LIBRARY ": tensor 'half' is of type F16"));
    error = (tern_error){ 0 };
    assert_null(tern_safetensors_find(file, "seven axes", &error));
    assert_int_equal(error.code, TERN_ERR_SHAPE);
    assert_non_null(strstr(error.message, "tensor 'seven axes' has 7 axes"));
    find(file, "doubles");
    tern_safetensors_close(file);
}

static void a_missing_tensor_is_named_with_its_nearest(void **state)
{
    (void)state;
    tern_error error = { 0 };
    tern_safetensors *file = tern_safetensors_open(LIBRARY, &error);
    assert_non_null(file);
    assert_false(tern_safetensors_has(file, "face.conv1.wieght"));
    assert_null(tern_safetensors_find(file, "face.conv1.wieght", &error));
    assert_string_equal(error.message, LIBRARY ": has no tensor 'face.conv1.wieght'; did you mean "
                                               "'face.conv1.weight'?");
    error = (tern_error){ 0 };
    assert_null(tern_safetensors_at(file, 12, &error));
    assert_int_equal(error.code, TERN_ERR_ARGUMENT);
    tern_safetensors_close(file);
}

/* -------------------------------------------------------------- writing -- */

static void what_was_read_can_be_written_and_read_again(void **state)
{
    (void)state;
    tern_error error = { 0 };
    tern_safetensors *first = tern_safetensors_open(LIBRARY, &error);
    assert_non_null(first);
    tern_safetensors_writer *writer = tern_safetensors_create(path, &error);
    int written = 0;
    for (int i = tern_safetensors_count(first) - 1; i >= 0; i--) {
        tern_error refused = { 0 };
        const tern_stored *stored = tern_safetensors_at(first, i, &refused);
        if (!stored)
            continue;
        tern_safetensors_add(writer, stored->name, stored->dtype, stored->rank, stored->shape,
                             stored->data);
        written++;
    }
    tern_safetensors_set_metadata(writer, "note", "first");
    tern_safetensors_set_metadata(writer, "note", tern_safetensors_metadata(first, "note"));
    assert_true(tern_safetensors_finish(writer));
    tern_safetensors_close(first);

    tern_safetensors *second = tern_safetensors_open(path, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(tern_safetensors_count(second), written);
    for (int i = 0; i < written; i++)
        assert_counted(tern_safetensors_at(second, i, &error));
    assert_int_equal(find(second, "face.conv1.weight")->shape[2], 3);
    assert_int_equal(find(second, "empty")->shape[0], 4);
    assert_string_equal(tern_safetensors_metadata(second, "note"), LIBRARY_NOTE);
    tern_safetensors_close(second);
    assert_int_equal(files_in_folder(), 1);
}

static bool write_one(const char *to, const double *values, int64_t count, tern_error *error)
{
    tern_safetensors_writer *writer = tern_safetensors_create(to, error);
    tern_safetensors_add(writer, "x", TERN_F64, 1, &count, values);
    return tern_safetensors_finish(writer);
}

/* Bytes of this process that lie in memory. */
static long resident_bytes(void)
{
    char line[256];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    assert_non_null(status);
    while (kib < 0 && fgets(line, sizeof line, status))
        sscanf(line, "VmRSS: %ld", &kib);
    fclose(status);
    assert_true(kib >= 0);
    return kib * 1024;
}

static double sum_of(const tern_stored *stored)
{
    double sum = 0;
    for (int64_t i = 0; i < stored->count; i++)
        sum += ((const double *)stored->data)[i];
    return sum;
}

static void what_is_forgotten_leaves_memory_and_can_be_read_again(void **state)
{
    (void)state;
    enum { COUNT = 1 << 20 };
    const long bytes = COUNT * (long)sizeof(double);
    tern_error error = { 0 };
    double *values = malloc((size_t)bytes);
    assert_non_null(values);
    for (int i = 0; i < COUNT; i++)
        values[i] = i % 8;
    assert_true(write_one(path, values, COUNT, &error));
    free(values);
    tern_safetensors *file = tern_safetensors_open(path, &error);
    const tern_stored *stored = find(file, "x");
    double sum = sum_of(stored);
    long before = resident_bytes();
    tern_safetensors_forget(file, stored);
    assert_true(resident_bytes() < before - bytes * 3 / 4);
    assert_true(sum == 3.5 * COUNT && sum_of(stored) == sum);
    tern_safetensors_close(file);

    file = tern_safetensors_open(LIBRARY, &error); /* small ones and empty ones */
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < tern_safetensors_count(file); i++) {
            tern_error refused = { 0 };
            if (!(stored = tern_safetensors_at(file, i, &refused)))
                continue;
            assert_counted(stored);
            tern_safetensors_forget(file, stored);
        }
    tern_safetensors_close(file);
}

/* Its values are a copy, no part of the file in memory. */
static void a_misaligned_tensor_is_not_forgotten(void **state)
{
    (void)state;
    enum { COUNT = 1 << 12 };
    static const double values[COUNT] = { [COUNT / 2] = 3 };
    const char header[] =
        "{\"x\":{\"dtype\":\"F64\",\"shape\":[4096],\"data_offsets\":[0,32768]}}";
    uint64_t length = sizeof header - 1; /* odd, so that data begin at an odd byte */
    tern_error error = { 0 };
    FILE *made = fopen(path, "wb");
    assert_non_null(made);
    assert_int_equal(length % 2, 1);
    fwrite(&length, sizeof length, 1, made);
    fwrite(header, 1, length, made);
    fwrite(values, sizeof *values, COUNT, made);
    assert_int_equal(fclose(made), 0);
    tern_safetensors *file = tern_safetensors_open(path, &error);
    const tern_stored *stored = find(file, "x");
    tern_safetensors_forget(file, stored);
    assert_true(sum_of(stored) == 3);
    tern_safetensors_close(file);
}

static void a_write_that_fails_midway_keeps_the_old_file(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    tern_error error = { 0 };
    double small = 42, *large = calloc(COUNT, sizeof *large);
    assert_non_null(large);
    assert_true(write_one(path, &small, 1, &error));

    struct rlimit before, limited;
    getrlimit(RLIMIT_FSIZE, &before);
    limited = before;
    limited.rlim_cur = 65536; /* the disk is full after this many bytes */
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limited);
    bool written = write_one(path, large, COUNT, &error);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);

    assert_false(written);
    assert_int_equal(error.code, TERN_ERR_IO);
    assert_non_null(strstr(error.message, path));
    assert_int_equal(files_in_folder(), 1);
    error = (tern_error){ 0 };
    tern_safetensors *file = tern_safetensors_open(path, &error);
    assert_non_null(file);
    assert_true(*(const double *)find(file, "x")->data == 42);
    tern_safetensors_close(file);
    free(large);
}

static void a_place_that_cannot_be_taken_is_named(void **state)
{
    (void)state;
    double value = 1;
    char place[TEMPORARY_PATH_BYTES + 32];
    tern_error error = { 0 };
    snprintf(place, sizeof place, "%s/missing/x.safetensors", folder);
    assert_false(write_one(place, &value, 1, &error));
    assert_int_equal(error.code, TERN_ERR_IO);
    assert_non_null(strstr(error.message, "missing/x.safetensors"));
    error = (tern_error){ 0 };
    mkdir(path, 0777);
    assert_false(write_one(path, &value, 1, &error));
    assert_non_null(strstr(error.message, "cannot be written: Is a directory"));
    assert_int_equal(files_in_folder(), 1);
    rmdir(path);
}

static void what_the_format_cannot_hold_is_refused(void **state)
{
    (void)state;
    double value = 1;
    int64_t one = 1, huge[2] = { INT64_MAX, 4 };
    struct {
        const char *name;
        tern_dtype dtype;
        int rank;
        const int64_t *shape;
        const char *expected;
    } refused[] = {
        { "x", TERN_F64, 1, &one, "tensor 'x' was added twice" },
        { "__metadata__", TERN_F64, 1, &one, "cannot be called __metadata__" },
        { "y", TERN_NO_DTYPE, 1, &one, "tensor 'y' has no element type" },
        { "y", TERN_F64, 2, huge, "tensor 'y': axis 0" },
        { "\xff\xfe", TERN_F64, 1, &one, "not UTF-8" },
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        tern_error error = { 0 };
        tern_safetensors_writer *writer = tern_safetensors_create(path, &error);
        tern_safetensors_add(writer, "x", TERN_F64, 1, &one, &value);
        tern_safetensors_add(writer, refused[i].name, refused[i].dtype, refused[i].rank,
                             refused[i].shape, &value);
        assert_false(tern_safetensors_finish(writer));
        if (!strstr(error.message, refused[i].expected))
            fail_msg("\"%s\" does not say \"%s\"", error.message, refused[i].expected);
        assert_int_equal(files_in_folder(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_the_python_library_wrote),
        cmocka_unit_test(unknown_types_and_ranks_fail_only_when_asked_for),
        cmocka_unit_test(a_missing_tensor_is_named_with_its_nearest),
        cmocka_unit_test_setup_teardown(what_was_read_can_be_written_and_read_again, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(what_is_forgotten_leaves_memory_and_can_be_read_again,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_misaligned_tensor_is_not_forgotten, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_write_that_fails_midway_keeps_the_old_file, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_place_that_cannot_be_taken_is_named, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(what_the_format_cannot_hold_is_refused, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests_name("safetensors", tests, NULL, NULL);
}
