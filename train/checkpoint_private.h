/* What a checkpoint is made of: one entry for each tensor in the file.  For the files of
 * train/checkpoint.h only. */
#ifndef TERN_TRAIN_CHECKPOINT_PRIVATE_H
#define TERN_TRAIN_CHECKPOINT_PRIVATE_H

#include "core/params.h"
#include "train/checkpoint.h"

enum { TERN_ENTRY_NAME_BYTES = 512 };

typedef struct tern_entry {
    char name[TERN_ENTRY_NAME_BYTES]; /* in the file; "" if this tensor is not there */
    tern_tensor tensor;               /* as the context holds it                     */
    tern_layout layout;
    bool is_state;
} tern_entry;

/* Parameters, then states, each followed by what belongs to it; false after the last. */
bool tern_entry_at(tern_ctx *ctx, const tern_optimiser *optimiser, int index, tern_entry *e);

/* Could a checkpoint of this context hold a tensor of this name? */
bool tern_entry_is_known(const tern_ctx *ctx, const char *name);

/* The name of PyTorch's count of batches beside a batch norm's running mean; false for
 * any other entry. */
bool tern_entry_batch_count(const tern_entry *e, char name[TERN_ENTRY_NAME_BYTES]);

/* The shape in the file. */
void tern_entry_file_shape(const tern_entry *e, int64_t *shape);

/* Values from our layout to the file's, or back. */
void tern_entry_permute(const tern_entry *e, size_t element_bytes, const void *from, void *to,
                        bool to_file);

#endif
