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

/* What belongs to a strip's columns. */
typedef struct strip_values {
    tern_vf mean[BN_STRIP_VECTORS], scale[BN_STRIP_VECTORS], bias[BN_STRIP_VECTORS];
} strip_values;

static inline void load_values(strip_values *values, const bn_run *run, bn_strip strip, int vectors)
{
    bn_load_strip(values->mean, run->wide_mean, strip, vectors);
    bn_load_strip(values->scale, run->wide_scale, strip, vectors);
    bn_load_strip(values->bias, run->wide_bias, strip, vectors);
}

/* The gradient before the activation. */
static inline tern_vf before_relu(const strip_values *values, int v, tern_vf x, tern_vf grad_y,
                                  bool relu)
{
    tern_vf y = bn_normalised(x, values->mean[v], values->scale[v], values->bias[v]);
    return relu ? tern_select(y > 0, grad_y, (tern_vf){ 0 }) : grad_y;
}

/* Where a chunk's sums go: wide vectors. */
typedef struct chunk_sums {
    float *sum, *sum_centred;
} chunk_sums;

static inline __attribute__((always_inline)) void
sum_body(const bn_run *run, bn_strip strip, const chunk_sums *sums, const int64_t columns,
         const int vectors, const bool relu)
{
    strip_values values;
    tern_vf sum[BN_STRIP_VECTORS], sum_centred[BN_STRIP_VECTORS];
    strip.columns = columns;
    load_values(&values, run, strip, vectors);
    bn_load_strip(sum, sums->sum, strip, vectors);
    bn_load_strip(sum_centred, sums->sum_centred, strip, vectors);
    for (int64_t row = 0, at = strip.at; row < strip.rows; row++, at += run->width)
        for (int v = 0; v < vectors; v++) {
            int64_t left = columns - v * TERN_LANES, i = at + v * TERN_LANES;
            tern_vf x = tern_load_part(run->x + i, left);
            tern_vf g = before_relu(&values, v, x, tern_load_part(run->grad_y + i, left), relu);
            sum[v] += g;
            sum_centred[v] += g * (x - values.mean[v]);
        }
    bn_store_strip(sums->sum, sum, strip, vectors);
    bn_store_strip(sums->sum_centred, sum_centred, strip, vectors);
}

static void sum_strip(const bn_run *run, bn_strip strip, void *job)
{
    if (strip.columns < BN_STRIP)
        sum_body(run, strip, job, strip.columns, 1, run->relu);
    else if (run->relu)
        sum_body(run, strip, job, BN_STRIP, BN_STRIP_VECTORS, true);
    else
        sum_body(run, strip, job, BN_STRIP, BN_STRIP_VECTORS, false);
}

static void sum_tile(void *argument, int64_t chunk, int worker)
{
    const bn_run *run = argument;
    int64_t channels = run->rows.channels, end = bn_first(run, chunk + 1), next;
    chunk_sums sums = { .sum = run->sums + chunk * run->width,
                        .sum_centred = run->products + chunk * run->width };

    (void)worker;
    memset(sums.sum, 0, (size_t)run->width * sizeof *sums.sum);
    memset(sums.sum_centred, 0, (size_t)run->width * sizeof *sums.sum_centred);
    for (int64_t r = bn_first(run, chunk); r < end; r = next) {
        bool counts;
        next = bn_alike(&run->rows, r, end, &counts);
        if (counts)
            bn_cut_strips(run, r * channels, (next - r) * channels, sum_strip, &sums);
    }
    bn_fold(run, sums.sum);
    bn_fold(run, sums.sum_centred);
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

static inline __attribute__((always_inline)) void
grad_x_body(const bn_run *run, bn_strip strip, const int64_t columns, const int vectors,
            const bool relu)
{
    strip_values values;
    tern_vf offset[BN_STRIP_VECTORS], slope[BN_STRIP_VECTORS];
    strip.columns = columns;
    load_values(&values, run, strip, vectors);
    bn_load_strip(offset, run->wide_offset, strip, vectors);
    bn_load_strip(slope, run->wide_slope, strip, vectors);
    for (int64_t row = 0, at = strip.at; row < strip.rows; row++, at += run->width)
        for (int v = 0; v < vectors; v++) {
            int64_t left = columns - v * TERN_LANES, i = at + v * TERN_LANES;
            tern_vf x = tern_load_part(run->x + i, left);
            tern_vf g = before_relu(&values, v, x, tern_load_part(run->grad_y + i, left), relu);
            g = values.scale[v] * (g - offset[v] - (x - values.mean[v]) * slope[v]);
            tern_store_grad(run->grad_x + i, g, left, run->accumulate[BN_X]);
        }
}

static void grad_x_strip(const bn_run *run, bn_strip strip, void *job)
{
    (void)job;
    if (strip.columns < BN_STRIP)
        grad_x_body(run, strip, strip.columns, 1, run->relu);
    else if (run->relu)
        grad_x_body(run, strip, BN_STRIP, BN_STRIP_VECTORS, true);
    else
        grad_x_body(run, strip, BN_STRIP, BN_STRIP_VECTORS, false);
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
        if (counts)
            bn_cut_strips(run, r * channels, (next - r) * channels, grad_x_strip, NULL);
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
