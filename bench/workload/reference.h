/* What a whole model's results should be, and how far another program's are from that.
 *
 * Inference is compared with the float64 loops of ref; a training step, for which they would
 * take minutes, with tern's own on one thread of the cpu.  Distances, and what is allowed:
 *
 *   logits     of inference: the largest difference, as a part of the largest value     1e-5
 *   gradients  of the first step: the length of the difference, as a part of the length 5e-3
 *   losses     of five steps, largest difference                                        1e-2
 *   trained    logits of the batch after them                                           5e-2
 *   read back  tern's logits from the weights that the other trained, and its own       1e-5
 *
 * Gradients at ReLUs and maxima near their kinks go either way, and AdamW's first steps
 * divide small gradients by themselves; hence the wide ones.
 *
 * The files are those of bench/process/peer.h.
 */
#ifndef TERN_BENCH_REFERENCE_H
#define TERN_BENCH_REFERENCE_H

#include "bench/workload/workload.h"

enum { BENCH_COMPARED_STEPS = 5, BENCH_PATH = 512 };

typedef enum bench_distance {
    BENCH_LOGITS, BENCH_GRADIENTS, BENCH_LOSSES, BENCH_TRAINED, BENCH_READ_BACK, BENCH_DISTANCES
} bench_distance;

const char *bench_distance_name(bench_distance kind);

typedef struct bench_model_reference {
    const bench_model *model;
    bool trains;
    double flops; /* of what is timed; a training step counts as three of its forward passes */
    double executed; /* FLOPs of tern's implementations */
    int64_t rows; /* of logits */
    float logits[BENCH_MOST_ROWS * BENCH_CLASSES];
    double losses[BENCH_COMPARED_STEPS];
    char batch[BENCH_PATH], weights[BENCH_PATH], first[BENCH_PATH]; /* files */
} bench_model_reference;

/* Compute it and write FOLDER/NAME.batch, .weights and, of training, .first.safetensors.
 * Weights are drawn from seed, the batch from batch_seed. */
bool bench_model_reference_make(bench_model_reference *reference, const bench_model *model,
                                bool trains, uint64_t seed, uint64_t batch_seed,
                                const char *folder, const char *name, tern_error *error);

/* Of the files PATH.results.safetensors ...: distances (0 for those that are not of this
 * kind); returns the worst as a part of what is allowed.  NAN and an error if a file is
 * not as it should be. */
double bench_model_reference_compare(const bench_model_reference *reference, const char *path,
                                     double distances[BENCH_DISTANCES], tern_error *error);

#endif
