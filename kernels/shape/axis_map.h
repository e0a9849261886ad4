/* What flip, pad and repeat have in common: each axis of y is read from one axis of x,
 * independently of the other axes.
 *
 *     y[c0, c1, ...] = x[source_0(c0), source_1(c1), ...]
 *
 * or a fill value where a source says "none".  An op gives the sources of its axes twice:
 * as a function of the position, which is all that ref uses, and as runs, in which
 * neighbours in y are neighbours in x:
 *
 *     pad 2 before, 1 after      x     a b c d
 *     y  . . a b c d .                 |     |
 *        ---             none    y = 0, length 2
 *            -------     step 1  y = 2, x = 0, length 4
 *                    -   none    y = 6, length 1
 *
 * A run's step says how x moves when y moves by one: 1, -1 (mirrored) or 0 (one element
 * again and again).  y may have more axes than x; x then has axes of extent 1 in front.
 */
#ifndef TERN_KERNELS_SHAPE_AXIS_MAP_H
#define TERN_KERNELS_SHAPE_AXIS_MAP_H

#include "core/context.h"
#include "core/op.h"
#include "core/simd.h"

enum { TERN_NO_SOURCE = -1 };

typedef struct tern_axis_run {
    int64_t y, x, length; /* x is TERN_NO_SOURCE where the fill value stands */
    int step;
} tern_axis_run;

/* The axes are y's. */
typedef struct tern_axis_map {
    int64_t (*source)(const tern_call *call, int axis, int64_t position);
    int64_t (*run_count)(const tern_call *call, int axis);
    /* Runs are in the order of y, none is empty, together they are all of the axis. */
    tern_axis_run (*run)(const tern_call *call, int axis, int64_t index);
} tern_axis_map;

extern const tern_axis_map tern_flip_map, tern_pad_map, tern_repeat_map;

/* x's extent along an axis of y. */
static inline int64_t tern_axis_map_extent(const tern_call *call, int axis)
{
    int missing = call->out[0]->rank - call->in[0]->rank;
    return axis < missing ? 1 : call->in[0]->shape[axis - missing];
}

/* fill is for the elements without a source; each tensor's type is its own. */
void tern_axis_map_forward_ref(tern_call *call, const tern_axis_map *map, double fill);
void tern_axis_map_backward_ref(tern_call *call, const tern_axis_map *map);

void TERN_LEVEL(tern_axis_map_forward)(tern_call *call, const tern_axis_map *map, double fill);
void TERN_LEVEL(tern_axis_map_backward)(tern_call *call, const tern_axis_map *map);

/* One element of a type as bytes; returns its size. */
static inline size_t tern_element_bytes(tern_dtype dtype, double value, void *bytes)
{
    size_t size = tern_dtype_size(dtype);
    if (dtype == TERN_F64) {
        memcpy(bytes, &value, size);
    } else if (dtype == TERN_F32) {
        memcpy(bytes, &(float){ (float)value }, size);
    } else if (dtype == TERN_I32) {
        memcpy(bytes, &(int32_t){ (int32_t)value }, size);
    } else if (dtype == TERN_I64) {
        memcpy(bytes, &(int64_t){ (int64_t)value }, size);
    } else {
        memset(bytes, 0, size);
        if (dtype == TERN_U8)
            *(uint8_t *)bytes = (uint8_t)value;
    }
    return size;
}

#endif
