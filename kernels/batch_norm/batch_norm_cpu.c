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

static inline __attribute__((always_inline)) void
normalise_body(const bn_run *run, bn_strip strip, const int64_t columns, const int vectors,
               const bool relu)
{
    const tern_vf zero = { 0 };
    tern_vf mean[BN_STRIP_VECTORS], scale[BN_STRIP_VECTORS], bias[BN_STRIP_VECTORS];
    strip.columns = columns;
    bn_load_strip(mean, run->wide_mean, strip, vectors);
    bn_load_strip(scale, run->wide_scale, strip, vectors);
    bn_load_strip(bias, run->wide_bias, strip, vectors);
    for (int64_t row = 0, at = strip.at; row < strip.rows; row++, at += run->width)
        for (int v = 0; v < vectors; v++) {
            int64_t left = columns - v * TERN_LANES, i = at + v * TERN_LANES;
            tern_vf value = bn_normalised(tern_load_part(run->x + i, left), mean[v], scale[v],
                                          bias[v]);
            tern_store_part(run->y + i, relu ? tern_select(value < 0, zero, value) : value, left);
        }
}

static void normalise_strip(const bn_run *run, bn_strip strip, void *job)
{
    (void)job;
    if (strip.columns < BN_STRIP)
        normalise_body(run, strip, strip.columns, 1, run->relu);
    else if (run->relu)
        normalise_body(run, strip, BN_STRIP, BN_STRIP_VECTORS, true);
    else
        normalise_body(run, strip, BN_STRIP, BN_STRIP_VECTORS, false);
}

static void normalise_tile(void *argument, int64_t chunk, int worker)
{
    const bn_run *run = argument;
    int64_t channels = run->rows.channels, end = bn_first(run, chunk + 1), next;
    (void)worker;
    for (int64_t r = bn_first(run, chunk); r < end; r = next) {
        bool counts;
        next = bn_alike(&run->rows, r, end, &counts);
        if (counts)
            bn_cut_strips(run, r * channels, (next - r) * channels, normalise_strip, NULL);
        else
            memset(run->y + r * channels, 0, (size_t)((next - r) * channels) * sizeof(float));
    }
}

/* ---------------------------------------------------------- statistics -- */

/* Where a chunk's sums go: wide vectors. */
typedef struct chunk_sums {
    float *centre, *sum, *squares;
} chunk_sums;

/* Two wide rows at a time: two additions do not wait for each other. */
static inline __attribute__((always_inline)) void
add_body(const bn_run *run, bn_strip strip, float *wide, const int64_t columns, const int vectors)
{
    tern_vf total[BN_STRIP_VECTORS];
    const float *x = run->x + strip.at;
    int64_t row = 0, width = run->width;
    strip.columns = columns;
    bn_load_strip(total, wide, strip, vectors);
    for (; row + 2 <= strip.rows; row += 2, x += 2 * width)
        for (int v = 0; v < vectors; v++) {
            int64_t at = v * TERN_LANES, left = columns - at;
            total[v] += tern_load_part(x + at, left) + tern_load_part(x + width + at, left);
        }
    for (int v = 0; row < strip.rows && v < vectors; v++)
        total[v] += tern_load_part(x + v * TERN_LANES, columns - v * TERN_LANES);
    bn_store_strip(wide, total, strip, vectors);
}

static void add_strip(const bn_run *run, bn_strip strip, void *job)
{
    const chunk_sums *sums = job;
    if (strip.columns < BN_STRIP)
        add_body(run, strip, sums->centre, strip.columns, 1);
    else
        add_body(run, strip, sums->centre, BN_STRIP, BN_STRIP_VECTORS);
}

static inline __attribute__((always_inline)) void
centred_body(const bn_run *run, bn_strip strip, const chunk_sums *sums, const int64_t columns,
             const int vectors)
{
    tern_vf centre[BN_STRIP_VECTORS], sum[BN_STRIP_VECTORS], squares[BN_STRIP_VECTORS];
    strip.columns = columns;
    bn_load_strip(centre, sums->centre, strip, vectors);
    bn_load_strip(sum, sums->sum, strip, vectors);
    bn_load_strip(squares, sums->squares, strip, vectors);
    for (int64_t row = 0, at = strip.at; row < strip.rows; row++, at += run->width)
        for (int v = 0; v < vectors; v++) {
            tern_vf x = tern_load_part(run->x + at + v * TERN_LANES, columns - v * TERN_LANES);
            tern_vf d = x - centre[v];
            sum[v] += d;
            squares[v] += d * d;
        }
    bn_store_strip(sums->sum, sum, strip, vectors);
    bn_store_strip(sums->squares, squares, strip, vectors);
}

static void centred_strip(const bn_run *run, bn_strip strip, void *job)
{
    if (strip.columns < BN_STRIP)
        centred_body(run, strip, job, strip.columns, 1);
    else
        centred_body(run, strip, job, BN_STRIP, BN_STRIP_VECTORS);
}

/* The mean of a chunk's rows; returns how many count. */
static int64_t find_centre(const bn_run *run, int64_t chunk, chunk_sums *sums)
{
    int64_t channels = run->rows.channels, end = bn_first(run, chunk + 1), next, count = 0;
    float *centre = sums->centre;
    memset(centre, 0, (size_t)run->width * sizeof *centre);
    for (int64_t r = bn_first(run, chunk); r < end; r = next) {
        bool counts;
        next = bn_alike(&run->rows, r, end, &counts);
        if (!counts)
            continue;
        bn_cut_strips(run, r * channels, (next - r) * channels, add_strip, sums);
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
    chunk_sums sums = { .centre = run->centres + chunk * run->width,
                        .sum = run->sums + chunk * run->width,
                        .squares = run->products + chunk * run->width };

    (void)worker;
    run->counts[chunk] = (int32_t)find_centre(run, chunk, &sums);
    memset(sums.sum, 0, (size_t)run->width * sizeof *sums.sum);
    memset(sums.squares, 0, (size_t)run->width * sizeof *sums.squares);
    for (int64_t r = bn_first(run, chunk); r < end; r = next) {
        bool counts;
        next = bn_alike(&run->rows, r, end, &counts);
        if (counts)
            bn_cut_strips(run, r * channels, (next - r) * channels, centred_strip, &sums);
    }
    bn_fold(run, sums.sum);
    bn_fold(run, sums.squares);
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
