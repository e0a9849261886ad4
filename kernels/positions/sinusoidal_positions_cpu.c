/* sinusoidal_positions on cpu: the tables of angles once, then a pass over x.  Backward
 * hands the gradient on. */
#include "core/simd.h"
#include "core/threads.h"
#include "core/tiles.h"
#include "kernels/positions/angles.h"
#include "kernels/positions/sinusoidal_positions.h"

enum { TILE_ELEMENTS = 16384 };

typedef struct positions_job {
    tern_call *call;
    tern_angles angles;
    tern_tiles rows;
} positions_job;

static tern_angles angles_of(const tern_call *call)
{
    const tern_sinusoidal_positions_opts *opts = call->options;
    int64_t size = tern_dim(call->out[0], -1);
    return (tern_angles){ .base = opts->base, .offset = opts->offset, .size = size,
                          .pairs = (size + 1) / 2, .positions = tern_dim(call->out[0], -2) };
}

static size_t forward_bytes(const tern_call *call)
{
    tern_angles angles = angles_of(call);
    return call->out[0]->count ? TERN_LEVEL(tern_angles_bytes)(&angles) : 0;
}

static void add_code(float *restrict y, const float *restrict x, const float *restrict sine,
                     const float *restrict cosine, int64_t size)
{
    for (int64_t i = 0; i < size / 2; i++) {
        y[2 * i] = x[2 * i] + sine[i];
        y[2 * i + 1] = x[2 * i + 1] + cosine[i];
    }
    if (size % 2 != 0)
        y[size - 1] = x[size - 1] + sine[size / 2];
}

static void write_code(float *restrict y, const float *restrict sine,
                       const float *restrict cosine, int64_t size)
{
    for (int64_t i = 0; i < size / 2; i++) {
        y[2 * i] = sine[i];
        y[2 * i + 1] = cosine[i];
    }
    if (size % 2 != 0)
        y[size - 1] = sine[size / 2];
}

static void forward_tile(void *argument, int64_t tile, int worker)
{
    const positions_job *job = argument;
    const float *x = job->call->in[0] ? job->call->in[0]->data : NULL;
    float *y = job->call->out[0]->data;
    int64_t row = tern_tile_begin(&job->rows, tile), end = tern_tile_end(&job->rows, tile);
    int64_t size = job->angles.size;

    (void)worker;
    for (; row < end; row++) {
        int64_t at = row % job->angles.positions * job->angles.pairs;
        const float *sine = job->angles.sine + at, *cosine = job->angles.cosine + at;
        if (x)
            add_code(y + row * size, x + row * size, sine, cosine, size);
        else
            write_code(y + row * size, sine, cosine, size);
    }
}

static void positions_forward(tern_call *call)
{
    tern_pool *pool = tern_ctx_pool(call->ctx);
    positions_job job = { .call = call, .angles = angles_of(call) };

    if (call->out[0]->count == 0)
        return;
    TERN_LEVEL(tern_angles_fill)(&job.angles, call->workspace, pool);
    job.rows = tern_tiles_of_rows(call->out[0]->count / job.angles.size, job.angles.size,
                                  TILE_ELEMENTS, 1);
    tern_parallel(pool, job.rows.count, forward_tile, &job);
}

static void backward_tile(void *argument, int64_t tile, int worker)
{
    const tern_call *call = argument;
    int64_t begin = tile * TILE_ELEMENTS, count = call->grad_in[0]->count - begin;
    float *restrict grad_x = (float *)call->grad_in[0]->data + begin;
    const float *restrict grad_y = (const float *)call->grad_out[0]->data + begin;

    (void)worker;
    count = count < TILE_ELEMENTS ? count : TILE_ELEMENTS;
    if (!call->accumulate[0])
        memcpy(grad_x, grad_y, (size_t)count * sizeof(float));
    for (int64_t i = 0; i < count && call->accumulate[0]; i++)
        grad_x[i] += grad_y[i];
}

static void positions_backward(tern_call *call)
{
    tern_parallel(tern_ctx_pool(call->ctx),
                  (call->grad_in[0]->count + TILE_ELEMENTS - 1) / TILE_ELEMENTS, backward_tile,
                  call);
}

const tern_impl TERN_LEVEL(tern_sinusoidal_positions_cpu) = {
    .op = "sinusoidal_positions", .backend = "cpu", .provider = "hand",
    .forward = positions_forward, .backward = positions_backward,
    .forward_workspace = forward_bytes,
};
