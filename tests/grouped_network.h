/* A network whose parameters fall into groups: two linear layers with batch norm between. */
#ifndef TERN_TESTS_GROUPED_NETWORK_H
#define TERN_TESTS_GROUPED_NETWORK_H

#include "core/params.h"

enum { ROWS = 6, INPUTS = 5, HIDDEN = 7 };

/* x -> under.linear -> under.norm -> over.linear -> y */
typedef struct network {
    tern_ctx *ctx;
    tern_tensor *under_weight, *under_bias, *gain, *shift, *mean, *variance;
    tern_tensor *over_weight, *over_bias;
} network;

/* Its parameters, to be grouped and frozen into blocks. */
network network_declare(const char *device);
/* The whole network; names that match `frozen`, if not NULL, are not trained. */
network network_build(const char *device, const char *frozen);

/* Of one step: y; the gradients of its error; so many steps with AdamW, and the moving
 * average where it has begun.  They fail the running test on an error. */
tern_tensor *network_forward(const network *n);
void network_backward(const network *n);
void network_train(const network *n, int steps);
void network_values(const network *n, const tern_tensor *tensor, double *values);

#endif
