/* The classification head that all models end in.
 *
 *   x [N,I] -> linear, ReLU [N,D] -> dropout -> linear [N,classes] logits
 */
#ifndef TERN_MODELS_HEAD_H
#define TERN_MODELS_HEAD_H

#include "layers/linear.h"
#include "models/config.h"

typedef struct tern_head {
    tern_linear_layer hidden, out;
    double dropout;
} tern_head;

tern_head tern_head_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                            const tern_model_config *config);
tern_tensor *tern_head_forward(tern_ctx *ctx, const tern_head *head, tern_tensor *x);

#endif
