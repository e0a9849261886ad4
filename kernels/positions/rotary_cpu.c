/* rotary on cpu: the tables of angles once, then rows of x, head by head.  Backward is the
 * same with the sines negated. */
#include "core/simd.h"
#include "core/threads.h"
#include "core/tiles.h"
#include "kernels/positions/angles.h"
#include "kernels/positions/rotary.h"

enum { TILE_ELEMENTS = 8192 };

typedef struct rotary_job {
    const tern_rotary_opts *opts;
    tern_angles angles;
    const float *from;
    float *to;
    float direction; /* 1, backward -1 */
    bool add;
    tern_tiles rows;
} rotary_job;

static tern_angles angles_of(const tern_call *call)
{
    const tern_rotary_opts *opts = call->options;
    int64_t size = tern_dim(call->out[0], -1) / opts->heads;
    return (tern_angles){ .base = opts->base, .offset = opts->offset, .size = size,
                          .pairs = size / 2, .positions = tern_dim(call->out[0], -2) };
}

static size_t table_bytes(const tern_call *call)
{
    tern_angles angles = angles_of(call);
    return call->out[0]->count ? TERN_LEVEL(tern_angles_bytes)(&angles) : 0;
}

/* One head.  Element a of pair i is at i * step, element b `apart` behind it.  Inlined with
 * constants, so that each pairing gets its own vector code. */
static inline void turn_pairs(const rotary_job *job, float *restrict to,
                              const float *restrict from, const float *restrict sine,
                              const float *restrict cosine, int64_t step, int64_t apart)
{
    int64_t pairs = job->angles.pairs;
    float direction = job->direction;

    if (job->add)
        for (int64_t i = 0; i < pairs; i++) {
            float a = from[i * step], b = from[i * step + apart], s = direction * sine[i];
            to[i * step] += a * cosine[i] - b * s;
            to[i * step + apart] += a * s + b * cosine[i];
        }
    else
        for (int64_t i = 0; i < pairs; i++) {
            float a = from[i * step], b = from[i * step + apart], s = direction * sine[i];
            to[i * step] = a * cosine[i] - b * s;
            to[i * step + apart] = a * s + b * cosine[i];
        }
}

static void turn_tile(void *argument, int64_t tile, int worker)
{
    const rotary_job *job = argument;
    int64_t row = tern_tile_begin(&job->rows, tile), end = tern_tile_end(&job->rows, tile);
    int64_t size = job->angles.size, heads = job->opts->heads;

    (void)worker;
    for (; row < end; row++) {
        int64_t place = row % job->angles.positions * job->angles.pairs;
        const float *sine = job->angles.sine + place, *cosine = job->angles.cosine + place;
        for (int64_t at = row * heads * size; at < (row + 1) * heads * size; at += size)
            if (job->opts->pairing == TERN_ROTARY_HALVES)
                turn_pairs(job, job->to + at, job->from + at, sine, cosine, 1, size / 2);
            else
                turn_pairs(job, job->to + at, job->from + at, sine, cosine, 2, 1);
    }
}

static void turn(tern_call *call, rotary_job job)
{
    tern_pool *pool = tern_ctx_pool(call->ctx);
    int64_t width = tern_dim(call->out[0], -1);

    if (call->out[0]->count == 0)
        return;
    job.opts = call->options;
    job.angles = angles_of(call);
    TERN_LEVEL(tern_angles_fill)(&job.angles, call->workspace, pool);
    job.rows = tern_tiles_of_rows(call->out[0]->count / width, width, TILE_ELEMENTS, 1);
    tern_parallel(pool, job.rows.count, turn_tile, &job);
}

static void rotary_forward(tern_call *call)
{
    turn(call, (rotary_job){ .from = call->in[0]->data, .to = call->out[0]->data,
                             .direction = 1 });
}

static void rotary_backward(tern_call *call)
{
    turn(call, (rotary_job){ .from = call->grad_out[0]->data, .to = call->grad_in[0]->data,
                             .direction = -1, .add = call->accumulate[0] });
}

const tern_impl TERN_LEVEL(tern_rotary_cpu) = {
    .op = "rotary", .backend = "cpu", .provider = "hand",
    .forward = rotary_forward, .backward = rotary_backward,
    .forward_workspace = table_bytes, .backward_workspace = table_bytes,
};
