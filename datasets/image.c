/* Reading PNG with libpng; see image.h. */
#include "datasets/image.h"

#include "datasets/file.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t png_signature[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n' };

/* Deflate cannot shrink data more than this, so a file that claims more pixels is
 * refused before memory is taken for them. */
enum { DEFLATE_BEST_RATIO = 1032 };

/* One decoding.  It lives outside the function that calls setjmp, so that longjmp
 * cannot lose a variable. */
typedef struct png_job {
    const uint8_t *bytes;
    size_t size, at;
    bool ended_early;
    char message[160]; /* libpng's own                                  */
    int height, width;
    int channels;      /* in pixels: grey, grey+alpha, RGB or RGB+alpha */
    uint8_t *pixels;   /* [height, width, channels]                     */
} png_job;

bool tern_image_new(int height, int width, int channels, tern_image *image, tern_error *error)
{
    *image = (tern_image){ 0 };
    if (error->code)
        return false;
    if (height < 1 || width < 1 || height > TERN_IMAGE_MAX_SIDE || width > TERN_IMAGE_MAX_SIDE ||
        (channels != 1 && channels != 3))
        return tern_error_set(error, TERN_ERR_DATA,
                              "image: %d x %d x %d (height, width, channels); sides are 1 to %d, "
                              "channels 1 or 3", height, width, channels, TERN_IMAGE_MAX_SIDE);
    uint8_t *pixels = calloc((size_t)height * (size_t)width, (size_t)channels);
    if (!pixels)
        return tern_error_set(error, TERN_ERR_MEMORY, "image: no memory for %d x %d x %d bytes",
                              height, width, channels);
    *image = (tern_image){ height, width, channels, pixels };
    return true;
}

void tern_image_free(tern_image *image)
{
    free(image->pixels);
    *image = (tern_image){ 0 };
}

static void job_error(png_structp png, png_const_charp message)
{
    png_job *job = png_get_error_ptr(png);
    strncpy(job->message, message, sizeof job->message - 1);
    png_longjmp(png, 1);
}

static void job_warning(png_structp png, png_const_charp message)
{
    (void)png, (void)message; /* a damaged comment or colour profile harms no pixel */
}

static void job_read(png_structp png, png_bytep to, png_size_t size)
{
    png_job *job = png_get_io_ptr(png);
    if (size > job->size - job->at) {
        job->ended_early = true;
        png_error(png, "the file ends early");
    }
    memcpy(to, job->bytes + job->at, size);
    job->at += size;
}

static uint32_t big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The header by hand: the signature, then
 *   at 8 length, "IHDR", at 16 width, height, at 24 bit depth, colour type.  */
static bool check_header(png_job *job, const char *path, tern_error *error)
{
    const uint8_t *bytes = job->bytes;
    if (job->size >= 3 && memcmp(bytes, "\xFF\xD8\xFF", 3) == 0)
        return tern_error_set(error, TERN_ERR_FORMAT, "%s: is a JPEG file; PNG is expected", path);
    size_t compared = job->size < sizeof png_signature ? job->size : sizeof png_signature;
    if (memcmp(bytes, png_signature, compared) != 0)
        return tern_error_set(error, TERN_ERR_FORMAT, "%s: is not a PNG file", path);
    if (job->size < 33)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "%s: truncated PNG: %zu bytes, its header alone has 33", path,
                              job->size);
    uint32_t width = big_endian(bytes + 16), height = big_endian(bytes + 20);
    if (width < 1 || height < 1 || width > TERN_IMAGE_MAX_SIDE || height > TERN_IMAGE_MAX_SIDE)
        return tern_error_set(error, TERN_ERR_DATA,
                              "%s: PNG header says %u x %u pixels; sides are 1 to %d", path, width,
                              height, TERN_IMAGE_MAX_SIDE);
    static const int values_per_pixel[8] = { 1, 1, 3, 1, 2, 1, 4, 1 };
    uint64_t bits_per_pixel = (uint64_t)bytes[24] * (uint64_t)values_per_pixel[bytes[25] & 7];
    uint64_t bits = (uint64_t)width * height * bits_per_pixel;
    if (bits / 8 / DEFLATE_BEST_RATIO > job->size)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "%s: truncated or corrupt PNG: %zu bytes cannot hold the %u x %u "
                              "pixels of its header", path, job->size, width, height);
    job->width = (int)width;
    job->height = (int)height;
    return true;
}

/* Everything between png_create and png_destroy; false if libpng reported an
 * error (job->message) or memory is out (job->message empty, or it speaks of it). */
static bool read_pixels(png_job *job, png_structp png, png_infop info)
{
    if (setjmp(png_jmpbuf(png)))
        return false;
    png_set_user_limits(png, TERN_IMAGE_MAX_SIDE, TERN_IMAGE_MAX_SIDE);
    png_set_read_fn(png, job, job_read);
    png_read_info(png, info);
    png_set_expand(png); /* palette to RGB, few bits to 8, tRNS to alpha */
    png_set_scale_16(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    job->channels = png_get_channels(png, info);
    size_t stride = png_get_rowbytes(png, info);
    job->pixels = malloc(stride * (size_t)job->height);
    if (!job->pixels)
        return false;
    for (int pass = 0; pass < passes; pass++)
        for (int row = 0; row < job->height; row++)
            png_read_row(png, job->pixels + (size_t)row * stride, NULL);
    png_read_end(png, NULL);
    return true;
}

static bool run_job(png_job *job, const char *path, tern_error *error)
{
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, job, job_error, job_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    bool ok = info && read_pixels(job, png, info);
    png_destroy_read_struct(&png, &info, NULL);
    if (ok)
        return true;
    if (job->ended_early)
        return tern_error_set(error, TERN_ERR_FORMAT, "%s: truncated PNG: it ends after %zu bytes",
                              path, job->size);
    if (job->message[0] && !strstr(job->message, "memory"))
        return tern_error_set(error, TERN_ERR_FORMAT, "%s: corrupt PNG: %s", path, job->message);
    return tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for %d x %d pixels", path,
                          job->width, job->height);
}

/* Over black, rounded to the nearest. */
static uint8_t compose(uint8_t value, uint8_t alpha)
{
    return (uint8_t)(((unsigned)value * alpha + 127) / 255);
}

/* ITU-R 601 luma in 16-bit fixed point. */
static uint8_t luma(uint8_t red, uint8_t green, uint8_t blue)
{
    return (uint8_t)((19595u * red + 38470u * green + 7471u * blue + 32768u) >> 16);
}

static void convert_pixels(const png_job *job, tern_image *image)
{
    int colours = job->channels >= 3 ? 3 : 1;
    bool has_alpha = job->channels == 2 || job->channels == 4;
    const uint8_t *from = job->pixels;
    uint8_t *to = image->pixels;
    int64_t count = (int64_t)job->height * job->width;

    for (int64_t i = 0; i < count; i++, from += job->channels, to += image->channels) {
        uint8_t alpha = has_alpha ? from[colours] : 255;
        uint8_t red = compose(from[0], alpha);
        uint8_t green = colours == 3 ? compose(from[1], alpha) : red;
        uint8_t blue = colours == 3 ? compose(from[2], alpha) : red;
        if (image->channels == 3) {
            to[0] = red;
            to[1] = green;
            to[2] = blue;
        } else {
            to[0] = colours == 3 ? luma(red, green, blue) : red;
        }
    }
}

bool tern_image_decode_png(const uint8_t *bytes, size_t size, const char *path, int channels,
                           tern_image *image, tern_error *error)
{
    *image = (tern_image){ 0 };
    if (error->code)
        return false;
    if (channels != 0 && channels != 1 && channels != 3)
        return tern_error_set(error, TERN_ERR_ARGUMENT, "%s: %d channels asked for; 0, 1 or 3",
                              path, channels);
    png_job job = { .bytes = bytes, .size = size };
    if (check_header(&job, path, error) && run_job(&job, path, error)) {
        int kept = channels ? channels : job.channels >= 3 ? 3 : 1;
        if (tern_image_new(job.height, job.width, kept, image, error))
            convert_pixels(&job, image);
    }
    free(job.pixels);
    return image->pixels != NULL;
}

bool tern_image_read_png(const char *path, int channels, tern_image *image, tern_error *error)
{
    *image = (tern_image){ 0 };
    size_t size;
    uint8_t *bytes = tern_file_read(path, &size, error);
    if (!bytes)
        return false;
    bool ok = tern_image_decode_png(bytes, size, path, channels, image, error);
    free(bytes);
    return ok;
}
