/* A batch in a file, with what another framework must know to build the model and to train
 * it: lr, weight_decay, clip, and what the model describes, as metadata. */
#ifndef TERN_BENCH_SAVE_H
#define TERN_BENCH_SAVE_H

#include "bench/workload/workload.h"

bool bench_workload_save_batch(const bench_workload *work, const char *path, tern_error *error);

/* A number of the metadata, to its last digit. */
void bench_save_number(tern_safetensors_writer *writer, const char *key, double value);

#endif
