/* Lists of what is valid, gathering and scattering: see attention_cpu.h. */
#include "kernels/attention/attention_cpu.h"

#include "core/transpose.h"
#include "core/vrng.h"

#include <math.h>
#include <string.h>

/* Floats from one row to the next that hold `width`: whole vectors. */
static int64_t padded(int64_t width)
{
    return (width + TERN_LANES - 1) / TERN_LANES * TERN_LANES;
}

attention_problem TERN_LEVEL(tern_attention_problem)(const tern_call *call)
{
    const tern_attention_opts *opts = call->options;
    const tern_tensor *q = call->in[TERN_ATTENTION_Q], *k = call->in[TERN_ATTENTION_K];
    const tern_tensor *v = call->in[TERN_ATTENTION_V];
    int64_t depth = q->shape[2] / opts->heads, value_depth = v->shape[2] / opts->heads;
    /* An odd number of vectors: rows of columns that lie a power of two apart
     * would share few sets of the cache. */
    int64_t score_vectors = padded(k->shape[1]) / TERN_LANES | 1;
    return (attention_problem){
        .call = call, .rows = q->shape[0], .heads = opts->heads, .queries = q->shape[1],
        .keys = k->shape[1], .depth = depth, .value_depth = value_depth,
        .depth_stride = padded(depth), .value_stride = padded(value_depth),
        .score_stride = score_vectors * TERN_LANES,
        .scale = (float)(opts->scale != 0 ? opts->scale : 1 / sqrt((double)depth)),
        .causal = opts->causal, .dropout = call->training ? opts->dropout : 0,
        .bias = tern_attention_bias_of(call->in[TERN_ATTENTION_BIAS]),
    };
}

static int64_t list_valid(const tern_tensor *mask, int64_t n, int64_t length, int32_t *list)
{
    const uint8_t *valid = mask ? (const uint8_t *)mask->data + n * length : NULL;
    int64_t count = 0;
    for (int64_t i = 0; i < length; i++)
        if (!valid || valid[i])
            list[count++] = (int32_t)i;
    return count;
}

attention_head TERN_LEVEL(tern_attention_head)(const attention_problem *problem, int64_t task,
                                               int32_t *list)
{
    const tern_call *call = problem->call;
    attention_head head = { .n = task / problem->heads, .head = task % problem->heads,
                            .query = list, .key = list + problem->queries };
    head.query_count = list_valid(call->in[TERN_ATTENTION_QUERY_MASK], head.n, problem->queries,
                                  head.query);
    head.key_count = list_valid(call->in[TERN_ATTENTION_KEY_MASK], head.n, problem->keys,
                                head.key);
    return head;
}

attention_block TERN_LEVEL(tern_attention_block)(const attention_problem *problem,
                                                 const attention_head *head, int64_t first,
                                                 const attention_block *before)
{
    int64_t left = head->query_count - first;
    attention_block block = { .first = first,
                              .rows = left < ATTENTION_BLOCK ? left : ATTENTION_BLOCK };
    int64_t visible = before ? before->keys : 0;
    for (int64_t r = 0; r < block.rows; r++) {
        int64_t last = head->query[first + r] + problem->keys - problem->queries;
        while (visible < head->key_count && (!problem->causal || head->key[visible] <= last))
            visible++;
        block.visible[r] = visible;
    }
    block.keys = visible;
    block.columns = padded(visible);
    return block;
}

void TERN_LEVEL(tern_attention_gather)(const float *from, int64_t from_stride,
                                       const int32_t *index, int64_t count, int64_t width,
                                       float scale, float *to, int64_t to_stride)
{
    for (int64_t r = 0; r < count; r++, to += to_stride) {
        const float *row = from + index[r] * from_stride;
        for (int64_t c = 0; c < width; c++)
            to[c] = scale * row[c];
        for (int64_t c = width; c < to_stride; c++)
            to[c] = 0;
    }
}

void TERN_LEVEL(tern_attention_gather_transposed)(const float *from, int64_t from_stride,
                                                  const int32_t *index, int64_t count,
                                                  int64_t width, float *to, int64_t to_stride)
{
    for (int64_t r = 0; r < count; r += TERN_LANES) {
        int64_t lanes = count - r < TERN_LANES ? count - r : TERN_LANES, c = 0;
        if (lanes == TERN_LANES && index[r + lanes - 1] - index[r] == lanes - 1) /* no gaps */
            for (; c + TERN_LANES <= width; c += TERN_LANES)
                tern_transpose_square(from + index[r] * from_stride + c, from_stride,
                                      to + c * to_stride + r, to_stride);
        for (; c < width; c++)
            for (int64_t lane = 0; lane < TERN_LANES; lane++)
                to[c * to_stride + r + lane] =
                    lane < lanes ? from[index[r + lane] * from_stride + c] : 0;
    }
}

void TERN_LEVEL(tern_attention_scatter)(const float *from, int64_t from_stride,
                                        const int32_t *index, int64_t count, int64_t width,
                                        float scale, float *to, int64_t to_stride,
                                        bool accumulate)
{
    for (int64_t r = 0; r < count; r++, from += from_stride) {
        float *row = to + index[r] * to_stride;
        for (int64_t c = 0; c < width; c++)
            row[c] = accumulate ? row[c] + scale * from[c] : scale * from[c];
    }
}

void TERN_LEVEL(tern_attention_clear_others)(const int32_t *index, int64_t count, int64_t length,
                                             int64_t width, float *to, int64_t to_stride)
{
    for (int64_t row = 0, listed = 0; row < length; row++) {
        if (listed < count && index[listed] == row)
            listed++;
        else
            memset(to + row * to_stride, 0, (size_t)width * sizeof(float));
    }
}

void TERN_LEVEL(tern_attention_add_bias)(const attention_problem *problem,
                                         const attention_head *head, int64_t r, int64_t visible,
                                         float *score)
{
    const tern_tensor *bias = problem->call->in[TERN_ATTENTION_BIAS];
    if (!bias)
        return;
    const float *row = (const float *)bias->data + attention_bias_offset(problem, head, r);
    if (head->key_count == problem->keys) { /* the list leaves nothing out */
        for (int64_t j = 0; j < visible; j++)
            score[j] += row[j];
        return;
    }
    for (int64_t j = 0; j < visible; j++)
        score[j] += row[head->key[j]];
}

int64_t TERN_LEVEL(tern_attention_dropout_room)(const attention_problem *problem)
{
    return problem->dropout > 0 ? problem->keys + 2 * TERN_RANDOM_GROUP : 0;
}

void TERN_LEVEL(tern_attention_dropout)(const attention_problem *problem,
                                        const attention_head *head, int64_t r, int64_t keys,
                                        float *room, float *factor)
{
    const tern_call *call = problem->call;
    tern_vdropout stream = { .seed = call->rng_seed, .step = call->rng_step,
                             .position = call->rng_position,
                             .threshold = (uint32_t)ceil(problem->dropout * 0x1p24),
                             .scale = (float)(1 / (1 - problem->dropout)) };
    int64_t first = attention_row(problem, head, r) * problem->keys;
    int64_t before = first % TERN_RANDOM_GROUP; /* elements of the group that are not ours */

    for (int64_t e = 0; e < before + problem->keys; e += TERN_RANDOM_GROUP)
        tern_vdropout_draw(&stream, (uint64_t)(first - before + e) / 4, room + e);
    for (int64_t j = 0; j < keys; j++)
        factor[j] = room[before + head->key[j]];
}
