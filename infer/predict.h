/* What a trained run says of one sample. */
#ifndef TERN_INFER_PREDICT_H
#define TERN_INFER_PREDICT_H

#include "train/run.h"

typedef struct tern_sample_files {
    const char *face;  /* a PNG or a folder of frames; NULL: not given */
    const char *audio; /* a sound file                                 */
    const char *text;  /* the sentence itself                          */
} tern_sample_files;

/* Probabilities of the run's classes; room for TERN_MAX_CLASSES.  A modality that
 * the model has and the sample lacks is treated as missing; one that the sample has
 * and the model lacks is an error, as is a sample with none. */
bool tern_predict_sample(tern_loaded_run *run, const tern_sample_files *sample,
                         double *probability, tern_error *error);

#endif
