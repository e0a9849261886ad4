/* Embedding: rows of a table, chosen by token ids.
 *
 *   y[..., d] = table[tokens[...], d]
 *
 *   table   [V, D]
 *   tokens  [...]     ids from 0 to V - 1
 *   -> y    [..., D]
 *
 * With a padding id, the table's row for it receives no gradient; its values are
 * read like any other (layers initialise it to zero), as in PyTorch.
 * Cost: no FLOPs forward, one addition per element of grad_y backward.
 * Errors: TERN_ERR_SHAPE if table is not a matrix, TERN_ERR_OPTION if the padding id
 * is not below V, TERN_ERR_DATA for a token that is not, naming its position.
 */
#ifndef TERN_KERNELS_EMBEDDING_H
#define TERN_KERNELS_EMBEDDING_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_embedding_opts {
    int64_t padding_index; /* heeded if has_padding is set */
    bool has_padding;
} tern_embedding_opts;

extern const tern_op tern_op_embedding;

tern_tensor *tern_embedding(tern_ctx *ctx, tern_tensor *table, tern_tensor *tokens,
                            tern_embedding_opts opts);

/* Check all tokens against V; reports the first wrong one.  For backends. */
bool tern_embedding_check_tokens(tern_call *call);

#endif
