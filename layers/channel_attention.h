/* Channel attention: which features matter in this sample?
 *
 *                      +-> mean over positions -> fc1, ReLU, fc2 --+
 *   x [N,...,C] -------+                                            + -> sigmoid -> a [N,C]
 *                |     +-> max over positions --> fc1, ReLU, fc2 --+                |
 *                +------------------------------------------------------------> y = a x
 *
 * As in CBAM (Woo et al. 2018, arXiv:1807.06521), where both ways share their weights; by
 * the mean alone it is squeeze-and-excitation (Hu et al. 2018, arXiv:1709.01507).  The
 * hidden layer has C / reduction units, at least one.
 *
 * Images, spectrograms and sequences [N,T,C] alike; masked positions count for neither
 * mean nor maximum.
 *
 * State: fc1.{weight [C/reduction,C], bias}, fc2.{weight [C,C/reduction], bias}, two
 * nn.Linear.
 * Errors: TERN_ERR_SHAPE if x has less than three axes or the mask does not fit.
 */
#ifndef TERN_LAYERS_CHANNEL_ATTENTION_H
#define TERN_LAYERS_CHANNEL_ATTENTION_H

#include "layers/linear.h"

typedef struct tern_channel_attention_opts {
    int64_t reduction; /* default 16                               */
    bool mean_only;    /* squeeze-and-excitation                   */
    tern_init init;    /* of the weights; default nn.Linear's      */
} tern_channel_attention_opts;

typedef struct tern_channel_attention {
    const char *name;
    tern_linear_layer fc1, fc2;
    tern_channel_attention_opts opts;
} tern_channel_attention;

tern_channel_attention tern_channel_attention_declare(tern_ctx *ctx, const char *name,
                                                      int64_t channels,
                                                      tern_channel_attention_opts opts);
/* mask: u8 over the first axes of x, or NULL for all valid. */
tern_tensor *tern_channel_attention_forward(tern_ctx *ctx, const tern_channel_attention *layer,
                                            tern_tensor *x, tern_tensor *mask);

#endif
