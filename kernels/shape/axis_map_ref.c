/* flip, pad and repeat on ref: y element by element, each from its source; backward adds
 * the gradient of each y element to its source's. */
#include "kernels/shape/axis_map.h"

/* Where y's element number i comes from in x, or TERN_NO_SOURCE. */
static int64_t source_of(const tern_call *call, const tern_axis_map *map, int64_t i)
{
    int64_t at = 0, stride = 1;

    for (int axis = call->out[0]->rank - 1; axis >= 0; axis--) {
        int64_t extent = call->out[0]->shape[axis];
        int64_t from = map->source(call, axis, i % extent);
        if (from == TERN_NO_SOURCE)
            return TERN_NO_SOURCE;
        at += from * stride;
        stride *= tern_axis_map_extent(call, axis);
        i /= extent;
    }
    return at;
}

void tern_axis_map_forward_ref(tern_call *call, const tern_axis_map *map, double fill)
{
    const char *x = call->in[0]->data;
    char *y = call->out[0]->data, element[8];
    size_t size = tern_element_bytes(call->out[0]->dtype, fill, element);

    for (int64_t i = 0; i < call->out[0]->count; i++) {
        int64_t from = source_of(call, map, i);
        memcpy(y + (size_t)i * size,
               from == TERN_NO_SOURCE ? element : x + (size_t)from * size, size);
    }
}

void tern_axis_map_backward_ref(tern_call *call, const tern_axis_map *map)
{
    const double *grad_y = call->grad_out[0]->data;
    double *grad_x = call->grad_in[0]->data;

    for (int64_t i = 0; i < call->grad_in[0]->count && !call->accumulate[0]; i++)
        grad_x[i] = 0;
    for (int64_t i = 0; i < call->grad_out[0]->count; i++) {
        int64_t to = source_of(call, map, i);
        if (to != TERN_NO_SOURCE)
            grad_x[to] += grad_y[i];
    }
}
