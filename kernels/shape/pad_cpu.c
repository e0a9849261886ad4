/* pad on cpu: see axis_map_cpu.c. */
#include "kernels/shape/axis_map.h"
#include "kernels/shape/pad.h"

static void pad_forward(tern_call *call)
{
    TERN_LEVEL(tern_axis_map_forward)(call, &tern_pad_map, ((const tern_pad_opts *)call->options)->value);
}

static void pad_backward(tern_call *call)
{
    TERN_LEVEL(tern_axis_map_backward)(call, &tern_pad_map);
}

const tern_impl TERN_LEVEL(tern_pad_cpu) = {
    .op = "pad", .backend = "cpu", .provider = "hand",
    .forward = pad_forward, .backward = pad_backward,
};
