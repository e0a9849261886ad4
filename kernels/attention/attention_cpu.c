/* attention on cpu, forward.  For each head of each row (see attention_cpu.h):
 *
 *   pack    kt[D][keys] = k',  v[keys][Dv]
 *   for each block of queries
 *       score[block][keys] = (scale * q) kt + bias
 *       p = exp(score - greatest of the row), sum[row] = sum p
 *       y[block][Dv] = p v / sum
 *
 * The division by the sum waits until y, which has fewer elements than p.
 */
#include "kernels/attention/attention_cpu.h"

#include "core/vmath.h"
#include "kernels/matmul/small_product.h"

#include <math.h>
#include <string.h>

typedef struct forward_work {
    attention_problem problem;
    char *scratch; /* [threads][scratch_bytes] */
    size_t scratch_bytes;
} forward_work;

/* One worker's scratch. */
typedef struct forward_scratch {
    int32_t *list;  /* [Lq + Lk]                               */
    float *kt;      /* [D][score_stride]                       */
    float *v;       /* [Lk][value_stride]                      */
    float *q;       /* [ATTENTION_BLOCK][depth_stride], scaled */
    float *p;       /* [ATTENTION_BLOCK][score_stride]         */
    float *y;       /* [ATTENTION_BLOCK][value_stride]         */
    float *factor;  /* [score_stride], of dropout              */
    float *room;    /* where dropout's factors are drawn       */
} forward_scratch;

static forward_scratch scratch_take(const attention_problem *problem, tern_workspace *workspace)
{
    int64_t score_stride = problem->score_stride;
    forward_scratch scratch;
    scratch.list = tern_workspace_take(workspace, problem->queries + problem->keys,
                                       sizeof(int32_t));
    scratch.kt = tern_workspace_take(workspace, problem->depth * score_stride, sizeof(float));
    scratch.v = tern_workspace_take(workspace, problem->keys * problem->value_stride,
                                    sizeof(float));
    scratch.q = tern_workspace_take(workspace, ATTENTION_BLOCK * problem->depth_stride,
                                    sizeof(float));
    scratch.p = tern_workspace_take(workspace, ATTENTION_BLOCK * score_stride, sizeof(float));
    scratch.y = tern_workspace_take(workspace, ATTENTION_BLOCK * problem->value_stride,
                                    sizeof(float));
    scratch.factor = tern_workspace_take(workspace, score_stride, sizeof(float));
    scratch.room = tern_workspace_take(
        workspace, TERN_LEVEL(tern_attention_dropout_room)(problem), sizeof(float));
    return scratch;
}

static forward_work forward_work_take(const tern_call *call, tern_workspace *workspace)
{
    forward_work work = { .problem = TERN_LEVEL(tern_attention_problem)(call) };
    tern_workspace one = { 0 };
    scratch_take(&work.problem, &one);
    work.scratch_bytes = one.used;
    work.scratch = tern_workspace_take(workspace, tern_pool_threads(tern_ctx_pool(call->ctx)),
                                       work.scratch_bytes);
    return work;
}

/* ------------------------------------------------------------- softmax -- */

typedef struct row_sum {
    float inverse; /* 1 / sum of exp(score - greatest); 0 if nothing is visible */
    float log;     /* log of the sum of exp(score)                              */
} row_sum;

/* score[0..columns) becomes exp(score - greatest), zero from `visible` on. */
static row_sum exponentials(float *score, int64_t visible, int64_t columns)
{
    tern_vf greatest = tern_splat(-INFINITY), sum = { 0 };
    if (visible == 0) {
        memset(score, 0, (size_t)columns * sizeof(float));
        return (row_sum){ 0, 0 };
    }
    for (int64_t j = 0; j < visible; j += TERN_LANES) {
        tern_vi seen = attention_lanes_below(visible - j);
        tern_vf s = tern_select(seen, tern_load(score + j), tern_splat(-INFINITY));
        greatest = tern_vmax(s, greatest);
    }
    float top = tern_hmax(greatest);
    if (top == -INFINITY) { /* all hidden by the bias */
        memset(score, 0, (size_t)columns * sizeof(float));
        return (row_sum){ 0, 0 };
    }
    for (int64_t j = 0; j < columns; j += TERN_LANES) {
        tern_vi seen = attention_lanes_below(visible - j);
        tern_vf e = tern_vexp(tern_load(score + j) - top);
        e = tern_select(seen, e, (tern_vf){ 0 });
        tern_store(score + j, e);
        sum += e;
    }
    float total = tern_hsum(sum);
    return (row_sum){ 1 / total, top + tern_logf(total) };
}

/* --------------------------------------------------------------- blocks -- */

static void apply_dropout(const attention_problem *problem, const attention_head *head, int64_t r,
                          int64_t visible, float *p, const forward_scratch *scratch)
{
    TERN_LEVEL(tern_attention_dropout)(problem, head, r, visible, scratch->room, scratch->factor);
    for (int64_t j = 0; j < visible; j++)
        p[j] *= scratch->factor[j];
}

static void store_weights(const attention_problem *problem, const attention_head *head, int64_t r,
                          int64_t visible, const float *p, float inverse_sum)
{
    const tern_tensor *out = problem->call->out[TERN_ATTENTION_WEIGHTS];
    float *weights = (float *)out->data + attention_row(problem, head, r) * problem->keys;
    memset(weights, 0, (size_t)problem->keys * sizeof(float));
    for (int64_t j = 0; j < visible; j++)
        weights[head->key[j]] = p[j] * inverse_sum;
}

static void forward_block(const attention_problem *problem, const attention_head *head,
                          const attention_block *block, const forward_scratch *scratch)
{
    const tern_call *call = problem->call;
    const tern_tensor *log_sum = call->saved[TERN_ATTENTION_LOG_SUM];
    int64_t score_stride = problem->score_stride, value_stride = problem->value_stride;
    tern_small_product scores = {
        .rows = block->rows, .columns = block->columns, .depth = problem->depth,
        .a = scratch->q, .a_stride = problem->depth_stride, .a_depth_stride = 1,
        .b = scratch->kt, .b_stride = score_stride, .c = scratch->p, .c_stride = score_stride,
    };
    tern_small_product_run(&scores);

    row_sum sums[ATTENTION_BLOCK];
    for (int64_t r = 0; r < block->rows; r++) {
        int64_t listed = block->first + r, visible = block->visible[r];
        float *p = scratch->p + r * score_stride;
        TERN_LEVEL(tern_attention_add_bias)(problem, head, listed, visible, p);
        sums[r] = exponentials(p, visible, block->columns);
        if (log_sum)
            ((float *)log_sum->data)[attention_row(problem, head, listed)] = sums[r].log;
        if (problem->dropout > 0)
            apply_dropout(problem, head, listed, visible, p, scratch);
        if (call->out[TERN_ATTENTION_WEIGHTS])
            store_weights(problem, head, listed, visible, p, sums[r].inverse);
    }
    tern_small_product values = {
        .rows = block->rows, .columns = value_stride, .depth = block->keys,
        .a = scratch->p, .a_stride = score_stride, .a_depth_stride = 1,
        .b = scratch->v, .b_stride = value_stride, .c = scratch->y, .c_stride = value_stride,
    };
    tern_small_product_run(&values);
    float *y = (float *)call->out[TERN_ATTENTION_Y]->data +
               attention_offset(problem, head, problem->queries, problem->value_depth);
    for (int64_t r = 0; r < block->rows; r++)
        TERN_LEVEL(tern_attention_scatter)(scratch->y + r * value_stride, value_stride,
                                           head->query + block->first + r, 1,
                                           problem->value_depth, sums[r].inverse, y,
                                           problem->heads * problem->value_depth, false);
}

/* What masked queries give. */
static void clear_masked(const attention_problem *problem, const attention_head *head)
{
    const tern_call *call = problem->call;
    const tern_tensor *weights = call->out[TERN_ATTENTION_WEIGHTS];
    int64_t value_depth = problem->value_depth, queries = problem->queries;
    int64_t head_number = head->n * problem->heads + head->head;
    float *y = (float *)call->out[TERN_ATTENTION_Y]->data +
               attention_offset(problem, head, queries, value_depth);

    TERN_LEVEL(tern_attention_clear_others)(head->query, head->query_count, queries, value_depth,
                                            y, problem->heads * value_depth);
    if (weights)
        TERN_LEVEL(tern_attention_clear_others)(
            head->query, head->query_count, queries, problem->keys,
            (float *)weights->data + head_number * queries * problem->keys, problem->keys);
}

static void forward_head(void *argument, int64_t task, int worker)
{
    const forward_work *work = argument;
    const attention_problem *problem = &work->problem;
    const tern_call *call = problem->call;
    tern_workspace mine = { .base = work->scratch + (size_t)worker * work->scratch_bytes };
    forward_scratch scratch = scratch_take(problem, &mine);
    attention_head head = TERN_LEVEL(tern_attention_head)(problem, task, scratch.list);
    int64_t depth = problem->depth, value_depth = problem->value_depth;
    const float *q = (const float *)call->in[TERN_ATTENTION_Q]->data +
                     attention_offset(problem, &head, problem->queries, depth);
    const float *k = (const float *)call->in[TERN_ATTENTION_K]->data +
                     attention_offset(problem, &head, problem->keys, depth);
    const float *v = (const float *)call->in[TERN_ATTENTION_V]->data +
                     attention_offset(problem, &head, problem->keys, value_depth);
    attention_block block, *before = NULL;

    clear_masked(problem, &head);
    TERN_LEVEL(tern_attention_gather_transposed)(k, problem->heads * depth, head.key,
                                                 head.key_count, depth, scratch.kt,
                                                 problem->score_stride);
    TERN_LEVEL(tern_attention_gather)(v, problem->heads * value_depth, head.key, head.key_count,
                                      value_depth, 1, scratch.v, problem->value_stride);
    for (int64_t first = 0; first < head.query_count; first += ATTENTION_BLOCK) {
        block = TERN_LEVEL(tern_attention_block)(problem, &head, first, before);
        before = &block;
        TERN_LEVEL(tern_attention_gather)(q, problem->heads * depth, head.query + first,
                                          block.rows, depth, problem->scale, scratch.q,
                                          problem->depth_stride);
        forward_block(problem, &head, &block, &scratch);
    }
}

static void attention_forward(tern_call *call)
{
    tern_workspace workspace = { .base = call->workspace };
    forward_work work = forward_work_take(call, &workspace);
    tern_parallel(tern_ctx_pool(call->ctx), work.problem.rows * work.problem.heads, forward_head,
                  &work);
}

static size_t forward_workspace(const tern_call *call)
{
    tern_workspace workspace = { 0 };
    forward_work_take(call, &workspace);
    return workspace.used;
}

const tern_impl TERN_LEVEL(tern_attention_cpu) = {
    .op = "attention", .backend = "cpu", .provider = "hand",
    .forward = attention_forward, .backward = TERN_LEVEL(tern_attention_backward),
    .forward_workspace = forward_workspace,
    .backward_workspace = TERN_LEVEL(tern_attention_backward_workspace),
};
