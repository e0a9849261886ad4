/* A table of learned vectors, read by token ids.
 *
 *   tokens i32 [...] -> y [...,D],  y = weight[token]
 *
 * The vector of the padding id, if there is one, starts as zero and is never changed.
 *
 * State as nn.Embedding: weight [vocabulary,D], not decayed.
 * Errors: TERN_ERR_OPTION if the padding id is not below the vocabulary; TERN_ERR_DATA for
 * a token that is not.
 */
#ifndef TERN_LAYERS_EMBEDDING_H
#define TERN_LAYERS_EMBEDDING_H

#include "core/params.h"
#include "kernels/embedding/embedding.h"

typedef struct tern_embedding_layer_opts {
    int64_t padding_index; /* heeded if has_padding is set */
    bool has_padding;
    tern_init init;        /* default normal, deviation 1  */
} tern_embedding_layer_opts;

typedef struct tern_embedding_layer {
    const char *name;
    tern_tensor *weight;
    tern_embedding_opts opts;
} tern_embedding_layer;

tern_embedding_layer tern_embedding_layer_declare(tern_ctx *ctx, const char *name,
                                                  int64_t vocabulary, int64_t size,
                                                  tern_embedding_layer_opts opts);
tern_tensor *tern_embedding_layer_forward(tern_ctx *ctx, const tern_embedding_layer *layer,
                                          tern_tensor *tokens);

#endif
