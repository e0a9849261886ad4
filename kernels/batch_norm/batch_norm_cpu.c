/* batch_norm on cpu: float32, vectorised over channels, chunks of rows in parallel.
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

/* Of an element before the activation; with relu, of the element itself. */
static void normalise_row(const bn_run *run, const float *restrict x, float *restrict y)
{
    const float *restrict mean = run->mean, *restrict scale = run->scale;
    const float *restrict bias = run->bias;
    bool relu = run->relu;
    for (int64_t c = 0; c < run->rows.channels; c++) {
        float value = bn_normalised(x[c], mean[c], scale[c], bias[c]);
        y[c] = relu && value < 0 ? 0 : value;
    }
}

static void normalise_tile(void *argument, int64_t chunk, int worker)
{
    const bn_run *run = argument;
    int64_t channels = run->rows.channels;
    (void)worker;
    for (int64_t r = bn_first(run, chunk); r < bn_first(run, chunk + 1); r++) {
        if (batch_norm_row_counts(&run->rows, r))
            normalise_row(run, run->x + r * channels, run->y + r * channels);
        else
            memset(run->y + r * channels, 0, (size_t)channels * sizeof(float));
    }
}

/* ---------------------------------------------------------- statistics -- */

/* Four rows at a time, so that the sums are read and written less often. */
static void add_rows(float *restrict total, const float *const *rows, int64_t count,
                     int64_t channels)
{
    int64_t r = 0;
    for (; r + 4 <= count; r += 4) {
        const float *restrict r0 = rows[r], *restrict r1 = rows[r + 1];
        const float *restrict r2 = rows[r + 2], *restrict r3 = rows[r + 3];
        for (int64_t c = 0; c < channels; c++)
            total[c] += (r0[c] + r1[c]) + (r2[c] + r3[c]);
    }
    for (; r < count; r++) {
        const float *restrict row = rows[r];
        for (int64_t c = 0; c < channels; c++)
            total[c] += row[c];
    }
}

static void add_centred(float *restrict sum, float *restrict squares, const float *restrict centre,
                        const float *const *rows, int64_t count, int64_t channels)
{
    int64_t r = 0;
    for (; r + 2 <= count; r += 2) {
        const float *restrict r0 = rows[r], *restrict r1 = rows[r + 1];
        for (int64_t c = 0; c < channels; c++) {
            float d0 = r0[c] - centre[c], d1 = r1[c] - centre[c];
            sum[c] += d0 + d1;
            squares[c] += d0 * d0 + d1 * d1;
        }
    }
    for (; r < count; r++) {
        const float *restrict row = rows[r];
        for (int64_t c = 0; c < channels; c++) {
            float d = row[c] - centre[c];
            sum[c] += d;
            squares[c] += d * d;
        }
    }
}

static void statistics_tile(void *argument, int64_t chunk, int worker)
{
    const bn_run *run = argument;
    int64_t channels = run->rows.channels, count = 0;
    const float *rows[BN_CHUNK_ROWS];
    float *sum = run->sums + chunk * channels, *squares = run->products + chunk * channels;
    float *centre = run->centres + chunk * channels;

    (void)worker;
    for (int64_t r = bn_first(run, chunk); r < bn_first(run, chunk + 1); r++)
        if (batch_norm_row_counts(&run->rows, r))
            rows[count++] = run->x + r * channels;
    run->counts[chunk] = (int32_t)count;
    memset(centre, 0, (size_t)channels * sizeof *centre);
    memset(sum, 0, (size_t)channels * sizeof *sum);
    memset(squares, 0, (size_t)channels * sizeof *squares);
    if (count == 0)
        return;
    add_rows(centre, rows, count, channels);
    for (int64_t c = 0; c < channels; c++)
        centre[c] /= (float)count;
    add_centred(sum, squares, centre, rows, count, channels);
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
    int64_t channels = run->rows.channels, first = tile * BN_COMBINE_CHANNELS;
    int64_t width = bn_smaller(BN_COMBINE_CHANNELS, channels - first);
    double mean[BN_COMBINE_CHANNELS] = { 0 }, squares[BN_COMBINE_CHANNELS] = { 0 };
    double n = run->valid ? (double)run->valid : 1;

    (void)worker;
    for (int64_t chunk = 0; chunk < run->chunks; chunk++)
        for (int64_t c = 0; c < width; c++)
            mean[c] += (double)run->counts[chunk] / n *
                       chunk_mean(run, chunk, chunk * channels + first + c);
    for (int64_t chunk = 0; chunk < run->chunks; chunk++)
        for (int64_t c = 0; c < width; c++)
            squares[c] += chunk_squares(run, chunk, chunk * channels + first + c, mean[c]);
    for (int64_t c = 0; c < width; c++) {
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
    bn_scale(&run);
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
