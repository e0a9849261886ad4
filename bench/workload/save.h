/* Files from which another framework starts at the same place, and with which it compares.
 *
 *   FOLDER/MODEL.batch.safetensors    the batch; what the model must know as metadata
 *   FOLDER/MODEL.weights.safetensors  the weights, a state dict
 *   FOLDER/MODEL.first.safetensors    weights and AdamW's moments after the first training
 *                                     step: a tenth of its gradients, and their squares
 *   FOLDER/MODEL.steps.safetensors    logits_before [rows,classes], losses [steps],
 *                                     logits_after [rows,classes]
 */
#ifndef TERN_BENCH_SAVE_H
#define TERN_BENCH_SAVE_H

#include "bench/workload/workload.h"

/* Write them, making the training steps; the workload must be without dropout. */
bool bench_workload_save(bench_workload *work, const char *folder, tern_error *error);

/* A number of the metadata, to its last digit. */
void bench_save_number(tern_safetensors_writer *writer, const char *key, double value);

#endif
