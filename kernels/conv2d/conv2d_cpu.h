/* What the files of conv2d's cpu backend share: windows of an image with a zero
 * border, and the two halves of backward. */
#ifndef TERN_KERNELS_CONV2D_CPU_H
#define TERN_KERNELS_CONV2D_CPU_H

#include "core/transpose.h"
#include "kernels/conv2d/conv2d_geometry.h"
#include "kernels/conv2d/panel_product.h"
#include "kernels/elementwise/activation_cpu.h"

/* The images that a window is cut from, [N, rows, columns, channels].  With an
 * activation, the values are y's gradient and the window gets that before it. */
typedef struct image_source {
    const float *values;
    tern_activation activation;
    const float *kept; /* see elementwise/activation.h */
    int64_t rows, columns, channels;
    int64_t first, width; /* the channels that a window takes: those of one group */
} image_source;

/* Rows [row, row + rows) and columns [column, column + columns) of an image; may
 * reach beyond it on every side, where it is zero. */
typedef struct image_window {
    int64_t row, rows, column, columns;
} image_window;

/* n values from the offset `at` of a source with an activation, 1 <= n <= TERN_LANES. */
static inline tern_vf read_vector(const image_source *source, int64_t at, int64_t n)
{
    if (n == TERN_LANES)
        return tern_load(source->values + at) *
               tern_vactivation_slope(source->activation, tern_load(source->kept + at));
    return tern_load_part(source->values + at, n) *
           tern_vactivation_slope(source->activation, tern_load_part(source->kept + at, n));
}

/* count values from the offset `at` of a source. */
static inline void read_source(float *to, const image_source *source, int64_t at, int64_t count)
{
    int64_t i = 0;
    if (source->activation == TERN_ACT_NONE) {
        memcpy(to, source->values + at, (size_t)count * sizeof(float));
        return;
    }
    for (; i + TERN_LANES <= count; i += TERN_LANES)
        tern_store(to + i, read_vector(source, at + i, TERN_LANES));
    if (i < count)
        tern_store_part(to + i, read_vector(source, at + i, count - i), count - i);
}

/* `pixels` pixels from pixel number `pixel` on, their window's channels only. */
static inline void read_pixels(float *to, const image_source *source, int64_t pixel,
                               int64_t pixels)
{
    int64_t at = pixel * source->channels + source->first;
    if (source->width == source->channels) {
        read_source(to, source, at, pixels * source->width);
        return;
    }
    for (; pixels > 0; pixels--, at += source->channels, to += source->width)
        read_source(to, source, at, source->width);
}

/* Copy a window of one image to [rows, columns, width]. */
static inline void copy_window(float *to, const image_source *source, int64_t image,
                               const image_window *window)
{
    int64_t channels = source->width, width = window->columns;
    int64_t left = window->column < 0 ? -window->column : 0;
    int64_t right = window->column + width - source->columns;
    left = left < width ? left : width;
    right = right < 0 ? 0 : right < width - left ? right : width - left;
    int64_t middle = width - left - right;

    for (int64_t r = 0; r < window->rows; r++, to += width * channels) {
        int64_t row = window->row + r;
        if (row < 0 || row >= source->rows || middle == 0) {
            memset(to, 0, (size_t)(width * channels) * sizeof(float));
            continue;
        }
        int64_t pixel = (image * source->rows + row) * source->columns + window->column + left;
        memset(to, 0, (size_t)(left * channels) * sizeof(float));
        read_pixels(to + left * channels, source, pixel, middle);
        memset(to + (left + middle) * channels, 0, (size_t)(right * channels) * sizeof(float));
    }
}

static inline int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Floats of scratch, rounded up so that what follows is aligned to a cache line. */
static inline int64_t whole_lines(int64_t floats)
{
    return (floats + 15) / 16 * 16;
}

/* x, of whose channels group 0's are taken. */
static inline image_source x_source(const tern_call *call, const conv2d_geometry *g)
{
    return (image_source){ .values = call->in[0]->data, .rows = g->rows, .columns = g->columns,
                           .channels = g->inputs, .width = g->group_inputs };
}

/* The gradient of y, to be read as the gradient before the activation. */
static inline image_source gradient_source(const tern_call *call, const conv2d_geometry *g)
{
    const tern_conv2d_opts *opts = call->options;
    image_source source = {
        .values = call->grad_out[0]->data, .kept = tern_activation_kept(call),
        .activation = (tern_activation)opts->activation,
        .rows = g->out_rows, .columns = g->out_columns, .channels = g->outputs,
        .width = g->group_outputs,
    };
    return source;
}

/* A kernel row's floats in a window: one run, or one for each column if they are
 * dilated. */
static inline int64_t kernel_runs(const conv2d_geometry *g)
{
    return g->column_dilation > 1 ? g->kernel_columns : 1;
}

/* One input channel for each output channel: the sums are too short for the panel
 * product, and channels are the vectors. */
static inline bool is_depthwise(const tern_call *call)
{
    const conv2d_geometry g = conv2d_geometry_of(call);
    return g.groups > 1 && g.group_inputs == 1 && g.group_outputs == 1;
}

/* One vector of output channels, weight[j * taps + t] to packed[t * pitch + j], zero
 * in channels beyond O. */
static inline void pack_vector(const float *weight, int64_t taps, int64_t channels, int64_t rows,
                               float *packed, int64_t pitch)
{
    int64_t t = 0;
    if (channels >= TERN_LANES)
        for (; t + TERN_LANES <= rows; t += TERN_LANES)
            tern_transpose_square(weight + t, taps, packed + t * pitch, pitch);
    for (; t < rows; t++)
        for (int64_t j = 0; j < TERN_LANES; j++)
            packed[t * pitch + j] = j < channels ? weight[j * taps + t] : 0;
}

/* conv2d_winograd_cpu.c and conv2d_winograd_grad_weight_cpu.c: whether it is what computes
 * forward, the gradient of x and those of weight and bias; the FLOPs it executes; workspace in
 * floats. */
bool TERN_LEVEL(tern_conv2d_is_winograd)(const tern_call *call);
double TERN_LEVEL(tern_conv2d_winograd_flops)(const tern_call *call);
int64_t TERN_LEVEL(tern_conv2d_winograd_floats)(const tern_call *call);
void TERN_LEVEL(tern_conv2d_winograd)(tern_call *call);
bool TERN_LEVEL(tern_conv2d_grad_x_is_winograd)(const tern_call *call);
double TERN_LEVEL(tern_conv2d_winograd_grad_x_flops)(const tern_call *call);
int64_t TERN_LEVEL(tern_conv2d_winograd_grad_x_floats)(const tern_call *call);
void TERN_LEVEL(tern_conv2d_winograd_grad_x)(tern_call *call, float *workspace);
bool TERN_LEVEL(tern_conv2d_grad_weight_is_winograd)(const tern_call *call);
double TERN_LEVEL(tern_conv2d_winograd_grad_weight_flops)(const tern_call *call);
int64_t TERN_LEVEL(tern_conv2d_winograd_grad_weight_floats)(const tern_call *call);
void TERN_LEVEL(tern_conv2d_winograd_grad_weight)(tern_call *call, float *workspace);

/* conv2d_depthwise_cpu.c and conv2d_depthwise_weight_cpu.c; workspace in floats.  The
 * gradient of y that the latter reads is that before the activation, [N,Ho,Wo,O]. */
int64_t TERN_LEVEL(tern_conv2d_depthwise_floats)(const tern_call *call);
void TERN_LEVEL(tern_conv2d_depthwise)(tern_call *call);
int64_t TERN_LEVEL(tern_conv2d_depthwise_backward_floats)(const tern_call *call);
void TERN_LEVEL(tern_conv2d_depthwise_backward)(tern_call *call);
int64_t TERN_LEVEL(tern_conv2d_depthwise_weight_floats)(const tern_call *call);
void TERN_LEVEL(tern_conv2d_depthwise_weight)(tern_call *call, const float *grad_y,
                                              float *workspace);

/* conv2d_grad_x_cpu.c and conv2d_grad_weight_cpu.c; workspace in floats. */
int64_t TERN_LEVEL(tern_conv2d_grad_x_floats)(const tern_call *call);
void TERN_LEVEL(tern_conv2d_grad_x)(tern_call *call, float *workspace);
int64_t TERN_LEVEL(tern_conv2d_grad_weight_floats)(const tern_call *call);
void TERN_LEVEL(tern_conv2d_grad_weight)(tern_call *call, float *workspace);

#endif
