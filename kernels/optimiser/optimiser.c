#include "kernels/optimiser/optimiser.h"

void tern_optimiser_shape(tern_call *call)
{
    const tern_tensor *value = call->in[0], *scale = call->in[call->inputs - 1];
    char vt[TERN_SHAPE_TEXT], ot[TERN_SHAPE_TEXT];

    for (int i = 1; i < call->inputs - 1; i++)
        if (call->in[i] && !tern_same_shape(call->in[i], value)) {
            tern_call_fail(call, TERN_ERR_SHAPE, "%s %s must have the shape of value %s",
                           call->op->in[i].name, tern_shape_text(call->in[i], ot),
                           tern_shape_text(value, vt));
            return;
        }
    if (scale && scale->count != 1)
        tern_call_fail(call, TERN_ERR_SHAPE, "scale %s must be one number",
                       tern_shape_text(scale, ot));
}

double tern_group_decay(const tern_param_group *group, double weight_decay)
{
    return group->has_weight_decay ? group->weight_decay : weight_decay;
}
