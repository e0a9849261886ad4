/* sum, mean, max and var on cpu: forward is one or two folds (reduce_fold_cpu.c).
 *
 * Backward goes through x row by row, a row being x's last axis after joining: its
 * elements belong to one output if it is reduced, side by side to as many if it is
 * kept.  Long rows are cut into pieces, short ones gathered to tiles. */
#include "kernels/reduce/reduce.h"

#include "core/threads.h"
#include "core/workspace.h"
#include "kernels/reduce/reduce_fold.h"

enum { PIECE = 8192 /* elements of x in a tile, about */ };

typedef enum spread_kind {
    SPREAD_EVEN,     /* dx = factor * dy                              */
    SPREAD_EQUALS,   /* dx = dy / equals where x is the center, else 0 */
    SPREAD_DEVIATION /* dx = factor * dy * (x - center)               */
} spread_kind;

typedef struct spread_task {
    spread_kind kind;
    const reduce_view *view;
    const float *x, *grad_y, *center, *equals;
    float *grad_x;
    float factor;
    bool accumulate;
    int64_t row, rows, pieces, rows_per_tile;
} spread_task;

/* The gradient of one element of x, whose output is o. */
static inline __attribute__((always_inline)) float
gradient_of(const spread_kind kind, const spread_task *task, int64_t i, int64_t o)
{
    if (kind == SPREAD_EVEN)
        return task->grad_y[o] * task->factor;
    if (kind == SPREAD_EQUALS)
        return (task->x[i] == task->center[o] ? task->grad_y[o] : 0) / task->equals[o];
    return task->grad_y[o] * task->factor * (task->x[i] - task->center[o]);
}

/* Elements [from, to) of x; the first one's output is o, `step` leads to the next's. */
static inline __attribute__((always_inline)) void
spread_piece(const spread_kind kind, const int step, const spread_task *task, int64_t from,
             int64_t to, int64_t o)
{
    float *restrict grad_x = task->grad_x;
    if (task->accumulate)
        for (int64_t i = from; i < to; i++)
            grad_x[i] += gradient_of(kind, task, i, o + step * (i - from));
    else
        for (int64_t i = from; i < to; i++)
            grad_x[i] = gradient_of(kind, task, i, o + step * (i - from));
}

static inline __attribute__((always_inline)) void spread_tile(const spread_kind kind,
                                                              const spread_task *task, int64_t tile)
{
    bool row_kept = !task->view->reduced[task->view->axes - 1];
    int64_t column = tile % task->pieces * PIECE, row = tile / task->pieces * task->rows_per_tile;
    int64_t end = column + PIECE < task->row ? column + PIECE : task->row;
    int64_t last = row + task->rows_per_tile < task->rows ? row + task->rows_per_tile : task->rows;

    for (; row < last; row++) {
        int64_t from = row * task->row + column, to = row * task->row + end;
        int64_t output = tern_reduce_output(task->view, from);
        if (row_kept)
            spread_piece(kind, 1, task, from, to, output);
        else
            spread_piece(kind, 0, task, from, to, output);
    }
}

static void spread_any_tile(void *argument, int64_t tile, int worker)
{
    const spread_task *task = argument;
    (void)worker;
    switch (task->kind) {
    case SPREAD_EVEN: spread_tile(SPREAD_EVEN, task, tile); break;
    case SPREAD_EQUALS: spread_tile(SPREAD_EQUALS, task, tile); break;
    case SPREAD_DEVIATION: spread_tile(SPREAD_DEVIATION, task, tile); break;
    }
}

static void spread(tern_call *call, spread_task *task)
{
    if (call->in[0]->count == 0)
        return;
    task->x = call->in[0]->data;
    task->grad_y = call->grad_out[0]->data;
    task->grad_x = call->grad_in[0]->data;
    task->accumulate = call->accumulate[0];
    task->row = task->view->extent[task->view->axes - 1];
    task->rows = call->in[0]->count / task->row;
    task->pieces = (task->row + PIECE - 1) / PIECE;
    task->rows_per_tile = task->row < PIECE ? PIECE / task->row : 1;
    int64_t row_tiles = (task->rows + task->rows_per_tile - 1) / task->rows_per_tile;
    tern_parallel(tern_ctx_pool(call->ctx), row_tiles * task->pieces, spread_any_tile, task);
}

static void fold_x(const tern_call *call, const reduce_view *view, fold_kind kind,
                   const float *center, float scale, float *to, void *workspace)
{
    TERN_LEVEL(tern_reduce_fold)(call->ctx, view, kind, call->in[0]->data, center, scale, to,
                                 workspace);
}

/* -------------------------------------------------------- sum and mean -- */

static size_t fold_workspace(const tern_call *call)
{
    reduce_view view = tern_reduce_view(call);
    return TERN_LEVEL(tern_reduce_fold_bytes)(&view);
}

static void sum_forward(tern_call *call)
{
    reduce_view view = tern_reduce_view(call);
    fold_x(call, &view, FOLD_SUM, NULL, 1, call->out[0]->data, call->workspace);
}

static void sum_backward(tern_call *call)
{
    reduce_view view = tern_reduce_view(call);
    spread_task task = { .kind = SPREAD_EVEN, .view = &view, .factor = 1 };
    spread(call, &task);
}

static void mean_forward(tern_call *call)
{
    reduce_view view = tern_reduce_view(call);
    fold_x(call, &view, FOLD_SUM, NULL, 1 / (float)view.terms, call->out[0]->data,
           call->workspace);
}

static void mean_backward(tern_call *call)
{
    reduce_view view = tern_reduce_view(call);
    spread_task task = { .kind = SPREAD_EVEN, .view = &view, .factor = 1 / (float)view.terms };
    spread(call, &task);
}

/* ----------------------------------------------------------------- max -- */

static void max_forward(tern_call *call)
{
    reduce_view view = tern_reduce_view(call);
    fold_x(call, &view, FOLD_MAX, NULL, 1, call->out[0]->data, call->workspace);
}

typedef struct max_parts {
    float *largest, *equals;
    void *fold;
    size_t bytes;
} max_parts;

static max_parts take_max_parts(const reduce_view *view, void *base)
{
    tern_workspace workspace = { .base = base };
    max_parts parts = { .largest = tern_workspace_take(&workspace, view->outputs, sizeof(float)) };
    parts.equals = tern_workspace_take(&workspace, view->outputs, sizeof(float));
    parts.fold = tern_workspace_take(
        &workspace, (int64_t)TERN_LEVEL(tern_reduce_fold_bytes)(view), sizeof(char));
    parts.bytes = workspace.used;
    return parts;
}

static size_t max_backward_workspace(const tern_call *call)
{
    reduce_view view = tern_reduce_view(call);
    return take_max_parts(&view, NULL).bytes;
}

static void max_backward(tern_call *call)
{
    reduce_view view = tern_reduce_view(call);
    max_parts parts = take_max_parts(&view, call->workspace);
    spread_task task = { .kind = SPREAD_EQUALS, .view = &view, .center = parts.largest,
                         .equals = parts.equals };
    fold_x(call, &view, FOLD_MAX, NULL, 1, parts.largest, parts.fold);
    fold_x(call, &view, FOLD_EQUALS, parts.largest, 1, parts.equals, parts.fold);
    spread(call, &task);
}

/* ----------------------------------------------------------------- var -- */

typedef struct var_parts {
    float *mean; /* where none is saved */
    void *fold;
    size_t bytes;
} var_parts;

static var_parts take_var_parts(const reduce_view *view, void *base)
{
    tern_workspace workspace = { .base = base };
    var_parts parts = { .mean = tern_workspace_take(&workspace, view->outputs, sizeof(float)) };
    parts.fold = tern_workspace_take(
        &workspace, (int64_t)TERN_LEVEL(tern_reduce_fold_bytes)(view), sizeof(char));
    parts.bytes = workspace.used;
    return parts;
}

static size_t var_forward_workspace(const tern_call *call)
{
    reduce_view view = tern_reduce_view(call);
    return take_var_parts(&view, NULL).bytes;
}

static void var_forward(tern_call *call)
{
    reduce_view view = tern_reduce_view(call);
    var_parts parts = take_var_parts(&view, call->workspace);
    float *mean = call->saved[0] ? call->saved[0]->data : parts.mean;
    float scale = (float)(1 / tern_var_divisor(call, &view));
    fold_x(call, &view, FOLD_SUM, NULL, 1 / (float)view.terms, mean, parts.fold);
    fold_x(call, &view, FOLD_SQUARES, mean, scale, call->out[0]->data, parts.fold);
}

static void var_backward(tern_call *call)
{
    reduce_view view = tern_reduce_view(call);
    spread_task task = { .kind = SPREAD_DEVIATION, .view = &view, .center = call->saved[0]->data,
                         .factor = (float)(2 / tern_var_divisor(call, &view)) };
    spread(call, &task);
}

const tern_impl TERN_LEVEL(tern_sum_cpu) = {
    .op = "sum", .backend = "cpu", .provider = "hand",
    .forward = sum_forward, .backward = sum_backward,
    .forward_workspace = fold_workspace,
};

const tern_impl TERN_LEVEL(tern_mean_cpu) = {
    .op = "mean", .backend = "cpu", .provider = "hand",
    .forward = mean_forward, .backward = mean_backward,
    .forward_workspace = fold_workspace,
};

const tern_impl TERN_LEVEL(tern_max_cpu) = {
    .op = "max", .backend = "cpu", .provider = "hand",
    .forward = max_forward, .backward = max_backward,
    .forward_workspace = fold_workspace, .backward_workspace = max_backward_workspace,
};

const tern_impl TERN_LEVEL(tern_var_cpu) = {
    .op = "var", .backend = "cpu", .provider = "hand",
    .forward = var_forward, .backward = var_backward,
    .forward_workspace = var_forward_workspace,
};
