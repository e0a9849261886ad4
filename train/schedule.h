/* Learning rate over a run.  step counts from 1 to total; the first `warmup` of them rise
 * in a line to the peak, rate = peak * step / warmup, and then
 *
 *   cosine     peak * (1 + cos(pi (step - warmup) / (total - warmup))) / 2, down to zero
 *   constant   peak
 *   step       peak * factor^floor((step - 1) / every); a rise multiplies this
 *   one_cycle  (Smith & Topin 2018, arXiv:1708.07120): half a cosine from peak / 25 up to
 *              the peak at step warmup, and half a cosine down to peak / 250,000 at total
 *   plateau    peak * what tern_plateau has come to
 *
 * as torch.optim.lr_scheduler's CosineAnnealingLR, ConstantLR, StepLR, OneCycleLR (the
 * rate; momentum stays as it is) and ReduceLROnPlateau, the rise as LinearLR.
 */
#ifndef TERN_TRAIN_SCHEDULE_H
#define TERN_TRAIN_SCHEDULE_H

#include <stdint.h>

typedef enum tern_schedule_kind {
    TERN_SCHEDULE_COSINE,
    TERN_SCHEDULE_CONSTANT,
    TERN_SCHEDULE_STEP,
    TERN_SCHEDULE_ONE_CYCLE,
    TERN_SCHEDULE_PLATEAU
} tern_schedule_kind;

extern const char *const tern_schedule_names[]; /* by kind; NULL at the end */

typedef struct tern_schedule {
    tern_schedule_kind kind;
    double peak;
    int64_t warmup, total; /* steps                            */
    int64_t every;         /* step: steps between two drops    */
    double factor;         /* step: what a drop multiplies by  */
} tern_schedule;

double tern_schedule_rate(const tern_schedule *schedule, int64_t step);

/* What a schedule that waits for the loss has come to.  A loss is better if it is below
 * (1 - 1e-4) of the best; after more than `patience` losses in a row that are not, scale
 * is multiplied by factor and the count begins again.  PyTorch's defaults but for its
 * least change of the rate, which is not there. */
typedef struct tern_plateau {
    double factor;
    int64_t patience;
    double best;    /* loss so far            */
    int64_t worse;  /* losses since the best  */
    double scale;   /* of the learning rate   */
} tern_plateau;

tern_plateau tern_plateau_begin(double factor, int64_t patience);
void tern_plateau_see(tern_plateau *plateau, double loss);

#endif
