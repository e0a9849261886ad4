/* Checkpoints: a context's parameters and state as safetensors, under PyTorch's
 * names and in PyTorch's layouts, so that a state dict goes both ways.
 *
 * With moments, AdamW's moments stand beside each parameter as optimizer.exp_avg.NAME
 * and optimizer.exp_avg_sq.NAME, in the same layout.  Numbers that belong to the run
 * (epoch, step) are string metadata.
 */
#ifndef TERN_TRAIN_CHECKPOINT_H
#define TERN_TRAIN_CHECKPOINT_H

#include "core/context.h"

typedef struct tern_checkpoint_info {
    int64_t epoch;      /* finished epochs       */
    int64_t step;       /* finished steps        */
    int64_t best_epoch; /* the one that had ...  */
    double best;        /* ... the best score    */
} tern_checkpoint_info;

/* Written whole or not at all.  Errors are in the context. */
bool tern_checkpoint_save(tern_ctx *ctx, const char *path, bool moments,
                          const tern_checkpoint_info *info);

/* Every parameter and state of the context must be in the file with its shape, and
 * nothing else may be; the error names the first that differs, and then nothing of
 * the context has changed.  info may be NULL; what it asks for must be there too.
 * With moments, the optimiser's moments are read as well. */
bool tern_checkpoint_load(tern_ctx *ctx, const char *path, bool moments,
                          tern_checkpoint_info *info);

/* Warm start: take over the parameters and state whose name begins with `prefix`
 * ("face.") and that the file has.  An error if there is none, or one of another
 * shape. */
bool tern_checkpoint_load_part(tern_ctx *ctx, const char *path, const char *prefix);

#endif
