/* The optimiser of a run: clipping, the update of all groups of parameters, and the
 * moving average of what it makes.
 *
 *   adamw  kernels/adamw/adamw.h   decoupled weight decay
 *   adam   kernels/adamw/adam.h    weight decay in the gradient
 *   sgd    kernels/sgd/sgd.h       with momentum and Nesterov's look ahead, if wanted
 *
 * The average of step t keeps min(ema, (1 + t) / (10 + t)) of itself, so that it soon
 * forgets the weights at which training began.
 */
#ifndef TERN_TRAIN_OPTIMISER_H
#define TERN_TRAIN_OPTIMISER_H

#include "core/context.h"

typedef enum tern_optimiser_kind {
    TERN_OPTIMISER_ADAMW,
    TERN_OPTIMISER_ADAM,
    TERN_OPTIMISER_SGD
} tern_optimiser_kind;
extern const char *const tern_optimiser_names[]; /* by kind; NULL at the end */

typedef struct tern_optimiser {
    tern_optimiser_kind kind;
    double weight_decay;
    double clip;              /* largest norm of all gradients; 0: any            */
    double beta1, beta2, eps; /* adam and adamw                                   */
    double momentum;          /* sgd                                              */
    bool nesterov;            /* sgd                                              */
    double ema;               /* how much of the average stays; 0: there is none  */
} tern_optimiser;

/* One step, number `step` from 1, after backward.  With ema tern_average_begin
 * (core/params.h) has been called before. */
void tern_optimiser_step(tern_ctx *ctx, const tern_optimiser *optimiser, double lr, int64_t step);

/* What it remembers of each parameter in moment1 (which = 1) and moment2 (2), as PyTorch
 * names it: "exp_avg", "exp_avg_sq", "momentum_buffer"; NULL: nothing. */
const char *tern_optimiser_memory(const tern_optimiser *optimiser, int which);

#endif
