/* Element-by-element ops on broadcast operands in CUDA: the walk over the output, and the
 * sum over repetitions that an operand's gradient is.
 *
 * An op says what one element is by a term (kernels/cuda/axes.cuh), whose place 0 is that in the
 * output and place 1 + i that in operand i.  The walk takes four elements a thread.
 *
 * Cost: memory traffic, and for shapes that are not the same some integer divisions.
 */
#ifndef TERN_KERNELS_ELEMENTWISE_BROADCAST_CUH
#define TERN_KERNELS_ELEMENTWISE_BROADCAST_CUH

#include "kernels/cuda/axes.cuh"
#include "kernels/elementwise/broadcast.h"

constexpr int WALK_THREADS = 256, WALK_ELEMENTS = 4;

/* The axes of out: all of them, or those along which operand `which` is repeated or is not. */
enum broadcast_part { ALL_AXES, REPEATED_AXES, OWN_AXES };

static inline tern_axes broadcast_axes(const tern_broadcast &from, broadcast_part part, int which)
{
    tern_axes axes = tern_no_axes();
    int64_t stride[TERN_MAX_RANK], elements = 1;
    for (int axis = from.axes - 1; axis >= 0; axis--) {
        stride[axis] = elements;
        elements *= from.extent[axis];
    }
    for (int axis = 0; axis < from.axes; axis++) {
        bool own = from.stride[which][axis] != 0;
        if (part == ALL_AXES || own == (part == OWN_AXES)) {
            int added = tern_add_axis(&axes, from.extent[axis]);
            axes.stride[0][added] = stride[axis];
            for (int i = 0; i < from.operands; i++)
                axes.stride[1 + i][added] = from.stride[i][axis];
        }
    }
    return axes;
}

template <typename Term>
static __global__ void walk_kernel(const tern_axes axes, int places, const Term term, float *to,
                                   bool accumulate)
{
    int64_t y = WALK_ELEMENTS * ((int64_t)blockIdx.x * blockDim.x + threadIdx.x);
    for (int e = 0; e < WALK_ELEMENTS && y < axes.count; e++, y++) {
        int64_t at[AXES_PLACES] = { 0 };
        tern_add_places(axes, places, y, at);
        float value = term(y, at);
        to[y] = accumulate ? to[y] + value : value;
    }
}

/* to[y] (+)= term, for every element of out. */
template <typename Term>
static void tern_walk(tern_call *call, const char *name, const tern_tensor *const *operands,
                      int operand_count, const Term &term, float *to, bool accumulate)
{
    const tern_broadcast from = tern_broadcast_plan(call->out[0], operands, operand_count);
    tern_launch(call, name, walk_kernel<Term>,
                { tern_blocks(call->out[0]->count, WALK_THREADS * WALK_ELEMENTS), WALK_THREADS },
                broadcast_axes(from, ALL_AXES, 0), 1 + operand_count, term, to, accumulate);
}

static inline axes_plan broadcast_sum_plan(const tern_call *call,
                                           const tern_tensor *const *operands, int operand_count,
                                           int which)
{
    const tern_broadcast from = tern_broadcast_plan(call->out[0], operands, operand_count);
    return tern_plan_axes(broadcast_axes(from, OWN_AXES, which),
                          broadcast_axes(from, REPEATED_AXES, which), 1 + operand_count,
                          from.stride[which][from.axes - 1] == 0);
}

/* Bytes of workspace for tern_broadcast_sum. */
static inline size_t tern_broadcast_sum_bytes(const tern_call *call,
                                              const tern_tensor *const *operands,
                                              int operand_count, int which)
{
    return (size_t)tern_axes_floats(broadcast_sum_plan(call, operands, operand_count, which)) *
           sizeof(float);
}

/* The gradient of operand `which`, of its shape: the sum of its terms. */
template <typename Term>
static void tern_broadcast_sum(tern_call *call, const char *name,
                               const tern_tensor *const *operands, int operand_count, int which,
                               const Term &term, float *grad, bool accumulate)
{
    const axes_plan plan = broadcast_sum_plan(call, operands, operand_count, which);
    tern_join_axes<tern_join_sum>(call, name, plan, term, static_cast<float *>(call->workspace),
                                  axes_result{ grad, 1, accumulate });
}

#endif
