/* attention on cpu, backward.  For each head of each row (see attention_cpu.h):
 *
 *   pack    kt[D][keys] = k',  vt[Dv][keys] = v',  k[keys][D]
 *   for each block of queries
 *       p  = exp((scale * q) kt + bias - log_sum)   the softmax again
 *       dp = dy vt + grad_weights, times dropout's factor
 *       ds = p * (dp - sum of p * dp)               gradient of the scores and the bias
 *       grad q  = scale * ds k
 *       grad k += ds' (scale * q)
 *       grad v += (p times dropout's factor)' dy
 *
 * Blocks follow one another in one task, so the sums have a fixed order.  Where the
 * bias' gradient is wanted, so do the heads that share a slice [Lq,Lk] of it: a task is
 * such a slice then, else a head.
 */
#include "kernels/attention/attention_cpu.h"

#include "core/vmath.h"
#include "kernels/matmul/small_product.h"

#include <string.h>

typedef struct backward_work {
    attention_problem problem;
    char *scratch; /* [threads][scratch_bytes] */
    size_t scratch_bytes;
} backward_work;

/* One worker's scratch. */
typedef struct backward_scratch {
    int32_t *list;                /* [Lq + Lk]                               */
    float *kt, *vt;               /* [D][score_stride], [Dv][score_stride]   */
    float *k, *grad_k;            /* [Lk][depth_stride]                      */
    float *grad_v;                /* [Lk][value_stride]                      */
    float *q, *grad_q;            /* [ATTENTION_BLOCK][depth_stride]         */
    float *grad_y;                /* [ATTENTION_BLOCK][value_stride]         */
    float *p, *ds;                /* [ATTENTION_BLOCK][score_stride]         */
    float *factor;                /* [score_stride], of dropout              */
    float *room;                  /* where dropout's factors are drawn       */
} backward_scratch;

static float *take(tern_workspace *workspace, int64_t rows, int64_t stride)
{
    return tern_workspace_take(workspace, rows * stride, sizeof(float));
}

static backward_scratch scratch_take(const attention_problem *problem, tern_workspace *workspace)
{
    int64_t depth_stride = problem->depth_stride, value_stride = problem->value_stride;
    int64_t score_stride = problem->score_stride, keys = problem->keys;
    backward_scratch scratch;
    scratch.list = tern_workspace_take(workspace, problem->queries + keys, sizeof(int32_t));
    scratch.kt = take(workspace, problem->depth, score_stride);
    scratch.vt = take(workspace, problem->value_depth, score_stride);
    scratch.k = take(workspace, keys, depth_stride);
    scratch.grad_k = take(workspace, keys, depth_stride);
    scratch.grad_v = take(workspace, keys, value_stride);
    scratch.q = take(workspace, ATTENTION_BLOCK, depth_stride);
    scratch.grad_q = take(workspace, ATTENTION_BLOCK, depth_stride);
    scratch.grad_y = take(workspace, ATTENTION_BLOCK, value_stride);
    scratch.p = take(workspace, ATTENTION_BLOCK, score_stride);
    scratch.ds = take(workspace, ATTENTION_BLOCK, score_stride);
    scratch.factor = take(workspace, 1, score_stride);
    scratch.room = take(workspace, 1, TERN_LEVEL(tern_attention_dropout_room)(problem));
    return scratch;
}

static backward_work backward_work_take(const tern_call *call, tern_workspace *workspace)
{
    backward_work work = { .problem = TERN_LEVEL(tern_attention_problem)(call) };
    tern_workspace one = { 0 };
    scratch_take(&work.problem, &one);
    work.scratch_bytes = one.used;
    work.scratch = tern_workspace_take(workspace, tern_pool_threads(tern_ctx_pool(call->ctx)),
                                       work.scratch_bytes);
    return work;
}

/* ---------------------------------------------------------------- rows -- */

/* Scores to the softmax, zero from `visible` on. */
static void softmax_again(float *score, int64_t visible, int64_t columns, float log_sum)
{
    for (int64_t j = 0; j < columns; j += TERN_LANES) {
        tern_vi seen = attention_lanes_below(visible - j);
        tern_vf p = tern_vexp(tern_load(score + j) - log_sum);
        tern_store(score + j, tern_select(seen, p, (tern_vf){ 0 }));
    }
}

static void add_grad_weights(const attention_problem *problem, const attention_head *head,
                             int64_t r, int64_t visible, float *dp)
{
    const tern_tensor *grad = problem->call->grad_out[TERN_ATTENTION_WEIGHTS];
    const float *row = (const float *)grad->data + attention_row(problem, head, r) * problem->keys;
    for (int64_t j = 0; j < visible; j++)
        dp[j] += row[head->key[j]];
}

/* dp, the gradient of the softmax p, to ds, that of the scores. */
static void softmax_backward(const float *p, float *dp, int64_t columns)
{
    tern_vf product = { 0 };
    for (int64_t j = 0; j < columns; j += TERN_LANES)
        product += tern_load(p + j) * tern_load(dp + j);
    float mean = tern_hsum(product);
    for (int64_t j = 0; j < columns; j += TERN_LANES)
        tern_store(dp + j, tern_load(p + j) * (tern_load(dp + j) - mean));
}

/* The scores' gradient of one query to the bias'. */
static void add_grad_bias(const attention_problem *problem, const attention_head *head, int64_t r,
                          int64_t visible, const float *ds)
{
    const tern_tensor *grad = problem->call->grad_in[TERN_ATTENTION_BIAS];
    if (!grad)
        return;
    float *row = (float *)grad->data + attention_bias_offset(problem, head, r);
    for (int64_t j = 0; j < visible; j++)
        row[head->key[j]] += ds[j];
}

/* p and dp of a block of scores to p (as it multiplied v) and ds. */
static void backward_rows(const attention_problem *problem, const attention_head *head,
                          const attention_block *block, const backward_scratch *scratch)
{
    const float *log_sum = problem->call->saved[TERN_ATTENTION_LOG_SUM]->data;
    for (int64_t r = 0; r < block->rows; r++) {
        int64_t listed = block->first + r, visible = block->visible[r];
        float *p = scratch->p + r * problem->score_stride;
        float *ds = scratch->ds + r * problem->score_stride, *factor = scratch->factor;
        TERN_LEVEL(tern_attention_add_bias)(problem, head, listed, visible, p);
        softmax_again(p, visible, block->columns, log_sum[attention_row(problem, head, listed)]);
        if (problem->call->grad_out[TERN_ATTENTION_WEIGHTS])
            add_grad_weights(problem, head, listed, visible, ds);
        if (problem->dropout > 0) {
            TERN_LEVEL(tern_attention_dropout)(problem, head, listed, visible, scratch->room,
                                               factor);
            for (int64_t j = 0; j < visible; j++)
                ds[j] *= factor[j];
        }
        softmax_backward(p, ds, block->columns);
        add_grad_bias(problem, head, listed, visible, ds);
        for (int64_t j = 0; problem->dropout > 0 && j < visible; j++)
            p[j] *= factor[j];
    }
}

/* --------------------------------------------------------------- blocks -- */

/* score[block][keys] = a bt, with bt [depth][keys] packed. */
static void scores(const attention_problem *problem, const attention_block *block, const float *a,
                   int64_t a_stride, int64_t depth, const float *bt, float *score)
{
    tern_small_product product = {
        .rows = block->rows, .columns = block->columns, .depth = depth, .a = a,
        .a_stride = a_stride, .a_depth_stride = 1, .b = bt, .b_stride = problem->score_stride,
        .c = score, .c_stride = problem->score_stride,
    };
    tern_small_product_run(&product);
}

/* grad[keys][width] += s' b, with s [block][keys] and b [block][width]. */
static void add_to_keys(const attention_problem *problem, const attention_block *block,
                        const float *s, const float *b, int64_t width, float *grad)
{
    tern_small_product product = {
        .rows = block->keys, .columns = width, .depth = block->rows, .a = s, .a_stride = 1,
        .a_depth_stride = problem->score_stride, .b = b, .b_stride = width, .c = grad,
        .c_stride = width, .accumulate = true,
    };
    tern_small_product_run(&product);
}

/* An input's gradient, where this head begins; NULL if it is not wanted. */
static float *grad_data(const attention_problem *problem, const attention_head *head, int input,
                        int64_t length, int64_t depth)
{
    const tern_tensor *grad = problem->call->grad_in[input];
    return grad ? (float *)grad->data + attention_offset(problem, head, length, depth) : NULL;
}

static void backward_block(const attention_problem *problem, const attention_head *head,
                           const attention_block *block, const backward_scratch *scratch,
                           float *grad_q)
{
    scores(problem, block, scratch->q, problem->depth_stride, problem->depth, scratch->kt,
           scratch->p);
    scores(problem, block, scratch->grad_y, problem->value_stride, problem->value_depth,
           scratch->vt, scratch->ds);
    backward_rows(problem, head, block, scratch);
    if (grad_q) {
        tern_small_product product = {
            .rows = block->rows, .columns = problem->depth_stride, .depth = block->keys,
            .a = scratch->ds, .a_stride = problem->score_stride, .a_depth_stride = 1,
            .b = scratch->k, .b_stride = problem->depth_stride, .c = scratch->grad_q,
            .c_stride = problem->depth_stride,
        };
        tern_small_product_run(&product);
        TERN_LEVEL(tern_attention_scatter)(
            scratch->grad_q, problem->depth_stride, head->query + block->first, block->rows,
            problem->depth, problem->scale, grad_q, problem->heads * problem->depth,
            problem->call->accumulate[TERN_ATTENTION_Q]);
    }
    if (problem->call->grad_in[TERN_ATTENTION_K])
        add_to_keys(problem, block, scratch->ds, scratch->q, problem->depth_stride,
                    scratch->grad_k);
    if (problem->call->grad_in[TERN_ATTENTION_V])
        add_to_keys(problem, block, scratch->p, scratch->grad_y, problem->value_stride,
                    scratch->grad_v);
}

/* ---------------------------------------------------------------- heads -- */

static void pack_keys(const attention_problem *problem, const attention_head *head,
                      const backward_scratch *scratch)
{
    const tern_call *call = problem->call;
    int64_t depth = problem->depth, value_depth = problem->value_depth;
    int64_t k_stride = problem->heads * depth, v_stride = problem->heads * value_depth;
    const float *k = (const float *)call->in[TERN_ATTENTION_K]->data +
                     attention_offset(problem, head, problem->keys, depth);
    const float *v = (const float *)call->in[TERN_ATTENTION_V]->data +
                     attention_offset(problem, head, problem->keys, value_depth);

    TERN_LEVEL(tern_attention_gather_transposed)(k, k_stride, head->key, head->key_count, depth,
                                                 scratch->kt, problem->score_stride);
    TERN_LEVEL(tern_attention_gather_transposed)(v, v_stride, head->key, head->key_count,
                                                 value_depth, scratch->vt, problem->score_stride);
    TERN_LEVEL(tern_attention_gather)(k, k_stride, head->key, head->key_count, depth, 1,
                                      scratch->k, problem->depth_stride);
    memset(scratch->grad_k, 0,
           (size_t)(head->key_count * problem->depth_stride) * sizeof(float));
    memset(scratch->grad_v, 0,
           (size_t)(head->key_count * problem->value_stride) * sizeof(float));
}

/* The keys' or values' gradient of this head to its place. */
static void store_key_gradient(const attention_problem *problem, const attention_head *head,
                               int input, int64_t depth, const float *grad, int64_t stride)
{
    float *to = grad_data(problem, head, input, problem->keys, depth);
    bool accumulate = problem->call->accumulate[input];
    if (!to)
        return;
    TERN_LEVEL(tern_attention_scatter)(grad, stride, head->key, head->key_count, depth, 1, to,
                                       problem->heads * depth, accumulate);
    if (!accumulate)
        TERN_LEVEL(tern_attention_clear_others)(head->key, head->key_count, problem->keys, depth,
                                                to, problem->heads * depth);
}

static void backward_head(const backward_work *work, int64_t number, int worker)
{
    const attention_problem *problem = &work->problem;
    const tern_call *call = problem->call;
    tern_workspace mine = { .base = work->scratch + (size_t)worker * work->scratch_bytes };
    backward_scratch scratch = scratch_take(problem, &mine);
    attention_head head = TERN_LEVEL(tern_attention_head)(problem, number, scratch.list);
    int64_t depth = problem->depth, value_depth = problem->value_depth;
    int64_t queries = problem->queries;
    const float *q = (const float *)call->in[TERN_ATTENTION_Q]->data +
                     attention_offset(problem, &head, queries, depth);
    const float *grad_y = (const float *)call->grad_out[TERN_ATTENTION_Y]->data +
                          attention_offset(problem, &head, queries, value_depth);
    float *grad_q = grad_data(problem, &head, TERN_ATTENTION_Q, queries, depth);
    attention_block block, *before = NULL;

    pack_keys(problem, &head, &scratch);
    for (int64_t first = 0; first < head.query_count; first += ATTENTION_BLOCK) {
        block = TERN_LEVEL(tern_attention_block)(problem, &head, first, before);
        before = &block;
        TERN_LEVEL(tern_attention_gather)(q, problem->heads * depth, head.query + first,
                                          block.rows, depth, problem->scale, scratch.q,
                                          problem->depth_stride);
        TERN_LEVEL(tern_attention_gather)(grad_y, problem->heads * value_depth,
                                          head.query + first, block.rows, value_depth, 1,
                                          scratch.grad_y, problem->value_stride);
        backward_block(problem, &head, &block, &scratch, grad_q);
    }
    if (grad_q && !call->accumulate[TERN_ATTENTION_Q])
        TERN_LEVEL(tern_attention_clear_others)(head.query, head.query_count, queries, depth,
                                                grad_q, problem->heads * depth);
    store_key_gradient(problem, &head, TERN_ATTENTION_K, depth, scratch.grad_k,
                       problem->depth_stride);
    store_key_gradient(problem, &head, TERN_ATTENTION_V, value_depth, scratch.grad_v,
                       problem->value_stride);
}

static void backward_one(void *argument, int64_t task, int worker)
{
    backward_head(argument, task, worker);
}

/* All heads of all rows that share a slice of the bias, in their order. */
static void backward_slice(void *argument, int64_t slice, int worker)
{
    const backward_work *work = argument;
    const attention_problem *problem = &work->problem;
    const tern_call *call = problem->call;
    int64_t first_row = slice / problem->bias.heads, first_head = slice % problem->bias.heads;
    int64_t scores = problem->queries * problem->keys;
    float *grad = (float *)call->grad_in[TERN_ATTENTION_BIAS]->data + slice * scores;

    if (!call->accumulate[TERN_ATTENTION_BIAS])
        memset(grad, 0, (size_t)scores * sizeof(float));
    for (int64_t n = first_row; n < problem->rows; n += problem->bias.rows)
        for (int64_t h = first_head; h < problem->heads; h += problem->bias.heads)
            backward_head(work, n * problem->heads + h, worker);
}

void TERN_LEVEL(tern_attention_backward)(tern_call *call)
{
    tern_workspace workspace = { .base = call->workspace };
    backward_work work = backward_work_take(call, &workspace);
    const attention_problem *problem = &work.problem;
    tern_pool *pool = tern_ctx_pool(call->ctx);
    if (call->grad_in[TERN_ATTENTION_BIAS])
        tern_parallel(pool, problem->bias.rows * problem->bias.heads, backward_slice, &work);
    else
        tern_parallel(pool, problem->rows * problem->heads, backward_one, &work);
}

size_t TERN_LEVEL(tern_attention_backward_workspace)(const tern_call *call)
{
    tern_workspace workspace = { 0 };
    backward_work_take(call, &workspace);
    return workspace.used;
}
