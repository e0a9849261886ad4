/* repeat on ref: see axis_map_ref.c; where an element comes from says tern_repeat_map in repeat.c. */
#include "kernels/shape/axis_map.h"
#include "kernels/shape/repeat.h"

static void repeat_forward(tern_call *call)
{
    tern_axis_map_forward_ref(call, &tern_repeat_map, 0);
}

static void repeat_backward(tern_call *call)
{
    tern_axis_map_backward_ref(call, &tern_repeat_map);
}

const tern_impl tern_repeat_ref = {
    .op = "repeat", .backend = "ref", .provider = "hand",
    .forward = repeat_forward, .backward = repeat_backward,
};
