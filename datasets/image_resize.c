/* Bilinear resize with antialiasing, in two passes: rows, then columns.
 *
 * Output pixel i looks at the source around (i + 1/2) * scale through a triangle
 * of half-width max(scale, 1); the weights of the source pixels under it are
 * normalised to sum 1.  Weights are 22-bit fixed point and each pass rounds to 8
 * bits: so Pillow computes it, and integers give every machine the same image. */
#include "datasets/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WEIGHT_BITS = 22 };

/* The weights of one axis. */
typedef struct axis_filter {
    int room;         /* weights an output pixel has at most                   */
    int *first;       /* [output] first source pixel                           */
    int *taps;        /* [output] source pixels                                */
    int32_t *weight;  /* [output, room]                                        */
} axis_filter;

static void axis_filter_free(axis_filter *filter)
{
    free(filter->first);
    free(filter->taps);
    free(filter->weight);
}

/* On failure too, the caller frees the filter. */
static bool axis_filter_new(int from, int to, axis_filter *filter, tern_error *error)
{
    double scale = (double)from / to;
    double reach = scale > 1 ? scale : 1;
    int room = 2 * (int)ceil(reach) + 1;
    double *triangle = malloc((size_t)room * sizeof *triangle);
    *filter = (axis_filter){
        .room = room,
        .first = malloc((size_t)to * sizeof(int)),
        .taps = malloc((size_t)to * sizeof(int)),
        .weight = malloc((size_t)to * (size_t)room * sizeof(int32_t)),
    };
    if (!triangle || !filter->first || !filter->taps || !filter->weight) {
        free(triangle);
        return tern_error_set(error, TERN_ERR_MEMORY, "image: no memory to resize %d to %d pixels",
                              from, to);
    }
    for (int i = 0; i < to; i++) {
        double centre = (i + 0.5) * scale, sum = 0;
        int first = (int)fmax(centre - reach + 0.5, 0);
        int end = (int)fmin(centre + reach + 0.5, from);
        for (int k = first; k < end; k++) {
            double height = 1 - fabs((k - centre + 0.5) * (1 / reach));
            triangle[k - first] = height > 0 ? height : 0;
            sum += triangle[k - first];
        }
        for (int k = first; k < end; k++)
            filter->weight[i * room + k - first] =
                (int32_t)(0.5 + triangle[k - first] / sum * (1 << WEIGHT_BITS));
        filter->first[i] = first;
        filter->taps[i] = end - first;
    }
    free(triangle);
    return true;
}

/* One weighted sum, rounded: `step` is the distance of neighbours in bytes.  The
 * weights sum to 1 but for their rounding, so the sum can exceed 255 by one. */
static uint8_t weigh(const uint8_t *from, size_t step, const int32_t *weight, int taps)
{
    int32_t sum = 1 << (WEIGHT_BITS - 1);
    for (int k = 0; k < taps; k++)
        sum += weight[k] * from[(size_t)k * step];
    sum >>= WEIGHT_BITS;
    return (uint8_t)(sum > 255 ? 255 : sum);
}

static void resize_rows(const tern_image *from, const axis_filter *filter, tern_image *to)
{
    size_t channels = (size_t)from->channels;
    for (int y = 0; y < to->height; y++) {
        const uint8_t *source = from->pixels + (size_t)y * (size_t)from->width * channels;
        uint8_t *row = to->pixels + (size_t)y * (size_t)to->width * channels;
        for (int x = 0; x < to->width; x++)
            for (size_t c = 0; c < channels; c++)
                *row++ = weigh(source + (size_t)filter->first[x] * channels + c, channels,
                               filter->weight + x * filter->room, filter->taps[x]);
    }
}

static void resize_columns(const tern_image *from, const axis_filter *filter, tern_image *to)
{
    size_t stride = (size_t)from->width * (size_t)from->channels;
    for (int y = 0; y < to->height; y++)
        for (size_t i = 0; i < stride; i++)
            to->pixels[(size_t)y * stride + i] =
                weigh(from->pixels + (size_t)filter->first[y] * stride + i, stride,
                      filter->weight + y * filter->room, filter->taps[y]);
}

bool tern_image_resize(const tern_image *image, int height, int width, tern_image *resized,
                       tern_error *error)
{
    tern_image rows = { 0 };
    axis_filter horizontal = { 0 }, vertical = { 0 };
    *resized = (tern_image){ 0 };
    if (error->code)
        return false;
    if (!image->pixels)
        return tern_error_set(error, TERN_ERR_ARGUMENT, "image: an empty image cannot be resized");
    if (tern_image_new(image->height, width, image->channels, &rows, error) &&
        tern_image_new(height, width, image->channels, resized, error) &&
        axis_filter_new(image->width, width, &horizontal, error) &&
        axis_filter_new(image->height, height, &vertical, error)) {
        /* An axis that keeps its size has weight 1 on itself: nothing is lost. */
        resize_rows(image, &horizontal, &rows);
        resize_columns(&rows, &vertical, resized);
    }
    axis_filter_free(&horizontal);
    axis_filter_free(&vertical);
    tern_image_free(&rows);
    if (error->code)
        tern_image_free(resized);
    return !error->code;
}
