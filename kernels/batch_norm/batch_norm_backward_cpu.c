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

static void sum_row(const bn_run *run, const float *restrict x, const float *restrict grad_y,
                    float *restrict sum, float *restrict sum_centred)
{
    const float *restrict mean = run->mean, *restrict scale = run->scale;
    const float *restrict bias = run->bias;
    bool relu = run->relu;
    for (int64_t c = 0; c < run->rows.channels; c++) {
        bool cut = relu && !(bn_normalised(x[c], mean[c], scale[c], bias[c]) > 0);
        float g = cut ? 0 : grad_y[c];
        sum[c] += g;
        sum_centred[c] += g * (x[c] - mean[c]);
    }
}

static void sum_tile(void *argument, int64_t chunk, int worker)
{
    const bn_run *run = argument;
    int64_t channels = run->rows.channels;
    float *sum = run->sums + chunk * channels;
    float *sum_centred = run->products + chunk * channels;

    (void)worker;
    memset(sum, 0, (size_t)channels * sizeof *sum);
    memset(sum_centred, 0, (size_t)channels * sizeof *sum_centred);
    for (int64_t r = bn_first(run, chunk); r < bn_first(run, chunk + 1); r++)
        if (batch_norm_row_counts(&run->rows, r))
            sum_row(run, run->x + r * channels, run->grad_y + r * channels, sum, sum_centred);
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
            sum += (double)run->sums[chunk * channels + c];
            sum_centred += (double)run->products[chunk * channels + c];
        }
        if (run->grad_gain)
            add_or_set(&run->grad_gain[c], run->accumulate[BN_GAIN], sum_centred * inverse);
        if (run->grad_bias)
            add_or_set(&run->grad_bias[c], run->accumulate[BN_BIAS], sum);
        run->offset[c] = run->training ? (float)(sum / n) : 0;
        run->slope[c] = run->training ? (float)(sum_centred * inverse * inverse / n) : 0;
    }
}

static void grad_x_row(const bn_run *run, const float *restrict x, const float *restrict grad_y,
                       float *restrict grad_x)
{
    const float *restrict mean = run->mean, *restrict scale = run->scale;
    const float *restrict bias = run->bias, *restrict offset = run->offset;
    const float *restrict slope = run->slope;
    bool relu = run->relu, accumulate = run->accumulate[BN_X];
    for (int64_t c = 0; c < run->rows.channels; c++) {
        bool cut = relu && !(bn_normalised(x[c], mean[c], scale[c], bias[c]) > 0);
        float g = cut ? 0 : grad_y[c];
        float value = scale[c] * (g - offset[c] - (x[c] - mean[c]) * slope[c]);
        grad_x[c] = accumulate ? grad_x[c] + value : value;
    }
}

static void grad_x_tile(void *argument, int64_t chunk, int worker)
{
    const bn_run *run = argument;
    int64_t channels = run->rows.channels;
    (void)worker;
    for (int64_t r = bn_first(run, chunk); r < bn_first(run, chunk + 1); r++) {
        float *grad_x = run->grad_x + r * channels;
        if (batch_norm_row_counts(&run->rows, r))
            grad_x_row(run, run->x + r * channels, run->grad_y + r * channels, grad_x);
        else if (!run->accumulate[BN_X])
            memset(grad_x, 0, (size_t)channels * sizeof *grad_x);
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
    bn_scale(&run);
    tern_parallel(pool, run.chunks, sum_tile, &run);
    tern_parallel(pool, bn_combine_tiles(&run), combine_tile, &run);
    if (run.grad_x)
        tern_parallel(pool, run.chunks, grad_x_tile, &run);
}
