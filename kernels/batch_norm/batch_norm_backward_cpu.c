/* batch_norm on cpu, backward: two passes over x and y's gradient.
 *
 * The first sums, for each channel, g and g * (x - mean), where g is the gradient
 * before the activation; relu's cut is found again from x, so y need not be kept.
 * The second writes
 *
 *   grad_x = scale * (g - offset - (x - mean) * slope)
 *   offset = sum g / n,  slope = sum g (x - mean) / (n * deviation^2)
 *
 * which is the formula of batch_norm_ref.c; outside training offset and slope are 0.
 */
#include "kernels/batch_norm/batch_norm_cpu.h"

#include "core/threads.h"

/* The gradient before the activation. */
static inline float before_relu(bool relu, float x, float grad_y, float mean, float scale,
                                float bias)
{
    return relu && !(bn_normalised(x, mean, scale, bias) > 0) ? 0 : grad_y;
}

/* A wide row, or the beginning of one. */
static void sum_wide(const bn_run *run, const float *restrict x, const float *restrict grad_y,
                     float *restrict sum, float *restrict sum_centred, int64_t count)
{
    const float *restrict mean = run->wide_mean, *restrict scale = run->wide_scale;
    const float *restrict bias = run->wide_bias;
    bool relu = run->relu;
    for (int64_t i = 0; i < count; i++) {
        float g = before_relu(relu, x[i], grad_y[i], mean[i], scale[i], bias[i]);
        sum[i] += g;
        sum_centred[i] += g * (x[i] - mean[i]);
    }
}

static void sum_tile(void *argument, int64_t chunk, int worker)
{
    const bn_run *run = argument;
    int64_t channels = run->rows.channels, end = bn_first(run, chunk + 1), next;
    float *sum = run->sums + chunk * run->width;
    float *sum_centred = run->products + chunk * run->width;

    (void)worker;
    memset(sum, 0, (size_t)run->width * sizeof *sum);
    memset(sum_centred, 0, (size_t)run->width * sizeof *sum_centred);
    for (int64_t r = bn_first(run, chunk); r < end; r = next) {
        bool counts;
        next = bn_alike(&run->rows, r, end, &counts);
        for (int64_t i = r * channels; counts && i < next * channels; i += run->width)
            sum_wide(run, run->x + i, run->grad_y + i, sum, sum_centred,
                     bn_smaller(run->width, next * channels - i));
    }
    bn_fold(run, sum);
    bn_fold(run, sum_centred);
}

static void add_or_set(float *to, bool accumulate, double value)
{
    *to = (float)(accumulate ? (double)*to + value : value);
}

/* Put the chunks of some channels together. */
static void combine_tile(void *argument, int64_t tile, int worker)
{
    const bn_run *run = argument;
    int64_t channels = run->rows.channels, first = tile * BN_COMBINE_CHANNELS;
    int64_t end = bn_smaller(first + BN_COMBINE_CHANNELS, channels);
    double n = (double)(run->valid ? run->valid : 1);

    (void)worker;
    for (int64_t c = first; c < end; c++) {
        double sum = 0, sum_centred = 0, inverse = (double)run->inverse[c];
        for (int64_t chunk = 0; chunk < run->chunks; chunk++) {
            sum += (double)run->sums[chunk * run->width + c];
            sum_centred += (double)run->products[chunk * run->width + c];
        }
        if (run->grad_gain)
            add_or_set(&run->grad_gain[c], run->accumulate[BN_GAIN], sum_centred * inverse);
        if (run->grad_bias)
            add_or_set(&run->grad_bias[c], run->accumulate[BN_BIAS], sum);
        run->wide_offset[c] = run->training ? (float)(sum / n) : 0;
        run->wide_slope[c] = run->training ? (float)(sum_centred * inverse * inverse / n) : 0;
    }
}

static void grad_x_wide(const bn_run *run, const float *restrict x, const float *restrict grad_y,
                        float *restrict grad_x, int64_t count)
{
    const float *restrict mean = run->wide_mean, *restrict scale = run->wide_scale;
    const float *restrict bias = run->wide_bias, *restrict offset = run->wide_offset;
    const float *restrict slope = run->wide_slope;
    bool relu = run->relu, accumulate = run->accumulate[BN_X];
    for (int64_t i = 0; i < count; i++) {
        float g = before_relu(relu, x[i], grad_y[i], mean[i], scale[i], bias[i]);
        float value = scale[i] * (g - offset[i] - (x[i] - mean[i]) * slope[i]);
        grad_x[i] = accumulate ? grad_x[i] + value : value;
    }
}

static void grad_x_tile(void *argument, int64_t chunk, int worker)
{
    const bn_run *run = argument;
    int64_t channels = run->rows.channels, end = bn_first(run, chunk + 1), next;
    (void)worker;
    for (int64_t r = bn_first(run, chunk); r < end; r = next) {
        bool counts;
        next = bn_alike(&run->rows, r, end, &counts);
        if (!counts && !run->accumulate[BN_X])
            memset(run->grad_x + r * channels, 0, (size_t)((next - r) * channels) * sizeof(float));
        for (int64_t i = r * channels; counts && i < next * channels; i += run->width)
            grad_x_wide(run, run->x + i, run->grad_y + i, run->grad_x + i,
                        bn_smaller(run->width, next * channels - i));
    }
}

void TERN_LEVEL(tern_batch_norm_backward)(tern_call *call)
{
    tern_pool *pool = tern_ctx_pool(call->ctx);
    bn_run run = bn_run_of(call);

    run.grad_y = call->grad_out[0]->data;
    run.grad_x = call->grad_in[BN_X] ? call->grad_in[BN_X]->data : NULL;
    run.grad_gain = call->grad_in[BN_GAIN] ? call->grad_in[BN_GAIN]->data : NULL;
    run.grad_bias = call->grad_in[BN_BIAS] ? call->grad_in[BN_BIAS]->data : NULL;
    run.accumulate = call->accumulate;
    bn_widen(&run);
    tern_parallel(pool, run.chunks, sum_tile, &run);
    tern_parallel(pool, bn_combine_tiles(&run), combine_tile, &run);
    bn_spread(&run, run.wide_offset);
    bn_spread(&run, run.wide_slope);
    if (run.grad_x)
        tern_parallel(pool, run.chunks, grad_x_tile, &run);
}
