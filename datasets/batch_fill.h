/* Fill one row of a batch: decode (or take from the cache), change, write. */
#ifndef TERN_DATASETS_BATCH_FILL_H
#define TERN_DATASETS_BATCH_FILL_H

#include "datasets/augment.h"
#include "datasets/batch.h"
#include "datasets/clips.h"
#include "datasets/media.h"
#include "datasets/sample_order.h"
#include "datasets/text.h"

/* What all rows of an epoch share. */
typedef struct tern_batch_filler {
    const tern_clips *clips;
    const tern_vocabulary *vocabulary;
    tern_media *media;
    const tern_augment *augment; /* NULL: none */
    int rate;
    uint64_t seed;
    uint32_t epoch;
} tern_batch_filler;

/* Row number `row` of a cleared batch shows sample number `sample` of the epoch.
 * An error names the clip and the file.  May be called from several threads at
 * once for different batches. */
bool tern_batch_fill_row(const tern_batch_filler *filler, tern_batch *batch, int row,
                         int64_t sample, const tern_sample_row *from, tern_error *error);

#endif
