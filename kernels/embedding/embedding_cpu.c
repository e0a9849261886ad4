/* embedding on cpu.
 *
 * Forward: tiles of tokens.  Backward: a tile owns a range of the table's rows and
 * adds, in the order of the tokens, those gradients that belong to them: no two
 * threads write one row, and the order of additions does not depend on threads.
 * Each tile reads all ids, which is cheap beside the rows: 4 bytes against 4 D.
 */
#include "core/simd.h"
#include "core/threads.h"
#include "kernels/embedding/embedding.h"

enum {
    TOKENS_PER_TILE = 64,
    TABLE_TILES = 16,      /* the table is cut into about so many ranges ... */
    MIN_ROWS_PER_TILE = 64 /* ... but not into crumbs                        */
};

static void gather_tile(void *argument, int64_t tile, int worker)
{
    const tern_call *call = argument;
    const float *table = call->in[0]->data;
    const int32_t *tokens = call->in[1]->data;
    float *y = call->out[0]->data;
    int64_t dim = call->in[0]->shape[1], count = call->in[1]->count;
    int64_t begin = tile * TOKENS_PER_TILE, end = begin + TOKENS_PER_TILE;

    (void)worker;
    end = end < count ? end : count;
    for (int64_t i = begin; i < end; i++)
        memcpy(y + i * dim, table + tokens[i] * dim, (size_t)dim * sizeof(float));
}

static void embedding_forward(tern_call *call)
{
    int64_t tiles = (call->in[1]->count + TOKENS_PER_TILE - 1) / TOKENS_PER_TILE;

    if (call->out[0]->count > 0 && tern_embedding_check_tokens(call))
        tern_parallel(tern_ctx_pool(call->ctx), tiles, gather_tile, call);
}

static int64_t rows_per_tile(int64_t rows)
{
    int64_t share = (rows + TABLE_TILES - 1) / TABLE_TILES;
    return share > MIN_ROWS_PER_TILE ? share : MIN_ROWS_PER_TILE;
}

static void add_row(float *restrict sum, const float *restrict more, int64_t dim)
{
    int64_t d = 0;
    for (; d + TERN_LANES <= dim; d += TERN_LANES)
        tern_store(sum + d, tern_load(sum + d) + tern_load(more + d));
    for (; d < dim; d++)
        sum[d] += more[d];
}

static void scatter_tile(void *argument, int64_t tile, int worker)
{
    const tern_call *call = argument;
    const tern_embedding_opts *opts = call->options;
    const float *grad_y = call->grad_out[0]->data;
    const int32_t *tokens = call->in[1]->data;
    float *grad_table = call->grad_in[0]->data;
    int64_t rows = call->in[0]->shape[0], dim = call->in[0]->shape[1];
    int64_t begin = tile * rows_per_tile(rows), end = begin + rows_per_tile(rows);
    int64_t padding = opts->has_padding ? opts->padding_index : -1;

    (void)worker;
    end = end < rows ? end : rows;
    if (!call->accumulate[0])
        memset(grad_table + begin * dim, 0, (size_t)((end - begin) * dim) * sizeof(float));
    for (int64_t i = 0; i < call->in[1]->count; i++)
        if (tokens[i] >= begin && tokens[i] < end && tokens[i] != padding)
            add_row(grad_table + tokens[i] * dim, grad_y + i * dim, dim);
}

static void embedding_backward(tern_call *call)
{
    int64_t rows = call->in[0]->shape[0], each = rows_per_tile(rows);

    if (call->grad_in[0]->count > 0)
        tern_parallel(tern_ctx_pool(call->ctx), (rows + each - 1) / each, scatter_tile, call);
}

const tern_impl TERN_LEVEL(tern_embedding_cpu) = {
    .op = "embedding", .backend = "cpu", .provider = "hand",
    .forward = embedding_forward, .backward = embedding_backward,
};
