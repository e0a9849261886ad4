/* PNG files: what is read from good ones, what is said of bad ones; pictures resized. */
#include "tests/check.h"

#include "datasets/file.h"
#include "datasets/image.h"
#include "fixtures/resize.h"
#include "tests/temporary_folder.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char path[TEMPORARY_PATH_BYTES];

static void assert_error(const tern_error *error, tern_status code, const char *words)
{
    if (error->code != code || !strstr(error->message, words) || !strstr(error->message, path))
        fail_msg("expected a %s error of %s with \"%s\", got %s: %s", tern_status_name(code), path,
                 words, tern_status_name(error->code), error->message);
}

/* ---------------------------------------------------------------- PNG -- */

typedef struct png_options {
    int depth, type, interlace;
    const uint8_t *rows; /* packed as the type says */
    size_t stride;
    bool palette, transparent_first;
} png_options;

/* A 3 x 2 image with libpng, of any kind. */
static void write_png(const char *name, png_options options)
{
    FILE *file = fopen(temporary_path(path, test_folder, name), "wb");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_color colours[4] = { { 10, 20, 30 }, { 40, 50, 60 }, { 70, 80, 90 }, { 255, 0, 0 } };
    png_byte transparent = 0;

    assert_non_null(file);
    png_init_io(png, file);
    png_set_IHDR(png, info, 3, 2, options.depth, options.type, options.interlace, 0, 0);
    if (options.palette)
        png_set_PLTE(png, info, colours, 4);
    if (options.transparent_first)
        png_set_tRNS(png, info, &transparent, 1, NULL);
    png_write_info(png, info);
    int passes = png_set_interlace_handling(png);
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < 2; y++)
            png_write_row(png, options.rows + (size_t)y * options.stride);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    fclose(file);
}

static void assert_image(const tern_image *image, int channels, const uint8_t *expected)
{
    assert_int_equal(image->height, 2);
    assert_int_equal(image->width, 3);
    assert_int_equal(image->channels, channels);
    assert_memory_equal(image->pixels, expected, (size_t)(2 * 3 * channels));
}

static void read_as(int channels, const uint8_t *expected, int expected_channels)
{
    tern_image image;
    tern_error error = { 0 };
    assert_true(tern_image_read_png(path, channels, &image, &error));
    assert_image(&image, expected_channels, expected);
    tern_image_free(&image);
}

static const uint8_t grey[6] = { 0, 1, 127, 128, 254, 255 };
static const uint8_t grey_as_rgb[18] = { 0,   0,   0,   1,   1,   1,   127, 127, 127,
                                         128, 128, 128, 254, 254, 254, 255, 255, 255 };

static void grey_stays_grey_or_becomes_rgb(void **state)
{
    (void)state;
    write_png("grey.png", (png_options){ 8, PNG_COLOR_TYPE_GRAY, 0, grey, 3, false, false });
    read_as(0, grey, 1);
    read_as(1, grey, 1);
    read_as(3, grey_as_rgb, 3);
    write_png("lace.png", (png_options){ 8, PNG_COLOR_TYPE_GRAY, 1, grey, 3, false, false });
    read_as(0, grey, 1);
}

static void sixteen_bits_are_rounded_to_eight(void **state)
{
    (void)state;
    static const uint8_t rows[12] = { 0, 0, 1, 0, 127, 127, 127, 254, 254, 0, 255, 255 };
    static const uint8_t expected[6] = { 0, 1, 127, 127, 253, 255 };
    write_png("deep.png", (png_options){ 16, PNG_COLOR_TYPE_GRAY, 0, rows, 6, false, false });
    read_as(0, expected, 1);
}

static void one_bit_is_black_and_white(void **state)
{
    (void)state;
    static const uint8_t rows[2] = { 0xA0, 0x40 }; /* 101 and 010 */
    static const uint8_t expected[6] = { 255, 0, 255, 0, 255, 0 };
    write_png("bits.png", (png_options){ 1, PNG_COLOR_TYPE_GRAY, 0, rows, 1, false, false });
    read_as(0, expected, 1);
}

static void palettes_are_looked_up(void **state)
{
    (void)state;
    static const uint8_t rows[2] = { 0x18, 0xE4 }; /* 0 1 2, 3 2 1 in two bits each */
    static const uint8_t expected[18] = { 10,  20, 30, 40, 50, 60, 70, 80, 90,
                                          255, 0,  0,  70, 80, 90, 40, 50, 60 };
    static const uint8_t as_grey[6] = { 18, 48, 78, 76, 78, 48 };
    write_png("palette.png", (png_options){ 2, PNG_COLOR_TYPE_PALETTE, 0, rows, 1, true, false });
    read_as(0, expected, 3);
    read_as(1, as_grey, 1);
    static const uint8_t with_hole[18] = { 0,   0, 0, 40, 50, 60, 70, 80, 90,
                                           255, 0, 0, 70, 80, 90, 40, 50, 60 };
    write_png("hole.png", (png_options){ 2, PNG_COLOR_TYPE_PALETTE, 0, rows, 1, true, true });
    read_as(0, with_hole, 3);
}

static void alpha_is_composed_over_black(void **state)
{
    (void)state;
    static const uint8_t rows[24] = { 255, 200, 100, 0,   255, 200, 100, 255, 255, 200, 100, 128,
                                      1,   2,   3,   255, 9,   9,   9,   0,   255, 255, 255, 1 };
    static const uint8_t expected[18] = { 0, 0, 0, 255, 200, 100, 128, 100, 50,
                                          1, 2, 3, 0,   0,   0,   1,   1,   1 };
    write_png("alpha.png", (png_options){ 8, PNG_COLOR_TYPE_RGBA, 0, rows, 12, false, false });
    read_as(0, expected, 3);
}

static void a_real_png_with_alpha_is_read(void **state)
{
    (void)state;
    tern_image image;
    tern_error error = { 0 };
    if (!shared_data(path, "face_media/Image_with_alpha.png"))
        skip();
    assert_true(tern_image_read_png(path, 0, &image, &error));
    assert_int_equal(image.channels, 3);
    assert_int_equal(image.width, 1524);
    assert_int_equal(image.height, 1036);
    tern_image_free(&image);
}

static void expect_png_error(tern_status code, const char *words)
{
    tern_image image = { 1, 1, 1, NULL };
    tern_error error = { 0 };
    assert_false(tern_image_read_png(path, 0, &image, &error));
    assert_error(&error, code, words);
    assert_null(image.pixels);
    assert_int_equal(image.width, 0);
}

static void bad_pngs_are_named_with_the_reason(void **state)
{
    (void)state;
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:0\n";
    temporary_path(path, test_folder, "missing.png");
    expect_png_error(TERN_ERR_IO, "No such file");
    temporary_path(path, test_folder, "a_folder.png");
    mkdir(path, 0777);
    expect_png_error(TERN_ERR_IO, "is a folder");
    temporary_file(path, test_folder, "empty.png", "", 0);
    expect_png_error(TERN_ERR_FORMAT, "is empty");
    temporary_file(path, test_folder, "pointer.png", pointer, sizeof pointer - 1);
    expect_png_error(TERN_ERR_FORMAT, "Git LFS pointer");
    temporary_file(path, test_folder, "text.png", "hello, I am text, not a picture at all", 38);
    expect_png_error(TERN_ERR_FORMAT, "is not a PNG");
    temporary_file(path, test_folder, "photo.png", "\xFF\xD8\xFF\xE0 JFIF", 9);
    expect_png_error(TERN_ERR_FORMAT, "JPEG");
    temporary_file(path, test_folder, "head.png", "\x89PNG\r\n\x1A\n", 8);
    expect_png_error(TERN_ERR_FORMAT, "truncated");
}

/* Copy grey.png with a change: cut to `size` bytes, or one byte replaced. */
static void damage(const char *name, size_t size, size_t at, uint8_t value)
{
    tern_error error = { 0 };
    size_t whole;
    write_png("grey.png", (png_options){ 8, PNG_COLOR_TYPE_GRAY, 0, grey, 3, false, false });
    uint8_t *bytes = tern_file_read(path, &whole, &error);
    assert_non_null(bytes);
    assert_true(size <= whole);
    if (at)
        bytes[at] = value;
    temporary_file(path, test_folder, name, bytes, size ? size : whole);
    free(bytes);
}

static void truncated_and_corrupt_pngs_are_errors(void **state)
{
    (void)state;
    for (size_t size = 9; size < 60; size++) {
        damage("cut.png", size, 0, 0);
        expect_png_error(TERN_ERR_FORMAT, "truncated");
    }
    damage("crc.png", 0, 45, 0x55);
    expect_png_error(TERN_ERR_FORMAT, "corrupt PNG");
}

static void absurd_png_sizes_take_no_memory(void **state)
{
    (void)state;
    damage("wide.png", 0, 16, 0x7F); /* width 0x7F000003 */
    expect_png_error(TERN_ERR_DATA, "2130706435 x 2");
    damage("tall.png", 0, 22, 0x20); /* 8194 rows of 3 pixels: could be */
    expect_png_error(TERN_ERR_FORMAT, "corrupt");
    damage("large.png", 0, 18, 0x3F); /* 16131 x 2 is fine too */
    expect_png_error(TERN_ERR_FORMAT, "corrupt");
    static const uint8_t header[33] = { 0x89, 'P', 'N', 'G', 13, 10, 26, 10, 0, 0, 0, 13,
                                        'I',  'H', 'D', 'R', 0,  0,  64, 0,  0, 0, 64, 0,
                                        16,   6,   0,   0,   0,  1,  2,  3,  4 };
    temporary_file(path, test_folder, "bomb.png", header, sizeof header);
    expect_png_error(TERN_ERR_FORMAT, "cannot hold the 16384 x 16384 pixels");
}

/* ------------------------------------------------------------- resize -- */

static void resize_equals_pillow_bit_for_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof resize_cases / sizeof *resize_cases; i++) {
        const resize_case *c = &resize_cases[i];
        tern_image image, resized;
        tern_error error = { 0 };
        assert_true(tern_image_new(c->height, c->width, c->channels, &image, &error));
        memcpy(image.pixels, c->pixels, (size_t)(c->height * c->width * c->channels));
        assert_true(tern_image_resize(&image, c->to_height, c->to_width, &resized, &error));
        assert_memory_equal(resized.pixels, c->expected,
                            (size_t)(c->to_height * c->to_width * c->channels));
        tern_image_free(&image);
        tern_image_free(&resized);
    }
}

static void resize_to_a_senseless_size_is_an_error(void **state)
{
    (void)state;
    tern_image image, resized;
    tern_error error = { 0 };
    assert_true(tern_image_new(2, 2, 1, &image, &error));
    assert_false(tern_image_resize(&image, 0, 5, &resized, &error));
    assert_int_equal(error.code, TERN_ERR_DATA);
    error = (tern_error){ 0 };
    assert_false(tern_image_resize(&image, 5, 1 << 20, &resized, &error));
    assert_null(resized.pixels);
    error = (tern_error){ 0 };
    tern_image_free(&image);
    assert_false(tern_image_resize(&image, 5, 5, &resized, &error));
    assert_int_equal(error.code, TERN_ERR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grey_stays_grey_or_becomes_rgb),
        cmocka_unit_test(sixteen_bits_are_rounded_to_eight),
        cmocka_unit_test(one_bit_is_black_and_white),
        cmocka_unit_test(palettes_are_looked_up),
        cmocka_unit_test(alpha_is_composed_over_black),
        cmocka_unit_test(a_real_png_with_alpha_is_read),
        cmocka_unit_test(bad_pngs_are_named_with_the_reason),
        cmocka_unit_test(truncated_and_corrupt_pngs_are_errors),
        cmocka_unit_test(absurd_png_sizes_take_no_memory),
        cmocka_unit_test(resize_equals_pillow_bit_for_bit),
        cmocka_unit_test(resize_to_a_senseless_size_is_an_error),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
