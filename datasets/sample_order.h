/* Which samples an epoch has and in which order: a function of (seed, epoch).
 *
 * Of a paired split each row is a sample.  Of an unpaired one, samples are drawn
 * from pools (docs/data.md, "Unpaired training rows").
 */
#ifndef TERN_DATASETS_SAMPLE_ORDER_H
#define TERN_DATASETS_SAMPLE_ORDER_H

#include "datasets/batch.h"
#include "datasets/clips.h"

/* One sample. */
typedef struct tern_sample_row {
    int64_t clip;                         /* -1: drawn from pools                  */
    int64_t source[TERN_MODALITY_COUNT];  /* the clip of each modality, -1: none   */
    int label;
} tern_sample_row;

typedef struct tern_sample_order tern_sample_order;

/* modalities: only rows that have one of them count.  epoch_samples 0: the
 * clips' own number, else the median of the pools' sizes.  clips must outlive the
 * order. */
tern_sample_order *tern_sample_order_new(const tern_clips *clips, tern_split split,
                                         unsigned modalities, bool shuffle, int64_t epoch_samples,
                                         uint64_t seed, tern_error *error);
void tern_sample_order_free(tern_sample_order *order);

int64_t tern_sample_order_count(const tern_sample_order *order);

/* Fill rows [tern_sample_order_count] for an epoch. */
void tern_sample_order_epoch(tern_sample_order *order, uint32_t epoch, tern_sample_row *rows);

#endif
