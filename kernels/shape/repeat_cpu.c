/* repeat on cpu: see axis_map_cpu.c. */
#include "kernels/shape/axis_map.h"
#include "kernels/shape/repeat.h"

static void repeat_forward(tern_call *call)
{
    TERN_LEVEL(tern_axis_map_forward)(call, &tern_repeat_map, 0);
}

static void repeat_backward(tern_call *call)
{
    TERN_LEVEL(tern_axis_map_backward)(call, &tern_repeat_map);
}

const tern_impl TERN_LEVEL(tern_repeat_cpu) = {
    .op = "repeat", .backend = "cpu", .provider = "hand",
    .forward = repeat_forward, .backward = repeat_backward,
};
