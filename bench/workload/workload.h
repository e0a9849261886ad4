/* The work that whole-model timings are of: a model of tern's layers on one batch.
 *
 *   cnn          6 convolutions on 64x64x3   transformer  4 layers, 50 steps of 128
 *   lstm         100 steps, hidden 128       crossmodal   8 queries on 100 keys of 128
 *   trimodal-... the default classifier, once for each fusion
 *
 * Every sequence is full, so that another framework may leave out all masks.  A training
 * step is forward, cross-entropy, backward, clipping where the model has it, and AdamW with
 * the trainer's default options; inference is the logits of the batch's first rows.
 *
 * One file beside this one is one model: a bench_model, which says what differs.
 */
#ifndef TERN_BENCH_WORKLOAD_H
#define TERN_BENCH_WORKLOAD_H

#include "core/context.h"
#include "core/safetensors.h"
#include "train/optimiser.h"

enum { BENCH_INPUTS = 4, BENCH_CLASSES = 7, BENCH_MOST_ROWS = 32 };

/* One array of a batch: normal numbers (TERN_F32) or whole numbers (TERN_I32). */
typedef struct bench_input {
    const char *name; /* NULL ends a list */
    tern_dtype dtype;
    int rank;                          /* of the array, rows included          */
    int64_t shape[TERN_MAX_RANK];      /* shape[0] is not read: it is the rows */
    double mean, deviation;            /* of normal numbers; deviation 0: 1    */
    int32_t lowest, end;               /* of whole numbers, end not included   */
} bench_input;

typedef struct bench_model bench_model;

/* The first rows of a batch: one array for each input of the model, and a label each. */
typedef struct bench_batch {
    const bench_model *model;
    int64_t rows;
    void *inputs[BENCH_INPUTS];
    int32_t *label;
} bench_batch;

typedef struct bench_opts {
    const char *device;  /* NULL: cpu                                      */
    int threads;
    const char *simd;    /* NULL: the best there is                        */
    double dropout;      /* of the trimodal models; the others have none   */
    uint64_t seed;       /* of weights, and of the batch if it has none    */
    uint64_t batch_seed; /* of the batch; 0: seed                          */
    const char *batch;   /* file with the batch; NULL: it is drawn         */
    const char *weights; /* file with the weights; NULL: they are drawn    */
    bool inference_only; /* tern_set_inference_only                        */
} bench_opts;

struct bench_model {
    const char *name, *summary;
    int64_t rows; /* of a training step */
    double clip;  /* largest norm of the gradient; 0: it is not clipped */
    const bench_input *inputs; /* at most BENCH_INPUTS; one without a name ends them */
    size_t bytes; /* of the model's own struct, zeroed before declare sees it */

    /* Declare the parameters; errors are in the context. */
    void (*declare)(tern_ctx *ctx, void *own, const bench_opts *opts);
    void (*close)(void *own); /* NULL: there is nothing to free */
    /* [rows,BENCH_CLASSES] */
    tern_tensor *(*logits)(tern_ctx *ctx, const void *own, const bench_batch *batch);
    /* NULL: the cross-entropy of the logits. */
    tern_tensor *(*loss)(tern_ctx *ctx, const void *own, const bench_batch *batch);
    /* Add what another framework must know to build it; may be NULL. */
    void (*describe)(const void *own, tern_safetensors_writer *writer);
};

/* All models; NULL-terminated.  bench_model_find: NULL and an error if there is none. */
extern const bench_model *const bench_models[];
const bench_model *bench_model_find(const char *name, tern_error *error);

/* Input number `index` of the batch as a tensor of this step. */
tern_tensor *bench_upload(tern_ctx *ctx, const bench_batch *batch, int index);

/* --------------------------------------------------------------- running -- */

typedef struct bench_workload {
    const bench_model *model;
    void *own;
    tern_ctx *ctx;
    bench_batch batch;
    tern_optimiser optimiser;
    double lr;
    int64_t step;           /* training steps done                        */
    double forward_flops;   /* of the last training or inference step     */
    double executed_flops;  /* of all of it, by tern's implementations    */
    int64_t resident_bytes; /* of the process before the model was made   */
} bench_workload;

/* Make the batch, then the model.  false and an error if it fails; close in any case. */
bool bench_workload_open(bench_workload *work, const bench_model *model, const bench_opts *opts,
                         tern_error *error);
void bench_workload_close(bench_workload *work);

/* Another batch: the arrays of a file of bench_workload_save_batch. */
bool bench_workload_give(bench_workload *work, const char *path, tern_error *error);

/* Of a context on the device meta: plan one step, in which nothing is computed; returns its
 * FLOPs, where backward counts as two passes forward. */
double bench_workload_outline(bench_workload *work, bool trains);

/* One training step; returns the loss.  Errors are in the context. */
double bench_workload_train(bench_workload *work);
/* Logits [rows,BENCH_CLASSES] of the batch's first rows. */
void bench_workload_infer(bench_workload *work, int64_t rows, float *logits);

#endif
