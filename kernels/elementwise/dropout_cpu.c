/* dropout on cpu: Philox on whole vectors of counters.
 *
 * One Philox block gives the bits of 4 elements, so TERN_LANES blocks side by side
 * give those of GROUP = 4 * TERN_LANES.  The rounds are those of tern_philox in
 * core/rng.h, lane by lane; ref draws its mask there, and the tests compare. */
#include "core/rng.h"
#include "core/simd.h"
#include "core/threads.h"
#include "kernels/elementwise/dropout.h"

enum { GROUP = 4 * TERN_LANES, TILE = 8192 };

typedef uint32_t lanes_u32 __attribute__((vector_size(TERN_VECTOR_BYTES)));
typedef uint64_t pairs_u64 __attribute__((vector_size(TERN_VECTOR_BYTES)));

typedef struct dropout_task {
    const float *from;
    float *to;
    int64_t count;
    bool accumulate, drops;
    uint32_t threshold; /* keep where 24 random bits are not below it */
    float scale;
    uint64_t seed;
    uint32_t step, position;
} dropout_task;

/* The 64-bit products a * b of all lanes, even and odd lanes apart. */
static inline void multiply(lanes_u32 a, uint64_t b, lanes_u32 *high, lanes_u32 *low)
{
    const uint64_t low_half = 0xFFFFFFFFu;
    pairs_u64 even = ((pairs_u64)a & low_half) * b, odd = ((pairs_u64)a >> 32) * b;
    *low = (lanes_u32)((even & low_half) | odd << 32);
    *high = (lanes_u32)(even >> 32 | (odd & ~low_half));
}

/* The factors, scale or 0, of the GROUP elements from first on. */
static inline void draw_factors(const dropout_task *task, int64_t first, float factor[GROUP])
{
    uint32_t key0 = (uint32_t)task->seed, key1 = (uint32_t)(task->seed >> 32);
    uint32_t low[TERN_LANES], high[TERN_LANES];
    lanes_u32 word[4];
    for (int lane = 0; lane < TERN_LANES; lane++) {
        uint64_t block = (uint64_t)first / 4 + (uint64_t)lane;
        low[lane] = (uint32_t)block;
        high[lane] = (uint32_t)(block >> 32);
    }
    memcpy(&word[0], low, sizeof low);
    memcpy(&word[1], high, sizeof high);
    word[2] = task->position - (lanes_u32){ 0 };
    word[3] = task->step - (lanes_u32){ 0 };
    for (int round = 0; round < 10; round++) {
        lanes_u32 high0, low0, high2, low2;
        multiply(word[0], 0xD2511F53u, &high0, &low0);
        multiply(word[2], 0xCD9E8D57u, &high2, &low2);
        word[0] = high2 ^ word[1] ^ key0;
        word[1] = low2;
        word[2] = high0 ^ word[3] ^ key1;
        word[3] = low0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    for (int j = 0; j < 4; j++) {
        tern_vf keep = tern_select((tern_vi)(word[j] >> 8 >= task->threshold),
                                   tern_splat(task->scale), (tern_vf){ 0 });
        for (int lane = 0; lane < TERN_LANES; lane++)
            factor[4 * lane + j] = keep[lane];
    }
}

static void dropout_tile(void *argument, int64_t tile, int worker)
{
    const dropout_task *task = argument;
    int64_t end = (tile + 1) * TILE < task->count ? (tile + 1) * TILE : task->count;
    (void)worker;

    for (int64_t first = tile * TILE; first < end; first += GROUP) {
        const float *from = task->from + first;
        float *to = task->to + first, factor[GROUP];
        int64_t n = end - first < GROUP ? end - first : GROUP;
        if (task->drops)
            draw_factors(task, first, factor);
        for (int64_t e = 0; e < n; e++) {
            float value = task->drops ? from[e] * factor[e] : from[e];
            to[e] = task->accumulate ? to[e] + value : value;
        }
    }
}

/* Uniforms are k * 2^-24 for an integer k, so u >= p is k >= ceil(p * 2^24). */
static void apply(tern_call *call, const tern_tensor *from, tern_tensor *to, bool accumulate)
{
    const tern_dropout_opts *opts = call->options;
    dropout_task task = { .from = from->data, .to = to->data, .count = from->count,
                          .accumulate = accumulate, .drops = call->training && opts->p > 0,
                          .threshold = (uint32_t)ceil(opts->p * 0x1p24),
                          .scale = (float)tern_dropout_scale(opts->p), .seed = call->rng_seed,
                          .step = call->rng_step, .position = call->rng_position };
    tern_parallel(tern_ctx_pool(call->ctx), (task.count + TILE - 1) / TILE, dropout_tile, &task);
}

static void dropout_forward(tern_call *call)
{
    apply(call, call->in[0], call->out[0], false);
}

static void dropout_backward(tern_call *call)
{
    apply(call, call->grad_out[0], call->grad_in[0], call->accumulate[0]);
}

const tern_impl TERN_LEVEL(tern_dropout_cpu) = {
    .op = "dropout", .backend = "cpu", .provider = "hand",
    .forward = dropout_forward, .backward = dropout_backward,
};
