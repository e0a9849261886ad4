/* .npy and .npz: agreement with NumPy, lies told by headers and directories, and files
 * that appear whole or not at all. */
#include "tests/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/npy.h"
#include "core/rng.h"
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

static size_t read_bytes(const char *from, unsigned char *bytes, size_t room)
{
    FILE *in = fopen(from, "rb");
    assert_non_null(in);
    size_t length = fread(bytes, 1, room, in);
    assert_true(length < room);
    fclose(in);
    return length;
}

static void write_bytes(const void *bytes, size_t length)
{
    assert_true(temporary_file(path, folder, "file", bytes, length));
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

static void what_tern_has_no_type_for_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        tern_status code;
        const char *message;
    } cases[] = {
        { NPY "big_endian.npy", TERN_ERR_DTYPE, "element type '>f4' is big-endian" },
        { NPY "half.npy", TERN_ERR_DTYPE, "element type '<f2' is not one of tern's" },
        { NPY "records.npy", TERN_ERR_DTYPE, "holds records of several fields" },
        { NPY "seven_axes.npy", TERN_ERR_SHAPE, "has 7 axes; tern's have at most 6" },
        { NPY "numpy.txt", TERN_ERR_FORMAT, "is not a .npy file" },
        { NPY "nowhere.npy", TERN_ERR_IO, "cannot be opened: No such file" },
        { NPY, TERN_ERR_IO, "is not a regular file" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tern_array array;
        tern_error error = { 0 };
        assert_refused(tern_npy_read(cases[i].file, &array, &error), &error, cases[i].code,
                       cases[i].message);
        assert_null(array.data);
        assert_int_equal(strncmp(error.message, cases[i].file, strlen(cases[i].file)), 0);
    }
}

/* ----------------------------------------------------------------- lies -- */

/* Version 1.0 with this dictionary and so many bytes of data. */
static bool parse_header(const char *dictionary, size_t data_bytes, tern_array *array,
                         tern_error *error)
{
    unsigned char bytes[512] = "\x93NUMPY\x01";
    size_t length = strlen(dictionary);
    bytes[8] = (unsigned char)length;
    bytes[9] = (unsigned char)(length >> 8);
    memcpy(bytes + 10, dictionary, length);
    return tern_npy_parse(bytes, 10 + length + data_bytes, "x.npy", array, error);
}

static void headers_that_lie_are_refused(void **state)
{
    (void)state;
#define KEYS "'descr': '<f4', 'fortran_order': False, "
    static const struct {
        const char *dictionary;
        size_t bytes;
        const char *message;
    } cases[] = {
        { "{" KEYS "'shape': (3,)}", 11, "11 bytes of data do not fit shape and type" },
        { "{" KEYS "'shape': (3,)}", 16, "16 bytes of data do not fit" },
        { "{" KEYS "'shape': (4611686018427387904,)}", 0, "truncated or damaged" },
        { "{" KEYS "'shape': (4294967296, 4294967296)}", 0, "truncated or damaged" },
        { "{" KEYS "'shape': (99999999999999999999,)}", 0, "an extent overflows" },
        { "{" KEYS "'shape': (-1,)}", 0, "an extent, 0 or more, wanted at '-1,)}'" },
        { "{" KEYS "'shape': (3 4)}", 0, "a comma or parenthesis wanted" },
        { "{" KEYS "'shape': [3]}", 12, "a tuple wanted" },
        { "{" KEYS "'shape': (3,)", 12, "a comma or brace wanted" },
        { "{" KEYS "'shape': (3,)} x", 12, "the end wanted at 'x'" },
        { "{" KEYS "}", 0, "header has no shape" },
        { "{'descr': '<f4', 'shape': ()}", 4, "header has no fortran_order" },
        { "{'fortran_order': True, 'shape': ()}", 4, "header has no descr" },
        { "{" KEYS "'shape': (), 'shape': ()}", 4, "key 'shape' is there twice" },
        { "{" KEYS "'order': 1}", 4, "key 'order' is unknown" },
        { "{'descr': '<f4", 4, "a short string wanted" },
        { "{'fortran_order': Maybe}", 4, "True or False wanted" },
        { "", 4, "a dictionary wanted" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tern_array array;
        tern_error error = { 0 };
        assert_refused(parse_header(cases[i].dictionary, cases[i].bytes, &array, &error), &error,
                       TERN_ERR_FORMAT, cases[i].message);
    }
    tern_array array;
    tern_error error = { 0 };
    assert_true(parse_header("{ " KEYS "'shape' : (0, 4294967296, 4294967296L), } \n", 0, &array,
                             &error));
    assert_int_equal(array.count, 0);
    tern_array_free(&array);
#undef KEYS
}

/* The directory's first entry and the end record of an archive of one array. */
static size_t archive_of_one(unsigned char *bytes, size_t room, size_t *entry, size_t *end)
{
    tern_error error = { 0 };
    tern_npz_writer *writer = tern_npz_create(path, false, &error);
    tern_npz_add(writer, "x", TERN_F32, 1, (int64_t[]){ 3 }, (float[]){ 1, 2, 3 });
    assert_true(tern_npz_finish(writer));
    size_t length = read_bytes(path, bytes, room);
    *end = length - 22;
    *entry = bytes[*end + 16] + 256u * bytes[*end + 17];
    return length;
}

static void directories_that_lie_are_refused(void **state)
{
    (void)state;
    enum { ENTRY, END };
    static const struct {
        int record, at;
        unsigned char byte;
        const char *message;
    } cases[] = {
        { END, 0, 0, "is not a whole .npz file: Not a zip archive" },
        { END, 19, 1, "is not a whole .npz file: Zip archive inconsistent" },
        { END, 12, 200, "is not a whole .npz file: Zip archive inconsistent" },
        { END, 8, 2, "is not a whole .npz file" },
        { ENTRY, 0, 0, "is not a whole .npz file" },
        { ENTRY, 29, 1, "is not a whole .npz file" },
        { ENTRY, 42, 1, "is not a whole .npz file" },
        { ENTRY, 45, 1, "is not a whole .npz file" },
        { ENTRY, 21, 200, "is not a whole .npz file" },
        { ENTRY, 10, 9, "is not a whole .npz file" },
        { ENTRY, 26, 1, "is not a whole .npz file" },
        { ENTRY, 16, 0, "is not a whole .npz file" },
        { ENTRY, 8, 1, "array 'x': No password provided" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char bytes[1024];
        size_t start[2], length = archive_of_one(bytes, sizeof bytes, &start[ENTRY], &start[END]);
        unsigned char *changed = &bytes[start[cases[i].record] + (size_t)cases[i].at];
        *changed = cases[i].byte != *changed ? cases[i].byte : (unsigned char)(*changed + 1);
        write_bytes(bytes, length);
        tern_array array = { 0 };
        tern_error error = { 0 };
        tern_npz *npz = tern_npz_open(path, &error);
        bool read = npz && tern_npz_read(npz, "x", &array, &error);
        assert_refused(read, &error, TERN_ERR_FORMAT, cases[i].message);
        tern_npz_close(npz);
    }
}

/* What the directory and the local header tell alike can still be a lie about the data. */
static void members_that_lie_are_refused(void **state)
{
    (void)state;
    enum { LOCAL_CRC = 14, LOCAL_UNPACKED = 22, LOCAL_METHOD = 8 };
    static const struct {
        int local, entry;
        unsigned char byte;
        const char *message;
    } cases[] = {
        { LOCAL_CRC, 16, 0x55, "array 'x': CRC error" },
        { LOCAL_UNPACKED + 2, 24 + 2, 0xff, "packed bytes cannot be" },
        { LOCAL_UNPACKED, 24, 0x8d, "array 'x': Zip archive inconsistent" },
        { LOCAL_UNPACKED, 24, 0x80, "array 'x': " },
        { LOCAL_METHOD, 10, 8, "array 'x': CRC error" },
        { LOCAL_METHOD, 10, 77, "array 'x': Compression method not supported" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char bytes[1024];
        size_t entry, end, length = archive_of_one(bytes, sizeof bytes, &entry, &end);
        bytes[cases[i].local] = bytes[entry + (size_t)cases[i].entry] = cases[i].byte;
        write_bytes(bytes, length);
        tern_array array = { 0 };
        tern_error error = { 0 };
        tern_npz *npz = tern_npz_open(path, &error);
        assert_string_equal(error.message, "");
        assert_refused(tern_npz_read(npz, "x", &array, &error), &error, TERN_ERR_FORMAT,
                       cases[i].message);
        tern_npz_close(npz);
    }
    tern_error error = { 0 };
    write_bytes("", 0);
    assert_refused(tern_npz_open(path, &error), &error, TERN_ERR_FORMAT, "is empty");
}

/* A few bytes of a file changed, or its end cut off: read or refused, never a crash. */
static void mutated_files_are_read_or_refused(void **state)
{
    (void)state;
    enum { ROOM = 8192, PER_FILE = 3000 };
    static const char *const files[] = { NPY "fortran.npy", NPY "version2.npy", NPY "stored.npz",
                                         NPY "deflated.npz" };
    static unsigned char original[ROOM], bytes[ROOM];
    tern_rng rng = tern_rng_make(5, TERN_STREAM_TEST, 0);
    for (int f = 0; f < 4; f++) {
        size_t length = read_bytes(files[f], original, ROOM);
        for (int i = 0; i < PER_FILE; i++) {
            memcpy(bytes, original, length);
            for (uint32_t change = tern_rng_below(&rng, 4); change-- > 0;)
                bytes[tern_rng_below(&rng, (uint32_t)length)] = (unsigned char)tern_rng_below(&rng,
                                                                                             256);
            size_t kept = i % 4 ? length : tern_rng_below(&rng, (uint32_t)length + 1);
            tern_array array = { 0 };
            tern_error error = { 0 };
            if (f < 2) {
                bool read = tern_npy_parse(bytes, kept, "x", &array, &error);
                assert_int_equal(read, error.code == TERN_OK);
                tern_array_free(&array);
                continue;
            }
            write_bytes(bytes, kept);
            tern_npz *npz = tern_npz_open(path, &error);
            for (int m = 0; npz && m < tern_npz_count(npz); m++) {
                tern_error member = { 0 };
                tern_npz_read(npz, tern_npz_name(npz, m), &array, &member);
                tern_array_free(&array);
            }
            tern_npz_close(npz);
        }
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
        cmocka_unit_test(what_tern_has_no_type_for_is_named),
        cmocka_unit_test(headers_that_lie_are_refused),
        cmocka_unit_test(directories_that_lie_are_refused),
        cmocka_unit_test(members_that_lie_are_refused),
        cmocka_unit_test(mutated_files_are_read_or_refused),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(archives_are_read_back),
        cmocka_unit_test(a_file_that_cannot_be_written_leaves_the_old_one),
    };
    return cmocka_run_group_tests_name("npy", tests, make_folder, remove_folder);
}
