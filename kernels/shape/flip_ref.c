/* flip on ref: see axis_map_ref.c; where an element comes from says tern_flip_map in flip.c. */
#include "kernels/shape/axis_map.h"
#include "kernels/shape/flip.h"

static void flip_forward(tern_call *call)
{
    tern_axis_map_forward_ref(call, &tern_flip_map, 0);
}

static void flip_backward(tern_call *call)
{
    tern_axis_map_backward_ref(call, &tern_flip_map);
}

const tern_impl tern_flip_ref = {
    .op = "flip", .backend = "ref", .provider = "hand",
    .forward = flip_forward, .backward = flip_backward,
};
