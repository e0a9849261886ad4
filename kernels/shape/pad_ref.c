/* pad on ref: see axis_map_ref.c; where an element comes from says tern_pad_map in pad.c. */
#include "kernels/shape/axis_map.h"
#include "kernels/shape/pad.h"

static void pad_forward(tern_call *call)
{
    tern_axis_map_forward_ref(call, &tern_pad_map, ((const tern_pad_opts *)call->options)->value);
}

static void pad_backward(tern_call *call)
{
    tern_axis_map_backward_ref(call, &tern_pad_map);
}

const tern_impl tern_pad_ref = {
    .op = "pad", .backend = "ref", .provider = "hand",
    .forward = pad_forward, .backward = pad_backward,
};
