/* A kernel of your own for an op that tern has, to be timed beside tern's: softmax over the last
 * axis, as provider "mine".
 *
 *   y[r,d] = exp(x[r,d] - m[r]) / sum_j exp(x[r,j] - m[r])     over the elements whose mask is 1
 *   dx[r,d] = y[r,d] (dy[r,d] - sum_j dy[r,j] y[r,j])
 *
 * Copy this file, change the name of the op, and put your kernel into the two loops over rows.
 * `make` builds it against an installed tern; then
 *
 *   tern bench --plugin ./my_softmax.so softmax --provider hand,mine --pass fwd,bwd
 *
 * checks what it computes against tern's float64 loops, and times it hot and cold, by turns with
 * tern's own.  What an op's inputs, outputs and options are, `tern ops softmax` says; what
 * backward may read, the op's folder in tern's kernels/.
 */
#include "core/backend.h"
#include "core/threads.h"

#include <math.h>

/* How it was compiled, for the report: the Makefile knows. */
#ifndef FLAGS
#define FLAGS NULL
#endif

enum { TILE = 16 }; /* rows: fixed, so that the bits do not depend on the threads */

/* Of the rows of a tile: from where, how many elements each. */
typedef struct rows {
    int64_t first, end, width;
} rows;

static int64_t width_of(const tern_call *call)
{
    return call->in[0]->shape[call->in[0]->rank - 1];
}

static int64_t row_count(const tern_call *call)
{
    return width_of(call) > 0 ? call->in[0]->count / width_of(call) : 0;
}

static rows rows_of(const tern_call *call, int64_t tile)
{
    int64_t end = (tile + 1) * TILE, count = row_count(call);
    return (rows){ tile * TILE, end < count ? end : count, width_of(call) };
}

/* --------------------------------------------------------------- kernels -- */

static void forward_row(const float *x, const uint8_t *mask, float *y, int64_t width)
{
    float largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < width; i++)
        if ((!mask || mask[i]) && x[i] > largest)
            largest = x[i];
    for (int64_t i = 0; i < width; i++) {
        y[i] = !mask || mask[i] ? expf(x[i] - largest) : 0;
        sum += y[i];
    }
    /* Where nothing is valid, all stays 0. */
    for (int64_t i = 0; i < width && sum > 0; i++)
        y[i] /= sum;
}

static void backward_row(const float *y, const float *grad_y, float *grad_x, int64_t width,
                         bool accumulate)
{
    float dot = 0;
    for (int64_t i = 0; i < width; i++)
        dot += grad_y[i] * y[i];
    for (int64_t i = 0; i < width; i++)
        grad_x[i] = (accumulate ? grad_x[i] : 0) + y[i] * (grad_y[i] - dot);
}

/* -------------------------------------------------------- how tern calls -- */

static void forward_tile(void *argument, int64_t tile, int worker)
{
    const tern_call *call = argument;
    const float *x = call->in[0]->data;
    const uint8_t *mask = call->in[1] ? call->in[1]->data : NULL; /* optional */
    float *y = call->out[0]->data;
    rows at = rows_of(call, tile);
    (void)worker;
    for (int64_t r = at.first; r < at.end; r++)
        forward_row(x + r * at.width, mask ? mask + r * at.width : NULL, y + r * at.width,
                    at.width);
}

static void backward_tile(void *argument, int64_t tile, int worker)
{
    const tern_call *call = argument;
    const float *y = call->out[0]->data, *grad_y = call->grad_out[0]->data;
    float *grad_x = call->grad_in[0]->data;
    rows at = rows_of(call, tile);
    (void)worker;
    for (int64_t r = at.first; r < at.end; r++)
        backward_row(y + r * at.width, grad_y + r * at.width, grad_x + r * at.width, at.width,
                     call->accumulate[0]);
}

static void forward(tern_call *call)
{
    tern_parallel(tern_ctx_pool(call->ctx), (row_count(call) + TILE - 1) / TILE, forward_tile,
                  call);
}

static void backward(tern_call *call)
{
    tern_parallel(tern_ctx_pool(call->ctx), (row_count(call) + TILE - 1) / TILE, backward_tile,
                  call);
}

static const tern_impl mine = { .op = "softmax", .backend = "cpu", .provider = "mine",
                                .forward = forward, .backward = backward, .flags = FLAGS };

bool tern_plugin(int version, const tern_host *host, tern_error *error)
{
    if (version != TERN_PLUGIN_VERSION)
        return tern_error_set(error, TERN_ERR_MISSING, "built for plugin interface version %d",
                              TERN_PLUGIN_VERSION);
    host->add_impl(host->registry, &mine);
    return true;
}
