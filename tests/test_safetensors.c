/* safetensors: agreement with the Python library, lies told by headers, and
 * files that appear whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/rng.h"
#include "core/safetensors.h"

#define LIBRARY "tests/fixtures/library.safetensors"
#define LIBRARY_NOTE "quotes \" and \xc3\x9cml\xc3\xa4ute"

/* ------------------------------------------------------------- helpers -- */

static char folder[64];
static char path[128]; /* of the one file that a test writes */

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/tern-safetensors-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/file.safetensors", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
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
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, length, out), length);
    fclose(out);
}

/* A file with this header and `data_bytes` bytes of data. */
static void write_with_header(const char *header, size_t data_bytes)
{
    unsigned char bytes[4096] = { 0 };
    size_t length = strlen(header);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(length >> 8 * i);
    memcpy(bytes + 8, header, length);
    write_bytes(bytes, 8 + length + data_bytes);
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
        { "scalar", TERN_F32, 0, { 0 } },
        { "empty", TERN_F32, 2, { 4, 0 } },
        { "F\xc3\xbc\xc3\x9f" "e", TERN_U8, 1, { 2 } },
    };
    tern_error error = { 0 };
    tern_safetensors *file = tern_safetensors_open(LIBRARY, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(tern_safetensors_count(file), 11);
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
    assert_null(tern_safetensors_at(file, 11, &error));
    assert_int_equal(error.code, TERN_ERR_ARGUMENT);
    tern_safetensors_close(file);
}

static void misaligned_data_arrive_aligned(void **state)
{
    (void)state;
    tern_error error = { 0 };
    /* A header of odd length puts the doubles at an odd address. */
    write_with_header("{\"x\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]}}", 16);
    unsigned char bytes[256];
    size_t length = read_bytes(path, bytes, sizeof bytes);
    double values[2] = { 3.5, -1.25 };
    memcpy(bytes + length - 16, values, 16);
    write_bytes(bytes, length);
    assert_int_not_equal((length - 16) % 8, 0);
    tern_safetensors *file = tern_safetensors_open(path, &error);
    assert_string_equal(error.message, "");
    const tern_stored *x = find(file, "x");
    assert_int_equal((uintptr_t)x->data % sizeof(double), 0);
    assert_memory_equal(x->data, values, 16);
    tern_safetensors_close(file);
}

/* ----------------------------------------------------------------- lies -- */

static void every_lie_of_a_header_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data_bytes;
        const char *expected; /* part of the message */
    } lies[] = {
        { "", 0, "not JSON" },
        { "[]", 0, "not a JSON object" },
        { "{\"a\":3", 0, "not JSON" },
        { "{\"a\":3}", 0, "tensor 'a': wants exactly dtype" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "tensor 'a': wants exactly dtype" },
        { "{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "tensor 'a': wants" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"b\":1}}", 4,
          "tensor 'a': wants exactly" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4,
          "tensor 'a': shape must be" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4,
          "tensor 'a': shape must be" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4,
          "tensor 'a': data_offsets must be" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,\"4\"]}}", 4,
          "tensor 'a': data_offsets must be" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "outside" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "outside" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7,
          "tensor 'a': data_offsets [0,8] are outside the file's 7 bytes" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,9223372036854775807]}}", 4,
          "outside" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,9223372036854775808]}}", 4,
          "not JSON: too big integer" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8,
          "tensor 'a': 3 elements of F32 take 12 bytes, but data_offsets [0,8] give it 8" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}",
          0, "tensor 'a': shape overflows" },
        { "{\"a\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}", 0,
          "tensor 'a'" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
          "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}", 6,
          "tensor 'b' overlaps tensor 'a'" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
          "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "overlaps" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
          "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}", 3,
          "bytes 1 to 2 of the data, before tensor 'b', belong to no tensor" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 3,
          "2 bytes after the last tensor" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
          "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2,
          "duplicate object key" },
        { "{\"__metadata__\":7}", 0, "__metadata__ is not a JSON object" },
        { "{\"__metadata__\":{\"epoch\":7}}", 0, "__metadata__ 'epoch' is not a string" },
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        tern_error error = { 0 };
        write_with_header(lies[i].header, lies[i].data_bytes);
        assert_null(tern_safetensors_open(path, &error));
        assert_int_equal(error.code, TERN_ERR_FORMAT);
        assert_ptr_equal(strstr(error.message, path), error.message);
        if (!strstr(error.message, lies[i].expected))
            fail_msg("lie %zu: \"%s\" does not say \"%s\"", i, error.message, lies[i].expected);
    }
}

static void what_cannot_be_opened_is_named(void **state)
{
    (void)state;
    tern_error error = { 0 };
    assert_null(tern_safetensors_open("/nowhere/x.safetensors", &error));
    assert_int_equal(error.code, TERN_ERR_IO);
    assert_non_null(strstr(error.message, "/nowhere/x.safetensors: cannot be opened: No such"));
    error = (tern_error){ 0 };
    assert_null(tern_safetensors_open(folder, &error));
    assert_non_null(strstr(error.message, "is not a regular file"));
    error = (tern_error){ 0 };
    write_bytes("1234567", 7);
    assert_null(tern_safetensors_open(path, &error));
    assert_int_equal(error.code, TERN_ERR_FORMAT);
}

static void a_file_cut_anywhere_is_an_error(void **state)
{
    (void)state;
    unsigned char bytes[4096];
    size_t length = read_bytes(LIBRARY, bytes, sizeof bytes);
    for (size_t cut = 0; cut < length; cut++) {
        tern_error error = { 0 };
        write_bytes(bytes, cut);
        assert_null(tern_safetensors_open(path, &error));
        assert_int_equal(error.code, TERN_ERR_FORMAT);
    }
}

/* Read every byte that the file offers, so that ASan and the MMU can object. */
static unsigned touch_all(const tern_safetensors *file)
{
    unsigned sum = 0;
    for (int i = 0; i < tern_safetensors_count(file); i++) {
        tern_error error = { 0 };
        const tern_stored *stored = tern_safetensors_at(file, i, &error);
        assert_true((stored == NULL) == (error.code != TERN_OK));
        assert_non_null(tern_safetensors_name(file, i));
        for (size_t b = 0; stored && b < stored->bytes; b++)
            sum += ((const unsigned char *)stored->data)[b];
    }
    return sum;
}

static void mutated_files_are_read_or_refused(void **state)
{
    (void)state;
    unsigned char original[4096], bytes[4096];
    size_t length = read_bytes(LIBRARY, original, sizeof original);
    size_t header_end = 8 + original[0] + 256u * original[1];
    tern_rng rng = tern_rng_make(7, TERN_STREAM_TEST, 0);
    int refused = 0;
    unsigned sum = 0;
    for (int round = 0; round < 600; round++) {
        memcpy(bytes, original, length);
        int changes = 1 + (int)tern_rng_below(&rng, 3);
        for (int change = 0; change < changes; change++) {
            size_t at = tern_rng_below(&rng, (uint32_t)header_end);
            /* Digits and JSON's own signs reach deeper than random bytes. */
            const char *signs = "0123456789[]{},:\"-.eFIU ";
            bytes[at] = round % 2 ? (unsigned char)tern_rng_below(&rng, 256)
                                  : (unsigned char)signs[tern_rng_below(&rng, 24)];
        }
        write_bytes(bytes, length);
        tern_error error = { 0 };
        tern_safetensors *file = tern_safetensors_open(path, &error);
        assert_true((file == NULL) == (error.code != TERN_OK));
        if (file)
            sum += touch_all(file);
        else
            refused++;
        tern_safetensors_close(file);
    }
    assert_true(refused > 300 && refused < 600 && sum > 0);
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
    char place[160];
    tern_error error = { 0 };
    snprintf(place, sizeof place, "%s/missing/x.safetensors", folder);
    assert_false(write_one(place, &value, 1, &error));
    assert_int_equal(error.code, TERN_ERR_IO);
    assert_non_null(strstr(error.message, "missing/x.safetensors"));
    error = (tern_error){ 0 };
    mkdir(path, 0777);
    assert_false(write_one(path, &value, 1, &error));
    assert_non_null(strstr(error.message, "cannot be replaced"));
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
        cmocka_unit_test_setup_teardown(misaligned_data_arrive_aligned, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(every_lie_of_a_header_is_named, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_cannot_be_opened_is_named, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_file_cut_anywhere_is_an_error, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(mutated_files_are_read_or_refused, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(what_was_read_can_be_written_and_read_again, make_folder,
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
