/* safetensors: whatever a header says, it is believed only as far as the file bears it out;
 * an error names the file, the tensor and the lie. */
#include "tests/check.h"

#include <string.h>

#include "core/rng.h"
#include "core/safetensors.h"
#include "tests/temporary_folder.h"

#define LIBRARY "tests/fixtures/library.safetensors"

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
    assert_true(temporary_file(path, folder, "file.safetensors", bytes, length));
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
    const tern_stored *x = tern_safetensors_find(file, "x", &error);
    assert_non_null(x);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(misaligned_data_arrive_aligned),
        cmocka_unit_test(every_lie_of_a_header_is_named),
        cmocka_unit_test(what_cannot_be_opened_is_named),
        cmocka_unit_test(a_file_cut_anywhere_is_an_error),
        cmocka_unit_test(mutated_files_are_read_or_refused),
    };
    return cmocka_run_group_tests_name("safetensors_lies", tests, make_folder, remove_folder);
}
