/* The work that whole-model timings are of: the default trimodal classifier on one batch.
 *
 *   face   [16, 8, 64, 64, 3]   8 frames         tokens [16, 32]   of 10,000 words
 *   mel    [16, 301, 64]        log-mel of 3 s   label  [16]       of 7 classes
 *
 * Every sequence is full, so that another framework may leave out all masks.  A training
 * step is forward with the auxiliary heads, backward, clipping and AdamW with the
 * trainer's default options; inference is the logits of some rows.
 */
#ifndef TERN_BENCH_WORKLOAD_TRIMODAL_H
#define TERN_BENCH_WORKLOAD_TRIMODAL_H

#include "core/context.h"
#include "models/classifier.h"
#include "train/options.h"

enum { BENCH_ROWS = 16, BENCH_CLASSES = 7 };

typedef struct bench_trimodal_opts {
    tern_fusion fusion;
    int threads;
    const char *simd; /* NULL: the best there is */
    double dropout;   /* 0: none                 */
    uint64_t seed;    /* of weights and batch    */
} bench_trimodal_opts;

typedef struct bench_trimodal {
    tern_ctx *ctx;
    tern_classifier *model;
    tern_model_config config;
    tern_train_opts train;
    tern_model_arrays batch;
    float *face, *mel;
    int32_t *mel_length, *tokens, *label;
    uint8_t *face_mask, *token_mask;
    int64_t step;           /* training steps done                        */
    double forward_flops;   /* of the last training or inference step     */
    int64_t resident_bytes; /* of the process before the model was made   */
} bench_trimodal;

/* Make the batch, then the model.  false and an error if it fails; close in any case. */
bool bench_trimodal_open(bench_trimodal *work, const bench_trimodal_opts *opts, tern_error *error);
void bench_trimodal_close(bench_trimodal *work);

/* One training step; returns the loss.  Errors are in the context. */
double bench_trimodal_train(bench_trimodal *work);
/* Logits [rows,BENCH_CLASSES] of the batch's first rows. */
void bench_trimodal_infer(bench_trimodal *work, int64_t rows, float *logits);

/* Write what another framework needs to start from the same place and to be compared:
 *   FOLDER/batch.safetensors          the batch; sizes and options as metadata
 *   FOLDER/FUSION.safetensors         the weights, a checkpoint
 *   FOLDER/FUSION.steps.safetensors   logits_before [rows,classes], losses [steps],
 *                                     logits_after [rows,classes]
 * and make those steps. */
bool bench_trimodal_save(bench_trimodal *work, const char *folder, tern_error *error);

#endif
