/* What the forward and backward of attention on cpu share.
 *
 * One task is one head of one row n.  Its valid queries and keys are listed first
 * and gathered into packed matrices, so that the products know no masks: padding
 * costs nothing, and a mask gives the same bits as a shorter sequence would.
 *
 *     key_mask  1 0 1 1 0      key = { 0, 2, 3 }      columns of the scores
 *
 * Because the list ascends, the keys a causal query may see are its first ones.
 *
 * Queries go in blocks of ATTENTION_BLOCK, whose scores stay in L1 or L2 together
 * with the packed keys and values.
 */
#ifndef TERN_KERNELS_ATTENTION_CPU_H
#define TERN_KERNELS_ATTENTION_CPU_H

#include "core/simd.h"
#include "core/threads.h"
#include "core/workspace.h"
#include "kernels/attention/attention.h"

enum { ATTENTION_BLOCK = 32 };

typedef struct attention_problem {
    const tern_call *call;
    int64_t rows, heads, queries, keys, depth, value_depth; /* N, heads, Lq, Lk, D, Dv */
    int64_t depth_stride, value_stride; /* D and Dv in whole vectors           */
    int64_t score_stride;               /* Lk in an odd number of vectors      */
    float scale;
    bool causal;
    double dropout; /* 0 outside training */
    tern_attention_bias bias; /* how it broadcasts */
} attention_problem;

/* One head of one row, with the lists of what is valid. */
typedef struct attention_head {
    int64_t n, head;
    int32_t *query, *key;
    int64_t query_count, key_count;
} attention_head;

/* A block of listed queries. */
typedef struct attention_block {
    int64_t first, rows;              /* into the list of queries             */
    int64_t visible[ATTENTION_BLOCK]; /* listed keys that each query may see  */
    int64_t keys, columns;            /* the most of these; in whole vectors  */
} attention_block;

attention_problem TERN_LEVEL(tern_attention_problem)(const tern_call *call);

/* Head number `task` of N * heads; the lists are written to list[Lq + Lk]. */
attention_head TERN_LEVEL(tern_attention_head)(const attention_problem *problem, int64_t task,
                                               int32_t *list);

/* The block that begins at listed query `first`; `before` is the block before it,
 * NULL for the first. */
attention_block TERN_LEVEL(tern_attention_block)(const attention_problem *problem,
                                                 const attention_head *head, int64_t first,
                                                 const attention_block *before);

/* to[r][c] = scale * from[index[r] * from_stride + c], zero up to to_stride. */
void TERN_LEVEL(tern_attention_gather)(const float *from, int64_t from_stride,
                                       const int32_t *index, int64_t count, int64_t width,
                                       float scale, float *to, int64_t to_stride);

/* to[c][r] = from[index[r] * from_stride + c], zero up to to_stride. */
void TERN_LEVEL(tern_attention_gather_transposed)(const float *from, int64_t from_stride,
                                                  const int32_t *index, int64_t count,
                                                  int64_t width, float *to, int64_t to_stride);

/* to[index[r] * to_stride + c] (+)= scale * from[r][c]. */
void TERN_LEVEL(tern_attention_scatter)(const float *from, int64_t from_stride,
                                        const int32_t *index, int64_t count, int64_t width,
                                        float scale, float *to, int64_t to_stride,
                                        bool accumulate);

/* Zero the rows of to[length] that the list leaves out. */
void TERN_LEVEL(tern_attention_clear_others)(const int32_t *index, int64_t count, int64_t length,
                                             int64_t width, float *to, int64_t to_stride);

/* factor[0..keys) for the weights of listed query r: 0 where dropout drops,
 * 1/(1-dropout) where it keeps.  room has as many floats as the function after says. */
void TERN_LEVEL(tern_attention_dropout)(const attention_problem *problem,
                                        const attention_head *head, int64_t r, int64_t keys,
                                        float *room, float *factor);
int64_t TERN_LEVEL(tern_attention_dropout_room)(const attention_problem *problem);

/* score[0..visible) of listed query r += the bias of the keys, if there is one. */
void TERN_LEVEL(tern_attention_add_bias)(const attention_problem *problem,
                                         const attention_head *head, int64_t r, int64_t visible,
                                         float *score);

void TERN_LEVEL(tern_attention_backward)(tern_call *call);
size_t TERN_LEVEL(tern_attention_backward_workspace)(const tern_call *call);

/* Where head h of row n begins in q, k (depth = D) or v, y (Dv); rows are
 * heads * depth apart. */
static inline int64_t attention_offset(const attention_problem *problem,
                                       const attention_head *head, int64_t length, int64_t depth)
{
    return (head->n * length * problem->heads + head->head) * depth;
}

/* (n*heads + h)*Lq + i of listed query r: its row in log_sum, weights and dropout. */
static inline int64_t attention_row(const attention_problem *problem, const attention_head *head,
                                    int64_t r)
{
    return (head->n * problem->heads + head->head) * problem->queries + head->query[r];
}

/* Where the bias of listed query r begins; Lk floats. */
static inline int64_t attention_bias_offset(const attention_problem *problem,
                                            const attention_head *head, int64_t r)
{
    int64_t row = head->n % problem->bias.rows, number = head->head % problem->bias.heads;
    int64_t slice = row * problem->bias.heads + number;
    return (slice * problem->queries + head->query[r]) * problem->keys;
}

/* All lanes below n set. */
static inline tern_vi attention_lanes_below(int64_t n)
{
    tern_vi lane;
    for (int i = 0; i < TERN_LANES; i++)
        lane[i] = i;
    return lane < (int32_t)n;
}

#endif
