/* The whole emotion classifier: encoders of the chosen modalities, a fusion, a head.
 *
 *   face   [N,F,H,W,C] --face encoder----> [N,F,D]   --+
 *   audio  [N,S]       --speech encoder--> [N,T/8,D] --+--> fusion --> logits [N,classes]
 *   tokens [N,L]       --text encoder----> [N,L,D]   --+
 *
 * In training each encoder also has a head of its own (auxiliary loss), so that
 * the modality which learns fastest does not leave the others untrained; these
 * heads cost next to nothing and are not used to predict.
 */
#ifndef TERN_MODELS_CLASSIFIER_H
#define TERN_MODELS_CLASSIFIER_H

#include "models/config.h"
#include "models/inputs.h"

typedef struct tern_classifier tern_classifier;

/* Declare all parameters; config must be resolved.  NULL only when memory is out,
 * with the error in the context.  tern_params_freeze comes next. */
tern_classifier *tern_classifier_new(tern_ctx *ctx, const tern_model_config *config);
void tern_classifier_free(tern_classifier *model);
const tern_model_config *tern_classifier_config(const tern_classifier *model);

/* Logits [N,classes].  auxiliary, if not NULL, receives the logits of each
 * encoder's own head (NULL for a missing modality, or if the model has only one). */
tern_tensor *tern_classifier_forward(tern_ctx *ctx, const tern_classifier *model,
                                     const tern_model_inputs *inputs, tern_tensor **auxiliary);

typedef struct tern_classifier_loss_opts {
    double label_smoothing;  /* of cross-entropy                                        */
    double focal_gamma;      /* 0: cross-entropy, else the focal loss's gamma           */
    double auxiliary;        /* weight of each encoder's own loss                       */
    double modality_dropout; /* chance that the fusion misses a modality of a row, in
                                training; never all (layers/modality_dropout.h)         */
} tern_classifier_loss_opts;

/* Cross-entropy or focal loss of inputs->label weighted by inputs->row_weight and by class_weight
 * [classes] or NULL; a scalar.  logits, if not NULL, receives the fused logits. */
tern_tensor *tern_classifier_loss(tern_ctx *ctx, const tern_classifier *model,
                                  const tern_model_inputs *inputs, tern_tensor *class_weight,
                                  tern_classifier_loss_opts opts, tern_tensor **logits);

#endif
