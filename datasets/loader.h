/* The batch loader: worker threads decode media and fill batches ahead of use.
 *
 *   clips --order(seed, epoch)--> batch numbers --workers--> bounded queue --> next
 *
 * Which samples a batch holds, and every random number in it, depend on (seed,
 * epoch) alone: not on the number of workers, the queue or the cache.  So a run
 * resumed at an epoch sees what the uninterrupted run saw.
 *
 * Decoded media stay in memory up to cache_bytes; what comes after the limit is
 * decoded again each epoch (an epoch visits everything once, so evicting would
 * only throw out what comes back first).
 */
#ifndef TERN_DATASETS_LOADER_H
#define TERN_DATASETS_LOADER_H

#include "core/error.h"
#include "datasets/augment.h"
#include "datasets/batch.h"
#include "datasets/clips.h"
#include "datasets/text.h"

typedef struct tern_loader_opts {
    tern_split split;
    unsigned modalities; /* TERN_WANT_...; default all                           */
    int batch;           /* rows; default 16                                     */
    int frames;          /* default 8; fewer in a clip: the rest is masked; more:
                            evenly spaced ones                                   */
    int height, width;   /* default 64; other sizes are resized                  */
    int channels;        /* 1 or 3; default 3                                    */
    double seconds;      /* of sound; default 3                                  */
    int rate;            /* default 16000; other rates are resampled             */
    int tokens;          /* default 32, [CLS] included                           */
    bool shuffle;        /* a new order each epoch                               */
    const tern_augment *augment; /* NULL: none; copied                           */
    int64_t epoch_samples; /* unpaired split: samples an epoch; default the
                              manifest's, else the median of the pools' sizes    */
    uint64_t seed;
    int workers;         /* threads; default 2                                   */
    int queue;           /* batches prepared ahead; default 4                    */
    int64_t cache_bytes; /* default 1 GiB; -1: no cache                          */
} tern_loader_opts;

typedef struct tern_loader tern_loader;

/* clips and vocabulary must outlive the loader; vocabulary may be NULL when text
 * is not wanted.  Rows that have none of the modalities wanted are left out.
 * NULL on failure: options out of range, a split without rows, a train split
 * without a modality that is wanted, text wanted without a vocabulary. */
tern_loader *tern_loader_new(const tern_clips *clips, const tern_vocabulary *vocabulary,
                             tern_loader_opts opts, tern_error *error);
/* At any moment, also in the middle of an epoch. */
void tern_loader_free(tern_loader *loader);

int64_t tern_loader_samples(const tern_loader *loader); /* an epoch: samples      */
int64_t tern_loader_batches(const tern_loader *loader); /* an epoch: batches      */
tern_batch_shape tern_loader_shape(const tern_loader *loader);
const tern_clips *tern_loader_clips(const tern_loader *loader); /* those it was made of */

/* Begin an epoch; one that is under way is dropped. */
bool tern_loader_start(tern_loader *loader, uint32_t epoch, tern_error *error);

/* The next batch, valid until the next call on this loader; NULL at the epoch's
 * end and on an error (a file that cannot be decoded: the message names it). */
const tern_batch *tern_loader_next(tern_loader *loader, tern_error *error);

#endif
