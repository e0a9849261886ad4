/* Small media files that tests make for themselves. */
#ifndef TERN_TESTS_TINY_MEDIA_H
#define TERN_TESTS_TINY_MEDIA_H

#include <stdbool.h>

/* A PNG of height x width x channels (1 or 3) with values (seed * 37 + i * 11) % 256. */
bool tiny_png(const char *path, int height, int width, int channels, int seed);
/* Every pixel has one value. */
bool tiny_flat_png(const char *path, int height, int width, int channels, int value);
/* A mono 16-bit sound in the format of the name, .wav or .flac: a tone of
 * 100 + 10 * seed Hz at half scale. */
bool tiny_sound(const char *path, int rate, int count, int seed);

#endif
