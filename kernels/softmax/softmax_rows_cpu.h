/* How softmax and log_softmax go through their rows on cpu. */
#ifndef TERN_KERNELS_SOFTMAX_ROWS_CPU_H
#define TERN_KERNELS_SOFTMAX_ROWS_CPU_H

#include "core/context.h"
#include "core/op.h"
#include "core/threads.h"
#include "core/tiles.h"
#include "kernels/softmax/score_row_cpu.h"

typedef struct softmax_task softmax_task;

/* What becomes of the row that begins with element `at`. */
typedef void (*softmax_row)(const softmax_task *task, int64_t at);

struct softmax_task {
    const float *x, *y, *grad_y; /* x in forward, the others in backward */
    const uint8_t *mask;         /* NULL: all valid                      */
    float *to;                   /* y, or the gradient of x              */
    bool accumulate;
    softmax_row row;
    int64_t width;
    tern_tiles rows;
};

static void softmax_rows_tile(void *argument, int64_t tile, int worker)
{
    const softmax_task *task = argument;
    int64_t end = tern_tile_end(&task->rows, tile);
    (void)worker;
    for (int64_t r = tern_tile_begin(&task->rows, tile); r < end; r++)
        task->row(task, r * task->width);
}

static inline void softmax_rows_run(tern_call *call, softmax_task *task)
{
    enum { TILE_ELEMENTS = 4096 };
    const tern_tensor *x = call->in[0];
    if (x->count == 0)
        return;
    task->width = tern_dim(x, -1);
    task->rows = tern_tiles_of_rows(x->count / task->width, task->width, TILE_ELEMENTS, 1);
    tern_parallel(tern_ctx_pool(call->ctx), task->rows.count, softmax_rows_tile, task);
}

static inline void softmax_rows_forward(tern_call *call, softmax_row row)
{
    softmax_task task = { .x = call->in[0]->data, .to = call->out[0]->data, .row = row,
                          .mask = call->in[1] ? call->in[1]->data : NULL };
    softmax_rows_run(call, &task);
}

/* Of the mask there is only what the contract says that backward reads. */
static inline void softmax_rows_backward(tern_call *call, softmax_row row)
{
    softmax_task task = { .y = call->out[0]->data, .grad_y = call->grad_out[0]->data,
                          .to = call->grad_in[0]->data, .accumulate = call->accumulate[0],
                          .row = row, .mask = call->in[1] ? call->in[1]->data : NULL };
    softmax_rows_run(call, &task);
}

#endif
