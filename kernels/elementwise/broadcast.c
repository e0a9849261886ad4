/* Broadcasting: the shape rule, and the shortest description of the walk. */
#include "kernels/elementwise/broadcast.h"

/* Extent of an operand along an axis of the output; 1 where the axis is missing. */
static int64_t aligned_extent(const tern_tensor *operand, int out_rank, int axis)
{
    int own = axis - (out_rank - operand->rank);
    return own < 0 ? 1 : operand->shape[own];
}

/* Widen shape, which inputs before this one made, by input `which`; false and an error
 * if they do not fit. */
static bool join_shape(tern_call *call, int which, int rank, int64_t *shape)
{
    const tern_tensor *operand = call->in[which];
    for (int axis = 0; axis < rank; axis++) {
        int64_t extent = aligned_extent(operand, rank, axis);
        if (extent == shape[axis] || extent == 1)
            continue;
        if (shape[axis] == 1) {
            shape[axis] = extent;
            continue;
        }
        int other = 0;
        while (aligned_extent(call->in[other], rank, axis) != shape[axis])
            other++;
        char text[TERN_SHAPE_TEXT], other_text[TERN_SHAPE_TEXT];
        tern_call_fail(call, TERN_ERR_SHAPE,
                       "%s %s and %s %s do not broadcast: axis %d from the end is %lld and %lld, "
                       "they must be equal or one of them 1",
                       call->op->in[other].name, tern_shape_text(call->in[other], other_text),
                       call->op->in[which].name, tern_shape_text(operand, text), rank - axis,
                       (long long)shape[axis], (long long)extent);
        return false;
    }
    return true;
}

void tern_broadcast_shape(tern_call *call)
{
    int64_t shape[TERN_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < call->inputs; i++)
        rank = call->in[i]->rank > rank ? call->in[i]->rank : rank;
    for (int axis = 0; axis < rank; axis++)
        shape[axis] = 1;
    for (int i = 0; i < call->inputs; i++)
        if (!join_shape(call, i, rank, shape))
            return;
    tern_declare_out(call, 0, tern_real(call), rank, shape);
}

int64_t tern_broadcast_index(const tern_tensor *out, const tern_tensor *operand, int64_t at)
{
    int64_t index = 0, stride = 1;
    for (int axis = out->rank - 1; axis >= 0; axis--) {
        int64_t extent = aligned_extent(operand, out->rank, axis);
        if (extent != 1)
            index += at % out->shape[axis] * stride;
        stride *= extent;
        at /= out->shape[axis];
    }
    return index;
}

/* Whether every operand steps over the plan's last axis and the next one evenly. */
static bool axes_join(const tern_broadcast *plan, int64_t stride[][TERN_MAX_RANK], int axis,
                      int64_t extent)
{
    for (int i = 0; i < plan->operands; i++)
        if (plan->stride[i][plan->axes - 1] != stride[i][axis] * extent)
            return false;
    return true;
}

tern_broadcast tern_broadcast_plan(const tern_tensor *out, const tern_tensor *const *operands,
                                   int count)
{
    tern_broadcast plan = { .operands = count };
    int64_t stride[TERN_BROADCAST_OPERANDS][TERN_MAX_RANK];

    for (int i = 0; i < count; i++) {
        int64_t elements = 1;
        for (int axis = out->rank - 1; axis >= 0; axis--) {
            int64_t extent = aligned_extent(operands[i], out->rank, axis);
            stride[i][axis] = extent == 1 ? 0 : elements;
            elements *= extent;
        }
    }
    for (int axis = 0; axis < out->rank; axis++) {
        int64_t extent = out->shape[axis];
        if (extent == 1)
            continue;
        if (plan.axes > 0 && axes_join(&plan, stride, axis, extent))
            plan.extent[plan.axes - 1] *= extent;
        else
            plan.extent[plan.axes++] = extent;
        for (int i = 0; i < count; i++)
            plan.stride[i][plan.axes - 1] = stride[i][axis];
    }
    if (plan.axes == 0) {
        plan.extent[plan.axes++] = 1;
        for (int i = 0; i < count; i++)
            plan.stride[i][0] = 1;
    }
    return plan;
}

tern_broadcast_piece tern_broadcast_next(const tern_broadcast *plan, int64_t at, int64_t end)
{
    int last = plan->axes - 1;
    int64_t column = at % plan->extent[last], index = at / plan->extent[last];
    int64_t left = plan->extent[last] - column;
    tern_broadcast_piece piece = { .count = left < end - at ? left : end - at };
    for (int i = 0; i < plan->operands; i++)
        piece.offset[i] = column * plan->stride[i][last];
    for (int axis = last - 1; axis >= 0; axis--) {
        int64_t step = index % plan->extent[axis];
        for (int i = 0; i < plan->operands; i++)
            piece.offset[i] += step * plan->stride[i][axis];
        index /= plan->extent[axis];
    }
    return piece;
}
