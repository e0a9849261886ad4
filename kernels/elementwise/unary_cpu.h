/* Functions of one tensor on cpu: tiles of TERN_UNARY_TILE elements, vector by vector.
 *
 * An op describes itself by a tern_unary and a tile in which that is a constant, so that
 * its functions are inlined:
 *
 *   static const tern_unary silu = { .value = silu_value, .gradient = silu_gradient };
 *
 *   static void silu_tile(void *task, int64_t tile, int worker)
 *   {
 *       (void)worker;
 *       tern_unary_tile(task, tile, &silu);
 *   }
 *
 *   static void silu_forward(tern_call *call) { tern_unary_forward(call, silu_tile, NULL); }
 *   static void silu_backward(tern_call *call) { tern_unary_backward(call, silu_tile, NULL); }
 */
#ifndef TERN_KERNELS_ELEMENTWISE_UNARY_CPU_H
#define TERN_KERNELS_ELEMENTWISE_UNARY_CPU_H

#include "core/context.h"
#include "core/op.h"
#include "core/simd.h"
#include "core/threads.h"

enum { TERN_UNARY_TILE = 8192, TERN_UNARY_OPTIONS = 2 };

/* y from x; and x's gradient from y's and from x or y, whichever the contract lets
 * backward read.  An op with options has the functions that get them. */
typedef struct tern_unary {
    tern_vf (*value)(tern_vf x);
    tern_vf (*gradient)(tern_vf grad_y, tern_vf known);
    tern_vf (*value_with)(tern_vf x, const float *option);
    tern_vf (*gradient_with)(tern_vf grad_y, tern_vf known, const float *option);
} tern_unary;

typedef struct tern_unary_task {
    const float *from;   /* x, and in backward what is known */
    const float *grad_y; /* NULL in forward                  */
    float *to;           /* y, or the gradient of x          */
    int64_t count;
    bool accumulate;
    float option[TERN_UNARY_OPTIONS];
} tern_unary_task;

static inline __attribute__((always_inline)) void
tern_unary_tile(const tern_unary_task *task, int64_t tile, const tern_unary *op)
{
    float option[TERN_UNARY_OPTIONS] = { task->option[0], task->option[1] };
    int64_t i = tile * TERN_UNARY_TILE, end = i + TERN_UNARY_TILE;
    end = end < task->count ? end : task->count;
    if (!task->grad_y) {
        for (; i < end; i += TERN_LANES) {
            tern_vf x = tern_load_part(task->from + i, end - i);
            tern_store_part(task->to + i, op->value ? op->value(x) : op->value_with(x, option),
                            end - i);
        }
        return;
    }
    for (; i < end; i += TERN_LANES) {
        tern_vf known = tern_load_part(task->from + i, end - i);
        tern_vf grad_y = tern_load_part(task->grad_y + i, end - i);
        tern_vf grad = op->gradient ? op->gradient(grad_y, known)
                                    : op->gradient_with(grad_y, known, option);
        tern_store_grad(task->to + i, grad, end - i, task->accumulate);
    }
}

static inline void tern_unary_run(tern_call *call, tern_tile_fn tile, tern_unary_task *task,
                                  const float *option)
{
    if (option)
        memcpy(task->option, option, sizeof task->option);
    task->count = call->out[0]->count;
    tern_parallel(tern_ctx_pool(call->ctx),
                  (task->count + TERN_UNARY_TILE - 1) / TERN_UNARY_TILE, tile, task);
}

/* option: TERN_UNARY_OPTIONS numbers, or NULL. */
static inline void tern_unary_forward(tern_call *call, tern_tile_fn tile, const float *option)
{
    tern_unary_task task = { .from = call->in[0]->data, .to = call->out[0]->data };
    tern_unary_run(call, tile, &task, option);
}

static inline void tern_unary_backward(tern_call *call, tern_tile_fn tile, const float *option)
{
    const float *x = call->in[0]->data, *y = call->out[0]->data;
    tern_unary_task task = { .grad_y = call->grad_out[0]->data, .to = call->grad_in[0]->data,
                             .accumulate = call->accumulate[0] };
    task.from = x ? x : y ? y : task.grad_y; /* neg needs neither */
    tern_unary_run(call, tile, &task, option);
}

#endif
