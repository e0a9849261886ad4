/* Parameters: parallel contiguous blocks with identical offsets.
 *
 *             | trained                                     | frozen        |
 *             | group 0             | group 1               |               |
 *   value     | w0 .... | w1 ...... | b0 . | b1 . | gain .. | e0 ... | e1 . |
 *   gradient  | w0 .... | w1 ...... | b0 . | b1 . | gain .. |
 *   moment1, moment2, average: the same
 *
 * Layers declare parameters, tern_group_params says which of them are trained
 * otherwise than the rest, and tern_params_freeze lays them out once, such that
 * those which are trained alike are neighbours.  From then on gradient clipping, a
 * moving average or an all-reduce is one pass over what is trained, an optimiser one
 * pass over each group.  Segments are padded with zeros to 64 bytes, so padding never
 * disturbs a norm.  Initial values are made on the host (Philox stream keyed by the
 * parameter's name, so that adding a layer does not change the others).
 * State (running statistics) lives in a block of its own, without gradients.
 */
#ifndef TERN_CORE_PARAMS_H
#define TERN_CORE_PARAMS_H

#include "core/init.h"
#include "core/tensor.h"

/* How tern's layout of a tensor differs from PyTorch's on file. */
typedef enum tern_layout {
    TERN_LAYOUT_SAME,
    TERN_LAYOUT_OHWI_FROM_OIHW, /* conv2d weight: ours [O,kh,kw,I], theirs [O,I,kh,kw] */
    TERN_LAYOUT_OTI_FROM_OIT    /* conv1d weight: ours [O,k,I], theirs [O,I,k]         */
} tern_layout;

typedef struct tern_param_opts {
    tern_init init; /* default: zeros */
    tern_layout layout;
    bool no_decay; /* excluded from weight decay: biases, norms, embeddings */
    const char *init_like; /* start with the random values of this parameter of the
                              same scope (and shape), though learnt apart     */
} tern_param_opts;

/* Declare a trainable parameter.  Its full name is scope path + "." + name.
 * Data and grad are there after tern_params_freeze.  TERN_ERR_OPTION if it cannot start
 * as asked: see core/init.h. */
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

/* ------------------------------------------------------------- groups -- */

typedef struct tern_group_opts {
    double lr_scale;       /* multiplies the learning rate; default: as before, at first 1  */
    double weight_decay;   /* instead of the optimiser's ...                                 */
    bool has_weight_decay; /* ... if this is set                                             */
    bool frozen;           /* not trained at all                                             */
} tern_group_opts;

/* Train the parameters whose names fit a pattern otherwise than the rest.  "face" fits
 * all names that begin with "face.", and a parameter of that name; a * stands for any
 * characters, dots included: "*.norm1", "text.layers.*.bias".  Where several calls fit a
 * parameter, each changes what it gives.  To be called when everything is declared,
 * before tern_params_freeze.
 *
 * Frozen parameters get no gradient, no update and no decay, have no place in the other
 * blocks and so none in the norm of the gradients; what only they lead to is not
 * recorded for backward.  State whose name fits stands still with them: its op works in
 * training as it does in inference.  Weight decay is never given to parameters that
 * were declared with no_decay.
 *
 * Errors: TERN_ERR_ARGUMENT if no parameter fits; TERN_ERR_OPTION for a negative number,
 * or a weight decay for parameters of which none decays. */
void tern_group_params(tern_ctx *ctx, const char *pattern, tern_group_opts opts);

/* ------------------------------------------------------------- blocks -- */

/* Neighbouring segments that are trained alike, as flat tensors [padded elements]. */
typedef struct tern_param_group {
    tern_tensor *value, *grad, *moment1, *moment2;
    double lr_scale;
    double weight_decay; /* instead of the optimiser's, if has_weight_decay: 0 for no_decay */
    bool has_weight_decay;
} tern_param_group;

/* All that is trained, as flat tensors, and its groups.  What is frozen is in none. */
typedef struct tern_param_blocks {
    tern_tensor *value, *grad, *moment1, *moment2;
    tern_tensor *state;                   /* all running statistics                */
    tern_tensor *average, *state_average; /* NULL before tern_average_begin         */
    tern_param_group *groups;
    int group_count;
} tern_param_blocks;
const tern_param_blocks *tern_blocks(tern_ctx *ctx);

/* One parameter's slice of a block, as a header with the parameter's shape (for
 * checkpoints).  It is empty where there is none: a frozen parameter has only a value,
 * and an average is there after tern_average_begin. */
typedef enum tern_block {
    TERN_BLOCK_VALUE,
    TERN_BLOCK_GRAD,
    TERN_BLOCK_MOMENT1,
    TERN_BLOCK_MOMENT2,
    TERN_BLOCK_AVERAGE
} tern_block;
tern_tensor tern_param_slice(tern_ctx *ctx, int index, tern_block block);

/* ------------------------------------------------------------ average -- */

/* Begin a moving average of all that is trained and of all state: a copy of both, which
 * kernels/ema/ema.h then moves.  Called again it begins anew. */
void tern_average_begin(tern_ctx *ctx);
/* Let every parameter and state hold its average, to evaluate or save that, or its own
 * value again.  Nothing is copied.  Backward is an error meanwhile. */
void tern_average_use(tern_ctx *ctx, bool use);
/* The average of a state tensor, as tern_param_slice. */
tern_tensor tern_state_average(tern_ctx *ctx, int index);

#endif
