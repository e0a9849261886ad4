/* See tiny_media.h. */
#include "tiny_media.h"

#include <math.h>
#include <png.h>
#include <sndfile.h>
#include <stdlib.h>
#include <string.h>

static bool write_png(const char *path, int height, int width, int channels, const png_byte *pixels)
{
    png_image image = { .version = PNG_IMAGE_VERSION,
                        .width = (png_uint_32)width,
                        .height = (png_uint_32)height,
                        .format = channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY };
    return png_image_write_to_file(&image, path, 0, pixels, 0, NULL) != 0;
}

bool tiny_png(const char *path, int height, int width, int channels, int seed)
{
    int count = height * width * channels;
    png_byte *pixels = malloc((size_t)count);
    for (int i = 0; pixels && i < count; i++)
        pixels[i] = (png_byte)(seed * 37 + i * 11);
    bool ok = pixels && write_png(path, height, width, channels, pixels);
    free(pixels);
    return ok;
}

bool tiny_flat_png(const char *path, int height, int width, int channels, int value)
{
    int count = height * width * channels;
    png_byte *pixels = malloc((size_t)count);
    if (pixels)
        memset(pixels, value, (size_t)count);
    bool ok = pixels && write_png(path, height, width, channels, pixels);
    free(pixels);
    return ok;
}

bool tiny_sound(const char *path, int rate, int count, int seed)
{
    const char *ending = strrchr(path, '.');
    bool is_flac = ending && strcmp(ending, ".flac") == 0;
    SF_INFO info = { .samplerate = rate,
                     .channels = 1,
                     .format = (is_flac ? SF_FORMAT_FLAC : SF_FORMAT_WAV) | SF_FORMAT_PCM_16 };
    SNDFILE *file = sf_open(path, SFM_WRITE, &info);
    float *samples = malloc((size_t)count * sizeof *samples);
    bool ok = file && samples;
    for (int i = 0; ok && i < count; i++)
        samples[i] = (float)(0.5 * sin(2 * M_PI * (100 + 10 * seed) * i / rate));
    ok = ok && sf_writef_float(file, samples, count) == count;
    free(samples);
    if (file)
        sf_close(file);
    return ok;
}
