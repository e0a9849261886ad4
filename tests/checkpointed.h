/* A small classifier to be saved and loaded, and what its checkpoints are compared by. */
#ifndef TERN_TESTS_CHECKPOINTED_H
#define TERN_TESTS_CHECKPOINTED_H

#include "core/safetensors.h"
#include "models/classifier.h"
#include "tests/temporary_folder.h"
#include "train/checkpoint.h"

typedef struct network {
    tern_ctx *ctx;
    tern_classifier *model;
} network;

/* What is saved beside the tensors, and the optimiser that most checkpoints are of. */
extern const tern_checkpoint_info SAVED;
extern const tern_optimiser ADAMW;

/* All of these fail the running test on an error. */
network new_network(const char *device, uint64_t seed);
void free_network(network n);

/* Every tensor that a checkpoint holds: parameter i, its moments and average, then states
 * and theirs. */
enum { PARAM_PARTS = 4, STATE_PARTS = 2 };
bool tensor_of_network(tern_ctx *ctx, int index, tern_tensor *tensor); /* false: no more */
/* Numbers that use all their digits, in every tensor of these. */
void fill_network(tern_ctx *ctx, uint64_t seed);
/* A number that changes with every bit of these. */
uint64_t hash_of_network(tern_ctx *ctx);

/* Save it in test_folder; returns path. */
const char *save_network(network n, const char *name, const tern_optimiser *optimiser,
                         char path[TEMPORARY_PATH_BYTES]);
tern_safetensors *open_checkpoint(const char *path);

#endif
