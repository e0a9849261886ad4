/* Parameters: parallel contiguous blocks with identical offsets.
 *
 *   value    | w0 .... | b0 . | w1 ........ | pad |
 *   gradient | w0 .... | b0 . | w1 ........ | pad |
 *   moment1, moment2: the same
 *
 * Layers declare parameters; tern_params_freeze lays them out once, allocates
 * the blocks and initialises the values on the host (Philox stream keyed by the
 * parameter's name, so that adding a layer does not change the others).  From
 * then on an optimiser, gradient clipping or an all-reduce is one pass.
 * Segments are padded with zeros to 64 bytes, so padding never disturbs a norm.
 * State (running statistics) lives in a block of its own, without gradients.
 */
#ifndef TERN_CORE_PARAMS_H
#define TERN_CORE_PARAMS_H

#include "core/tensor.h"

typedef enum tern_init_kind {
    TERN_INIT_ZERO,
    TERN_INIT_ONE,
    TERN_INIT_UNIFORM, /* in [-a, a]                      */
    TERN_INIT_NORMAL   /* mean 0, standard deviation a    */
} tern_init_kind;

typedef struct tern_init {
    tern_init_kind kind;
    double a;
} tern_init;

/* PyTorch's default for linear and conv weights and biases: U(-1/sqrt(fan_in), ...). */
tern_init tern_init_fan_in(int64_t fan_in);
/* Xavier uniform: U(-a, a), a = sqrt(6 / (fan_in + fan_out)). */
tern_init tern_init_xavier(int64_t fan_in, int64_t fan_out);

/* How tern's layout of a tensor differs from PyTorch's on file. */
typedef enum tern_layout {
    TERN_LAYOUT_SAME,
    TERN_LAYOUT_OHWI_FROM_OIHW, /* conv2d weight: ours [O,kh,kw,I], theirs [O,I,kh,kw] */
    TERN_LAYOUT_OTI_FROM_OIT    /* conv1d weight: ours [O,k,I], theirs [O,I,k]         */
} tern_layout;

typedef struct tern_param_opts {
    tern_init init;
    tern_layout layout;
    bool no_decay; /* excluded from weight decay: biases, norms, embeddings */
    const char *init_like; /* start with the random values of this parameter of the
                              same scope (and shape), though learnt apart     */
} tern_param_opts;

/* Declare a trainable parameter.  Its full name is scope path + "." + name.
 * Data and grad are there after tern_params_freeze. */
tern_tensor *tern_param(tern_ctx *ctx, const char *name, int rank, const int64_t *shape,
                        tern_param_opts opts);
/* Declare a state tensor (running mean): saved in checkpoints, no gradient. */
tern_tensor *tern_state(tern_ctx *ctx, const char *name, int rank, const int64_t *shape,
                        double initial);
void tern_params_freeze(tern_ctx *ctx);

int tern_param_count(const tern_ctx *ctx);
tern_tensor *tern_param_at(const tern_ctx *ctx, int index);
const tern_param_opts *tern_param_opts_at(const tern_ctx *ctx, int index);
int tern_state_count(const tern_ctx *ctx);
tern_tensor *tern_state_at(const tern_ctx *ctx, int index);
int64_t tern_param_elements(const tern_ctx *ctx); /* without padding */

/* The blocks as flat tensors [padded elements]: value, grad, moment1, moment2, and
 * decay [padded elements], 1 where weight decay applies and 0 elsewhere. */
typedef struct tern_param_blocks {
    tern_tensor *value, *grad, *moment1, *moment2, *decay;
} tern_param_blocks;
const tern_param_blocks *tern_blocks(tern_ctx *ctx);

/* One parameter's slice of a moment block, as a header with the parameter's
 * shape (for checkpoints).  which is 1 or 2. */
tern_tensor tern_param_moment(tern_ctx *ctx, int index, int which);

#endif
