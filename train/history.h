/* metrics.jsonl: what each epoch of a run came to, one line of JSON an epoch.
 *
 *   {"epoch": 3, "step": 96, "train_loss": 0.71, "valid_loss": 0.80, "valid_accuracy": 0.68,
 *    "valid_uar": 0.66, "valid_macro_f1": 0.65, "valid_auc": 0.88, "seconds": 12.1}
 */
#ifndef TERN_TRAIN_HISTORY_H
#define TERN_TRAIN_HISTORY_H

#include "core/error.h"

#include <jansson.h>
#include <stdint.h>

typedef struct tern_epoch_metrics {
    int64_t epoch, step; /* finished */
    double train_loss, valid_loss, valid_accuracy, valid_uar, valid_macro_f1, valid_auc;
    double seconds;
} tern_epoch_metrics;

bool tern_history_append(const char *run, const tern_epoch_metrics *metrics, tern_error *error);

/* Drop the lines of later epochs than the one a run goes on from, and a line that
 * was only half written: those epochs come again.  0 drops all. */
bool tern_history_cut(const char *run, int64_t epochs, tern_error *error);

/* The validation losses of the run's finished epochs, in their order; NaN where there was
 * none.  TERN_ERR_DATA if the file tells of another number of epochs. */
bool tern_history_losses(const char *run, int64_t epochs,
                         void (*see)(void *user, double valid_loss), void *user,
                         tern_error *error);

/* JSON has no number for NaN (the AUC of a single class): null stands for it. */
json_t *tern_json_real(double value);

#endif
