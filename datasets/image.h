/* Images in memory, 8 bits a channel, and PNG files.
 *
 * pixels is [height, width, channels], row-major, owned by the image; a zeroed
 * struct is a valid empty image and tern_image_free makes one of any image.
 * Every function returns true on success; on failure the error is set and the
 * result is the empty image.  Called with an error already set, they do nothing.
 */
#ifndef TERN_DATASETS_IMAGE_H
#define TERN_DATASETS_IMAGE_H

#include "core/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct tern_image {
    int height, width;
    int channels; /* 1 grey, 3 RGB */
    uint8_t *pixels;
} tern_image;

/* Longest side of an image that is read or made.  A header that claims more is
 * an error, so no product of sizes can overflow. */
enum { TERN_IMAGE_MAX_SIDE = 16384 };

/* channels: 1 or 3 to convert, 0 to keep grey as grey and give all else as RGB.
 *
 * Palettes are looked up, 1, 2 and 4 bits widened, 16 bits rounded to 8.  Alpha,
 * also from a tRNS chunk, is composed over black, because the colour under a
 * transparent pixel is arbitrary.  RGB to grey is ITU-R 601 luma, as in Pillow:
 * 0.299 R + 0.587 G + 0.114 B.  Gamma chunks are ignored, as in Pillow.
 * Errors: TERN_ERR_IO if the file cannot be read, TERN_ERR_FORMAT if it is no
 * PNG, a Git LFS pointer, truncated or corrupt, TERN_ERR_DATA if too large. */
bool tern_image_read_png(const char *path, int channels, tern_image *image, tern_error *error);

/* The same from a file's bytes; path is only for messages. */
bool tern_image_decode_png(const uint8_t *bytes, size_t size, const char *path, int channels,
                           tern_image *image, tern_error *error);

/* Write as 8-bit grey or RGB PNG. */
bool tern_image_write_png(const char *path, const tern_image *image, tern_error *error);

/* Bilinear resize.  When shrinking, the triangle is widened to the scale, so
 * every source pixel counts (antialiasing): equal bit for bit to Pillow 11's
 * Image.resize((width, height), BILINEAR).  *resized must not be the image
 * itself. */
bool tern_image_resize(const tern_image *image, int height, int width, tern_image *resized,
                       tern_error *error);

/* An image of the given size, all zero. */
bool tern_image_new(int height, int width, int channels, tern_image *image, tern_error *error);
void tern_image_free(tern_image *image);

#endif
