/* A data set and a run that tests of training share, and what they compare runs by. */
#ifndef TERN_TESTS_TRAINING_H
#define TERN_TESTS_TRAINING_H

#include "check.h"
#include "tiny_set.h"

#include <jansson.h>

/* A folder with the set of tiny_set.h, of three batches an epoch, and a run `whole` of four
 * epochs that was never interrupted: what other runs are compared with. */
enum { TRAINING_EPOCHS = 4, TRAINING_BATCHES = 3 };
typedef struct training_set {
    char folder[TEMPORARY_PATH_BYTES], manifest[TEMPORARY_PATH_BYTES], whole[TEMPORARY_PATH_BYTES];
} training_set;
bool training_set_make(training_set *set);
void training_set_remove(training_set *set);

/* The training of `whole`, into another run of the folder, whose path goes into `run`. */
tern_trainer_opts training_into(const training_set *set, const char *name,
                                char run[TEMPORARY_PATH_BYTES]);
void train_or_fail(const tern_trainer_opts *opts, tern_train_result *result);
/* It fails with this status and a message that holds this text. */
void assert_training_fails(const tern_trainer_opts *opts, tern_status code, const char *text);

/* A file of a run; to be freed. */
uint8_t *read_run_file(const char *run, const char *name, size_t *size);
bool same_run_file(const char *run_a, const char *run_b, const char *name);
/* metrics.jsonl as an array, without the seconds, which no two runs share. */
json_t *metrics_of_run(const char *run);
/* The same metrics of so many epochs, and the same bits in both checkpoints. */
void assert_same_run(const char *a, const char *b, size_t epochs);

#endif
