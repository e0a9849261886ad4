/* .npy and .npz: whatever a header or a directory says, it is believed only as far as the
 * file bears it out; an error names the file, the array and the lie. */
#include "tests/check.h"

#include <string.h>

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

static void assert_refused(bool read, const tern_error *error, tern_status code, const char *text)
{
    assert_false(read);
    if (error->code != code || !strstr(error->message, text))
        fail_msg("wanted %s error with \"%s\", got %s: %s", tern_status_name(code), text,
                 tern_status_name(error->code), error->message);
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

/* Two members whose bytes are in part the same: y's member, header and all, is what array x
 * holds.  Read one after the other, such members unpack to any size. */
static void members_that_overlap_are_refused(void **state)
{
    (void)state;
    enum { LOCAL = 30 + 5, NPY_HEADER = 128, ENTRY = 46 + 5, END = 22, ROOM = 2048 };
    unsigned char bytes[ROOM], inner[ROOM], outer[ROOM];
    size_t entry, end, length = archive_of_one(inner, sizeof inner, &entry, &end), member = entry;
    tern_error error = { 0 };
    tern_npz_writer *writer = tern_npz_create(path, false, &error);
    inner[LOCAL - 5] = 'y';
    tern_npz_add(writer, "x", TERN_U8, 1, (int64_t[]){ (int64_t)member }, inner);
    assert_true(tern_npz_finish(writer));
    length = read_bytes(path, outer, sizeof outer);
    end = length - END;
    memcpy(bytes, outer, end);
    memcpy(bytes + end, inner + entry, ENTRY); /* y's entry behind x's */
    bytes[end + 46] = 'y';
    bytes[end + 42] = LOCAL + NPY_HEADER;
    memcpy(bytes + end + ENTRY, outer + end, END);
    bytes[end + ENTRY + 8] = bytes[end + ENTRY + 10] = 2;
    bytes[end + ENTRY + 12] = 2 * ENTRY;
    write_bytes(bytes, length + ENTRY);
    assert_refused(tern_npz_open(path, &error), &error, TERN_ERR_FORMAT,
                   "its members need more than the file's");
}

static void archives_that_are_cut_off_are_refused(void **state)
{
    (void)state;
    unsigned char bytes[1024];
    size_t entry, end, length = archive_of_one(bytes, sizeof bytes, &entry, &end);
    for (size_t kept = 0; kept < length; kept++) {
        tern_error error = { 0 };
        write_bytes(bytes, kept);
        assert_refused(tern_npz_open(path, &error), &error, TERN_ERR_FORMAT, path);
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_tern_has_no_type_for_is_named),
        cmocka_unit_test(headers_that_lie_are_refused),
        cmocka_unit_test(directories_that_lie_are_refused),
        cmocka_unit_test(members_that_lie_are_refused),
        cmocka_unit_test(members_that_overlap_are_refused),
        cmocka_unit_test(archives_that_are_cut_off_are_refused),
        cmocka_unit_test(mutated_files_are_read_or_refused),
    };
    return cmocka_run_group_tests_name("npy_lies", tests, make_folder, remove_folder);
}
