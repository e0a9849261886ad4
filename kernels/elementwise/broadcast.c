/* Broadcasting: the shape rule, and the shortest description of the walk. */
#include "kernels/elementwise/broadcast.h"

/* Extent of an operand along an axis of the output; 1 where the axis is missing. */
static int64_t aligned_extent(const tern_tensor *operand, int out_rank, int axis)
{
    int own = axis - (out_rank - operand->rank);
    return own < 0 ? 1 : operand->shape[own];
}

void tern_broadcast_shape(tern_call *call)
{
    const tern_tensor *a = call->in[0], *b = call->in[1];
    int rank = a->rank > b->rank ? a->rank : b->rank;
    int64_t shape[TERN_MAX_RANK] = { 0 };
    char at[TERN_SHAPE_TEXT], bt[TERN_SHAPE_TEXT];

    for (int axis = 0; axis < rank; axis++) {
        int64_t ea = aligned_extent(a, rank, axis), eb = aligned_extent(b, rank, axis);
        if (ea != eb && ea != 1 && eb != 1) {
            tern_call_fail(call, TERN_ERR_SHAPE,
                           "a %s and b %s do not broadcast: axis %d from the end is %lld and %lld, "
                           "they must be equal or one of them 1",
                           tern_shape_text(a, at), tern_shape_text(b, bt), rank - axis,
                           (long long)ea, (long long)eb);
            return;
        }
        shape[axis] = ea == 1 ? eb : ea;
    }
    tern_declare_out(call, 0, a->dtype, rank, shape);
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

tern_broadcast tern_broadcast_plan(const tern_tensor *out, const tern_tensor *first,
                                   const tern_tensor *second)
{
    const tern_tensor *operand[2] = { first, second };
    tern_broadcast plan = { .axes = 0 };
    int64_t stride[2][TERN_MAX_RANK];

    for (int i = 0; i < 2; i++) {
        int64_t elements = 1;
        for (int axis = out->rank - 1; axis >= 0; axis--) {
            int64_t extent = aligned_extent(operand[i], out->rank, axis);
            stride[i][axis] = extent == 1 ? 0 : elements;
            elements *= extent;
        }
    }
    /* From the outside in; an axis joins the one outside it where both operands
     * step over the pair evenly. */
    for (int axis = 0; axis < out->rank; axis++) {
        int64_t extent = out->shape[axis];
        int last = plan.axes - 1;
        if (extent == 1)
            continue;
        if (last >= 0 && plan.stride[0][last] == stride[0][axis] * extent &&
            plan.stride[1][last] == stride[1][axis] * extent)
            plan.extent[last] *= extent;
        else
            plan.extent[last = plan.axes++] = extent;
        plan.stride[0][last] = stride[0][axis];
        plan.stride[1][last] = stride[1][axis];
    }
    if (plan.axes == 0) {
        plan.axes = 1;
        plan.extent[0] = 1;
        plan.stride[0][0] = plan.stride[1][0] = 1;
    }
    return plan;
}
