/* batch_norm on cpu: float32, vectorised over channels and rows, chunks of
 * rows in parallel.
 *
 * The statistics are taken in one pass over memory: a chunk of rows that fits the
 * cache is read twice, once for its mean, and once for the sums around what float32
 * makes of that mean, the chunk's centre:
 *
 *      n_k,  centre_k ~ mean,  sum_k = sum (x - centre_k),  squares_k = sum (x - centre_k)^2
 *
 * The chunks are put together in double precision, in their order:
 *
 *      mean_k = centre_k + sum_k / n_k
 *      mean   = sum n_k mean_k / n
 *      var    = sum ( squares_k - sum_k^2 / n_k + n_k (mean_k - mean)^2 ) / n
 *
 * so a mean far from zero costs no digits (Chan, Golub, LeVeque 1983); and chunks
 * depend on the shape alone, so the bits do not depend on the threads.
 */
#include "kernels/batch_norm/batch_norm_cpu.h"

#include <math.h>

#include "core/threads.h"

/* A wide row, or the beginning of one. */
static void normalise_wide(const bn_run *run, const float *restrict x, float *restrict y,
                           int64_t count)
{
    const float *restrict mean = run->wide_mean, *restrict scale = run->wide_scale;
    const float *restrict bias = run->wide_bias;
    bool relu = run->relu;
    for (int64_t i = 0; i < count; i++) {
        float value = bn_normalised(x[i], mean[i], scale[i], bias[i]);
        y[i] = relu && value < 0 ? 0 : value;
    }
}

static void normalise_tile(void *argument, int64_t chunk, int worker)
{
    const bn_run *run = argument;
    int64_t channels = run->rows.channels, end = bn_first(run, chunk + 1), next;
    (void)worker;
    for (int64_t r = bn_first(run, chunk); r < end; r = next) {
        bool counts;
        next = bn_alike(&run->rows, r, end, &counts);
        if (!counts)
            memset(run->y + r * channels, 0, (size_t)((next - r) * channels) * sizeof(float));
        for (int64_t i = r * channels; counts && i < next * channels; i += run->width)
            normalise_wide(run, run->x + i, run->y + i,
                           bn_smaller(run->width, next * channels - i));
    }
}

/* ---------------------------------------------------------- statistics -- */

/* Four wide rows at a time, so that the sums are read and written less often. */
static void add_rows(float *restrict total, const float *restrict x, int64_t count, int64_t width)
{
    int64_t i = 0;
    for (; i + 4 * width <= count; i += 4 * width) {
        const float *restrict r0 = x + i, *restrict r1 = r0 + width;
        const float *restrict r2 = r1 + width, *restrict r3 = r2 + width;
        for (int64_t j = 0; j < width; j++)
            total[j] += (r0[j] + r1[j]) + (r2[j] + r3[j]);
    }
    for (; i < count; i += width)
        for (int64_t j = 0; j < bn_smaller(width, count - i); j++)
            total[j] += x[i + j];
}

static void add_centred(float *restrict sum, float *restrict squares, const float *restrict centre,
                        const float *restrict x, int64_t count, int64_t width)
{
    int64_t i = 0;
    for (; i + 2 * width <= count; i += 2 * width) {
        const float *restrict r0 = x + i, *restrict r1 = r0 + width;
        for (int64_t j = 0; j < width; j++) {
            float d0 = r0[j] - centre[j], d1 = r1[j] - centre[j];
            sum[j] += d0 + d1;
            squares[j] += d0 * d0 + d1 * d1;
        }
    }
    for (; i < count; i += width)
        for (int64_t j = 0; j < bn_smaller(width, count - i); j++) {
            float d = x[i + j] - centre[j];
            sum[j] += d;
            squares[j] += d * d;
        }
}

/* The mean of a chunk's rows; returns how many count. */
static int64_t find_centre(const bn_run *run, int64_t chunk, float *centre)
{
    int64_t channels = run->rows.channels, end = bn_first(run, chunk + 1), next, count = 0;
    memset(centre, 0, (size_t)run->width * sizeof *centre);
    for (int64_t r = bn_first(run, chunk); r < end; r = next) {
        bool counts;
        next = bn_alike(&run->rows, r, end, &counts);
        if (!counts)
            continue;
        add_rows(centre, run->x + r * channels, (next - r) * channels, run->width);
        count += next - r;
    }
    bn_fold(run, centre);
    for (int64_t c = 0; c < channels; c++)
        centre[c] /= (float)(count ? count : 1);
    bn_spread(run, centre);
    return count;
}

static void statistics_tile(void *argument, int64_t chunk, int worker)
{
    const bn_run *run = argument;
    int64_t channels = run->rows.channels, end = bn_first(run, chunk + 1), next;
    float *centre = run->centres + chunk * run->width;
    float *sum = run->sums + chunk * run->width, *squares = run->products + chunk * run->width;

    (void)worker;
    run->counts[chunk] = (int32_t)find_centre(run, chunk, centre);
    memset(sum, 0, (size_t)run->width * sizeof *sum);
    memset(squares, 0, (size_t)run->width * sizeof *squares);
    for (int64_t r = bn_first(run, chunk); r < end; r = next) {
        bool counts;
        next = bn_alike(&run->rows, r, end, &counts);
        if (counts)
            add_centred(sum, squares, centre, run->x + r * channels, (next - r) * channels,
                        run->width);
    }
    bn_fold(run, sum);
    bn_fold(run, squares);
}

/* One chunk's mean of a channel; 0 if it has no rows. */
static double chunk_mean(const bn_run *run, int64_t chunk, int64_t at)
{
    double count = run->counts[chunk] ? (double)run->counts[chunk] : 1;
    return (double)run->centres[at] + (double)run->sums[at] / count;
}

/* Sum of squares around the mean of all chunks. */
static double chunk_squares(const bn_run *run, int64_t chunk, int64_t at, double mean)
{
    double count = run->counts[chunk] ? (double)run->counts[chunk] : 1;
    double sum = (double)run->sums[at], shift = chunk_mean(run, chunk, at) - mean;
    return (double)run->products[at] - sum * sum / count +
           (double)run->counts[chunk] * shift * shift;
}

static void move_running(const bn_run *run, int64_t c, double mean, double unbiased_var)
{
    double old_mean = (double)run->running_mean[c], old_var = (double)run->running_var[c];
    run->running_mean[c] = (float)(old_mean + run->momentum * (mean - old_mean));
    run->running_var[c] = (float)(old_var + run->momentum * (unbiased_var - old_var));
}

/* Put the chunks of some channels together. */
static void combine_tile(void *argument, int64_t tile, int worker)
{
    const bn_run *run = argument;
    int64_t first = tile * BN_COMBINE_CHANNELS;
    int64_t count = bn_smaller(BN_COMBINE_CHANNELS, run->rows.channels - first);
    double mean[BN_COMBINE_CHANNELS] = { 0 }, squares[BN_COMBINE_CHANNELS] = { 0 };
    double n = run->valid ? (double)run->valid : 1;

    (void)worker;
    for (int64_t chunk = 0; chunk < run->chunks; chunk++)
        for (int64_t c = 0; c < count; c++)
            mean[c] += (double)run->counts[chunk] / n *
                       chunk_mean(run, chunk, chunk * run->width + first + c);
    for (int64_t chunk = 0; chunk < run->chunks; chunk++)
        for (int64_t c = 0; c < count; c++)
            squares[c] += chunk_squares(run, chunk, chunk * run->width + first + c, mean[c]);
    for (int64_t c = 0; c < count; c++) {
        run->mean[first + c] = (float)mean[c];
        run->inverse[first + c] = (float)(1 / sqrt(squares[c] / n + run->eps));
        if (run->moves_running)
            move_running(run, first + c, mean[c], squares[c] / (n - 1));
    }
}

static void running_statistics(const bn_run *run)
{
    for (int64_t c = 0; c < run->rows.channels; c++) {
        run->mean[c] = run->running_mean[c];
        run->inverse[c] = (float)(1 / sqrt((double)run->running_var[c] + run->eps));
    }
}

/* ------------------------------------------------------------- forward -- */

static void batch_norm_forward(tern_call *call)
{
    tern_pool *pool = tern_ctx_pool(call->ctx);
    bn_run run = bn_run_of(call);

    run.y = call->out[0]->data;
    run.running_mean = call->in[BN_RUNNING_MEAN]->data;
    run.running_var = call->in[BN_RUNNING_VAR]->data;
    run.moves_running = call->training && !call->frozen_state && run.valid >= 2;
    if (call->training) {
        tern_parallel(pool, run.chunks, statistics_tile, &run);
        tern_parallel(pool, bn_combine_tiles(&run), combine_tile, &run);
    } else {
        running_statistics(&run);
    }
    bn_widen(&run);
    tern_parallel(pool, run.chunks, normalise_tile, &run);
}

static size_t workspace(const tern_call *call)
{
    return bn_workspace_bytes(call);
}

const tern_impl TERN_LEVEL(tern_batch_norm_cpu) = {
    .op = "batch_norm", .backend = "cpu", .provider = "hand",
    .forward = batch_norm_forward, .backward = TERN_LEVEL(tern_batch_norm_backward),
    .forward_workspace = workspace, .backward_workspace = workspace,
};
