/* Checkpoints: a context's parameters and state as safetensors, under PyTorch's
 * names and in PyTorch's layouts, so that a state dict goes both ways.
 *
 * With an optimiser, what it remembers stands beside each trained parameter, in the same
 * layout: optimizer.exp_avg.NAME and optimizer.exp_avg_sq.NAME of adam and adamw,
 * optimizer.momentum_buffer.NAME of sgd; and the moving average of each trained
 * parameter and each state as ema.NAME, if there is one.  Its name, and numbers that
 * belong to the run (epoch, step), are string metadata.
 */
#ifndef TERN_TRAIN_CHECKPOINT_H
#define TERN_TRAIN_CHECKPOINT_H

#include "train/optimiser.h"

typedef struct tern_checkpoint_info {
    int64_t epoch;      /* finished epochs       */
    int64_t step;       /* finished steps        */
    int64_t best_epoch; /* the one that had ...  */
    double best;        /* ... the best score    */
} tern_checkpoint_info;

/* Written whole or not at all.  optimiser NULL: parameters and state alone, such as they
 * hold (tern_average_use).  Errors are in the context. */
bool tern_checkpoint_save(tern_ctx *ctx, const char *path, const tern_optimiser *optimiser,
                          const tern_checkpoint_info *info);

/* Every parameter and state of the context must be in the file with its shape, and
 * nothing else may be; the error names the first that differs, and then nothing of
 * the context has changed.  info may be NULL; what it asks for must be there too.
 * With an optimiser, what it remembers and the average are read as well; a file that
 * another optimiser left is TERN_ERR_DATA. */
bool tern_checkpoint_load(tern_ctx *ctx, const char *path, const tern_optimiser *optimiser,
                          tern_checkpoint_info *info);

/* Warm start: take over the parameters and state whose name begins with `prefix`
 * ("face.") and that the file has.  An error if there is none, or one of another
 * shape. */
bool tern_checkpoint_load_part(tern_ctx *ctx, const char *path, const char *prefix);

#endif
