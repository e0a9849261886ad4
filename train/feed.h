/* From the loader's batches to the models' inputs. */
#ifndef TERN_TRAIN_FEED_H
#define TERN_TRAIN_FEED_H

#include "core/observer.h"
#include "datasets/batch.h"
#include "datasets/loader.h"
#include "models/inputs.h"

/* The batch's arrays as the model wants them; nothing is copied. */
tern_model_arrays tern_feed_arrays(const tern_batch *batch);

/* tern_loader_next, told to an observer (which may be NULL) as "wait for data". */
const tern_batch *tern_feed_next(tern_loader *loader, const tern_observer *observer,
                                 tern_error *error);

/* Loader options that give the batches a model of this configuration wants. */
tern_loader_opts tern_feed_loader_opts(const tern_model_config *config);

/* The standard augmentation (datasets/augment.h) with every strength multiplied;
 * probabilities stay at most 1. */
tern_augment tern_feed_augment(double strength);

#endif
