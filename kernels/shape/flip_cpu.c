/* flip on cpu: see axis_map_cpu.c. */
#include "kernels/shape/axis_map.h"
#include "kernels/shape/flip.h"

static void flip_forward(tern_call *call)
{
    TERN_LEVEL(tern_axis_map_forward)(call, &tern_flip_map, 0);
}

static void flip_backward(tern_call *call)
{
    TERN_LEVEL(tern_axis_map_backward)(call, &tern_flip_map);
}

const tern_impl TERN_LEVEL(tern_flip_cpu) = {
    .op = "flip", .backend = "cpu", .provider = "hand",
    .forward = flip_forward, .backward = flip_backward,
};
