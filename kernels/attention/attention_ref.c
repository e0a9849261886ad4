/* attention on ref: one query of one head after the other, in float64. */
#include "kernels/attention/attention.h"

#include "kernels/ref_grad.h"

#include "core/rng.h"

#include <math.h>
#include <string.h>

/* The sizes and tensors both directions need. */
typedef struct attention_problem {
    int64_t rows, heads, queries, keys, depth, value_depth; /* N, heads, Lq, Lk, D, Dv */
    double scale, dropout; /* dropout is 0 outside training */
    bool causal;
    const double *q, *k, *v, *bias;
    tern_attention_bias bias_extent;
    const uint8_t *query_mask, *key_mask;
} attention_problem;

static const uint8_t *mask_data(const tern_call *call, int index)
{
    return call->in[index] ? call->in[index]->data : NULL;
}

static attention_problem attention_problem_of(const tern_call *call)
{
    const tern_attention_opts *opts = call->options;
    const tern_tensor *q = call->in[TERN_ATTENTION_Q], *k = call->in[TERN_ATTENTION_K];
    const tern_tensor *v = call->in[TERN_ATTENTION_V], *bias = call->in[TERN_ATTENTION_BIAS];
    int64_t depth = q->shape[2] / opts->heads;
    return (attention_problem){
        .rows = q->shape[0], .heads = opts->heads, .queries = q->shape[1], .keys = k->shape[1],
        .depth = depth, .value_depth = v->shape[2] / opts->heads,
        .scale = opts->scale != 0 ? opts->scale : 1 / sqrt((double)depth),
        .dropout = call->training ? opts->dropout : 0,
        .causal = opts->causal,
        .q = q->data, .k = k->data, .v = v->data, .bias = bias ? bias->data : NULL,
        .bias_extent = tern_attention_bias_of(bias),
        .query_mask = mask_data(call, TERN_ATTENTION_QUERY_MASK),
        .key_mask = mask_data(call, TERN_ATTENTION_KEY_MASK),
    };
}

/* One query of one head: where its parts stand. */
typedef struct attention_query {
    int64_t n, head, i;
    int64_t number; /* (n*heads + head)*Lq + i */
} attention_query;

static attention_query query_at(const attention_problem *p, int64_t number)
{
    int64_t row_and_head = number / p->queries;
    return (attention_query){ row_and_head / p->heads, row_and_head % p->heads,
                              number % p->queries, number };
}

/* Offset of query i or key j of a head in q and k (channels = D) or v and y (Dv). */
static int64_t offset(const attention_problem *p, const attention_query *at, int64_t length,
                      int64_t index, int64_t channels)
{
    return ((at->n * length + index) * p->heads + at->head) * channels;
}

/* Offset of the query's bias for key j. */
static int64_t bias_offset(const attention_problem *p, const attention_query *at, int64_t j)
{
    int64_t row = at->n % p->bias_extent.rows, head = at->head % p->bias_extent.heads;
    return ((row * p->bias_extent.heads + head) * p->queries + at->i) * p->keys + j;
}

static bool sees(const attention_problem *p, const attention_query *at, int64_t j)
{
    if (p->query_mask && !p->query_mask[at->n * p->queries + at->i])
        return false;
    if (p->key_mask && !p->key_mask[at->n * p->keys + j])
        return false;
    return !p->causal || j <= at->i + p->keys - p->queries;
}

static double score(const attention_problem *p, const attention_query *at, int64_t j)
{
    const double *q = p->q + offset(p, at, p->queries, at->i, p->depth);
    const double *k = p->k + offset(p, at, p->keys, j, p->depth);
    double sum = 0;
    for (int64_t d = 0; d < p->depth; d++)
        sum += q[d] * k[d];
    return p->scale * sum + (p->bias ? p->bias[bias_offset(p, at, j)] : 0);
}

/* What dropout multiplies weight j by: 0 or 1/(1-dropout). */
static double kept(const attention_problem *p, const tern_call *call, const attention_query *at,
                   int64_t j)
{
    if (p->dropout == 0)
        return 1;
    uint32_t bits = tern_random_bits(call->rng_seed, call->rng_step, call->rng_position,
                                     (uint64_t)(at->number * p->keys + j));
    return tern_uniform(bits) >= p->dropout ? 1 / (1 - p->dropout) : 0;
}

/* log sum_j exp(score[j]), with the greatest score taken out so that nothing
 * overflows; 0 for a query that sees no key (its p are 0 by `sees`, or because the
 * bias makes all its scores -infinity). */
static double log_sum_of(const attention_problem *p, const attention_query *at)
{
    double greatest = -INFINITY, sum = 0;
    for (int64_t j = 0; j < p->keys; j++)
        if (sees(p, at, j))
            greatest = fmax(greatest, score(p, at, j));
    for (int64_t j = 0; j < p->keys && greatest > -INFINITY; j++)
        if (sees(p, at, j))
            sum += exp(score(p, at, j) - greatest);
    return sum > 0 ? greatest + log(sum) : 0;
}

static void attention_forward(tern_call *call)
{
    attention_problem p = attention_problem_of(call);
    double *y_data = call->out[TERN_ATTENTION_Y]->data;
    tern_tensor *weights = call->out[TERN_ATTENTION_WEIGHTS];
    tern_tensor *log_sums = call->saved[TERN_ATTENTION_LOG_SUM];

    for (int64_t number = 0; number < p.rows * p.heads * p.queries; number++) {
        attention_query at = query_at(&p, number);
        double log_sum = log_sum_of(&p, &at);
        double *y = y_data + offset(&p, &at, p.queries, at.i, p.value_depth);
        if (log_sums)
            ((double *)log_sums->data)[number] = log_sum;
        for (int64_t d = 0; d < p.value_depth; d++)
            y[d] = 0;
        for (int64_t j = 0; j < p.keys; j++) {
            if (weights)
                ((double *)weights->data)[number * p.keys + j] = 0;
            if (!sees(&p, &at, j))
                continue; /* not even NaN in padding may come through */
            double weight = exp(score(&p, &at, j) - log_sum) * kept(&p, call, &at, j);
            if (weights)
                ((double *)weights->data)[number * p.keys + j] = weight;
            const double *v = p.v + offset(&p, &at, p.keys, j, p.value_depth);
            for (int64_t d = 0; d < p.value_depth; d++)
                y[d] += weight * v[d];
        }
    }
}

/* Of one query: p[Lk], the softmax before dropout, and dp[Lk], its gradient. */
static void softmax_and_grad(const attention_problem *problem, const tern_call *call,
                             const attention_query *at, double *p, double *dp)
{
    double log_sum = ((double *)call->saved[TERN_ATTENTION_LOG_SUM]->data)[at->number];
    const double *dy = (double *)call->grad_out[TERN_ATTENTION_Y]->data +
                       offset(problem, at, problem->queries, at->i, problem->value_depth);
    tern_tensor *grad_weights = call->grad_out[TERN_ATTENTION_WEIGHTS];

    for (int64_t j = 0; j < problem->keys; j++) {
        const double *v = problem->v + offset(problem, at, problem->keys, j, problem->value_depth);
        p[j] = dp[j] = 0;
        if (!sees(problem, at, j))
            continue;
        if (grad_weights)
            dp[j] = ((double *)grad_weights->data)[at->number * problem->keys + j];
        for (int64_t d = 0; d < problem->value_depth; d++)
            dp[j] += dy[d] * v[d];
        p[j] = exp(score(problem, at, j) - log_sum);
        dp[j] *= kept(problem, call, at, j);
    }
}

static void attention_backward(tern_call *call)
{
    attention_problem problem = attention_problem_of(call);
    double *p = call->workspace, *dp = p + problem.keys; /* [Lk] each */
    const double *grad_y = call->grad_out[TERN_ATTENTION_Y]->data;
    double *grad_q = tern_ref_grad(call, TERN_ATTENTION_Q);
    double *grad_k = tern_ref_grad(call, TERN_ATTENTION_K);
    double *grad_v = tern_ref_grad(call, TERN_ATTENTION_V);
    double *grad_bias = tern_ref_grad(call, TERN_ATTENTION_BIAS);

    for (int64_t number = 0; number < problem.rows * problem.heads * problem.queries; number++) {
        attention_query at = query_at(&problem, number);
        softmax_and_grad(&problem, call, &at, p, dp);
        double mean = 0; /* of dp under p */
        for (int64_t j = 0; j < problem.keys; j++)
            mean += p[j] * dp[j];
        int64_t q_at = offset(&problem, &at, problem.queries, at.i, problem.depth);
        int64_t y_at = offset(&problem, &at, problem.queries, at.i, problem.value_depth);
        for (int64_t j = 0; j < problem.keys; j++) {
            if (!sees(&problem, &at, j))
                continue;
            double grad_score = p[j] * (dp[j] - mean), grad_product = problem.scale * grad_score;
            int64_t k_at = offset(&problem, &at, problem.keys, j, problem.depth);
            int64_t v_at = offset(&problem, &at, problem.keys, j, problem.value_depth);
            if (grad_bias)
                grad_bias[bias_offset(&problem, &at, j)] += grad_score;
            for (int64_t d = 0; d < problem.depth; d++) {
                if (grad_q)
                    grad_q[q_at + d] += grad_product * problem.k[k_at + d];
                if (grad_k)
                    grad_k[k_at + d] += grad_product * problem.q[q_at + d];
            }
            for (int64_t d = 0; d < problem.value_depth && grad_v; d++)
                grad_v[v_at + d] += p[j] * kept(&problem, call, &at, j) * grad_y[y_at + d];
        }
    }
}

static size_t backward_workspace(const tern_call *call)
{
    return 2 * (size_t)call->in[TERN_ATTENTION_K]->shape[1] * sizeof(double);
}

const tern_impl tern_attention_ref = {
    .op = "attention", .backend = "ref", .provider = "hand",
    .forward = attention_forward, .backward = attention_backward,
    .backward_workspace = backward_workspace,
};
