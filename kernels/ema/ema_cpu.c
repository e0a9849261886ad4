/* ema on cpu: one pass over the blocks, which waits for memory. */
#include "kernels/ema/ema.h"

#include "core/simd.h"
#include "core/threads.h"

enum { TILE = 8192 };

static void update_tile(void *argument, int64_t tile, int worker)
{
    const tern_call *call = argument;
    const tern_ema_opts *opts = call->options;
    float *average = call->in[0]->data, rate = (float)(1 - opts->decay);
    const float *value = call->in[1]->data;
    int64_t count = call->in[0]->count, end = (tile + 1) * TILE < count ? (tile + 1) * TILE : count;

    (void)worker;
    for (int64_t i = tile * TILE; i < end; i += TERN_LANES) {
        tern_vf old = tern_load_part(average + i, end - i);
        tern_store_part(average + i, old + (tern_load_part(value + i, end - i) - old) * rate,
                        end - i);
    }
}

static void ema_forward(tern_call *call)
{
    tern_parallel(tern_ctx_pool(call->ctx), (call->in[0]->count + TILE - 1) / TILE, update_tile,
                  call);
}

const tern_impl TERN_LEVEL(tern_ema_cpu) = {
    .op = "ema", .backend = "cpu", .provider = "hand",
    .forward = ema_forward,
};
