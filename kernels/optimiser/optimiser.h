/* What the optimisers' ops have in common.
 *
 * Their inputs are value, grad, what they remember of earlier steps (moments, velocity),
 * all of one shape, and last scale, one number or NULL.  The typed functions, tern_sgd,
 * tern_adam and tern_adamw, apply the op once for each group of parameters
 * (core/params.h), which is one pass over the block as a whole:
 *
 *   learning rate  lr * the group's lr_scale
 *   weight decay   the group's own, or else the one given
 *
 * The ops have no output: their work is the mutation, which a frozen state
 * (tern_set_frozen_state) therefore does not stop.
 */
#ifndef TERN_KERNELS_OPTIMISER_H
#define TERN_KERNELS_OPTIMISER_H

#include "core/context.h"
#include "core/op.h"
#include "core/params.h"

/* The shape rule: all inputs have value's shape, but scale is one number. */
void tern_optimiser_shape(tern_call *call);

/* The weight decay of a group, given the optimiser's. */
double tern_group_decay(const tern_param_group *group, double weight_decay);

#endif
