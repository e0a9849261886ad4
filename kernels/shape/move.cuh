/* Copying between two layouts in CUDA: what concat, slice, stack, reshape and transpose are.
 *
 *     to[ sum_k i_k to_stride_k ]  =  from[ sum_k i_k from_stride_k ]      or +=, for gradients
 *
 * for all i_k < extent_k.  Axes that are neighbours in both are joined first.  Then
 *
 *   - where both are dense along one axis, a thread takes an element, and the 32 lanes of a warp
 *     32 neighbours of both;
 *   - where they are dense along different ones, squares go through shared memory, so that
 *     reads and writes are by whole lines; a row of padding keeps its columns in
 *     different banks:
 *
 *         from  ... A ... B        square [32][33]        to  ... B ... A
 *               a warp reads along B        |             a warp writes along A
 *
 * Cost: memory traffic, and an integer division for each axis that is left.
 */
#ifndef TERN_KERNELS_SHAPE_MOVE_CUH
#define TERN_KERNELS_SHAPE_MOVE_CUH

#include "kernels/cuda/cuda.h"

constexpr int MOVE_THREADS = 256, MOVE_SIDE = 32, MOVE_ROWS = 8;

struct move_axes {
    int axes;
    int64_t count; /* product of the extents */
    int64_t extent[TERN_MAX_RANK], to[TERN_MAX_RANK], from[TERN_MAX_RANK];
};

static inline move_axes move_none()
{
    move_axes box = {};
    box.count = 1;
    return box;
}

/* The next axis inwards. */
static inline void move_add_axis(move_axes *box, int64_t extent, int64_t to, int64_t from)
{
    int last = box->axes - 1;
    box->count *= extent;
    if (extent == 1)
        return;
    if (last >= 0 && box->to[last] == to * extent && box->from[last] == from * extent) {
        box->extent[last] *= extent;
        box->to[last] = to;
        box->from[last] = from;
        return;
    }
    box->extent[box->axes] = extent;
    box->to[box->axes] = to;
    box->from[box->axes] = from;
    box->axes++;
}

static __device__ __forceinline__ void move_offsets(const move_axes &box, int64_t index,
                                                    int64_t *to, int64_t *from)
{
    for (int axis = box.axes - 1; axis >= 0; axis--) {
        int64_t along = axis > 0 ? index % box.extent[axis] : index;
        index = axis > 0 ? index / box.extent[axis] : 0;
        *to += along * box.to[axis];
        *from += along * box.from[axis];
    }
}

template <typename Element, bool ADD>
static __global__ void move_kernel(const move_axes box, const Element *from, Element *to)
{
    const int64_t index = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    int64_t to_at = 0, from_at = 0;
    if (index >= box.count)
        return;
    move_offsets(box, index, &to_at, &from_at);
    to[to_at] = ADD ? to[to_at] + from[from_at] : from[from_at];
}

/* ------------------------------------------------------------- squares -- */

/* Along A `to` is dense, along B `from`; box has the other axes. */
struct move_squares {
    move_axes box;
    int64_t a, b;           /* extents   */
    int64_t a_from, b_to;   /* strides   */
    int64_t a_squares, b_squares;
};

template <typename Element, bool ADD>
static __global__ void move_squares_kernel(const move_squares job, const Element *from, Element *to)
{
    TERN_SHARED(Element, square, [MOVE_SIDE][MOVE_SIDE + 1]);
    int64_t block = blockIdx.x, to_at = 0, from_at = 0;
    const int64_t a0 = block % job.a_squares * MOVE_SIDE;
    const int64_t b0 = block / job.a_squares % job.b_squares * MOVE_SIDE;
    move_offsets(job.box, block / job.a_squares / job.b_squares, &to_at, &from_at);

    for (int row = threadIdx.y; row < MOVE_SIDE; row += MOVE_ROWS)
        if (a0 + row < job.a && b0 + threadIdx.x < job.b)
            square[row][threadIdx.x] = from[from_at + (a0 + row) * job.a_from + b0 + threadIdx.x];
    __syncthreads();
    for (int row = threadIdx.y; row < MOVE_SIDE; row += MOVE_ROWS)
        if (b0 + row < job.b && a0 + threadIdx.x < job.a) {
            Element *at = to + to_at + (b0 + row) * job.b_to + a0 + threadIdx.x;
            *at = ADD ? *at + square[threadIdx.x][row] : square[threadIdx.x][row];
        }
}

/* The axis along which a layout is dense; -1: none. */
static inline int dense_axis(const move_axes &box, const int64_t *stride)
{
    for (int axis = 0; axis < box.axes; axis++)
        if (stride[axis] == 1)
            return axis;
    return -1;
}

/* Whether squares are worth it; then what they are. */
static inline bool move_cut_squares(const move_axes &box, move_squares *job)
{
    int a = dense_axis(box, box.to), b = dense_axis(box, box.from);
    if (a < 0 || b < 0 || a == b || box.extent[a] < MOVE_ROWS || box.extent[b] < MOVE_ROWS)
        return false;
    job->box = move_none();
    for (int axis = 0; axis < box.axes; axis++)
        if (axis != a && axis != b)
            move_add_axis(&job->box, box.extent[axis], box.to[axis], box.from[axis]);
    job->a = box.extent[a];
    job->b = box.extent[b];
    job->a_from = box.from[a];
    job->b_to = box.to[b];
    job->a_squares = (job->a + MOVE_SIDE - 1) / MOVE_SIDE;
    job->b_squares = (job->b + MOVE_SIDE - 1) / MOVE_SIDE;
    return true;
}

/* --------------------------------------------------------------- calls -- */

template <typename Element, bool ADD>
static void move_elements(tern_call *call, const char *name, const move_axes &box,
                          const void *from, void *to)
{
    move_squares job = {};
    if (move_cut_squares(box, &job))
        tern_launch(call, name, move_squares_kernel<Element, ADD>,
                    { tern_blocks(job.box.count * job.a_squares * job.b_squares, 1),
                      dim3(MOVE_SIDE, MOVE_ROWS) },
                    job, static_cast<const Element *>(from), static_cast<Element *>(to));
    else
        tern_launch(call, name, move_kernel<Element, ADD>,
                    { tern_blocks(box.count, MOVE_THREADS), MOVE_THREADS }, box,
                    static_cast<const Element *>(from), static_cast<Element *>(to));
}

/* Elements of `size` bytes. */
static inline void tern_move(tern_call *call, const char *name, const move_axes &box,
                             const void *from, void *to, size_t size)
{
    if (size == sizeof(uint8_t))
        move_elements<uint8_t, false>(call, name, box, from, to);
    else if (size == sizeof(uint32_t))
        move_elements<uint32_t, false>(call, name, box, from, to);
    else
        move_elements<uint64_t, false>(call, name, box, from, to);
}

/* float32, written or added. */
static inline void tern_move_grad(tern_call *call, const char *name, const move_axes &box,
                                  const tern_tensor *from, int64_t from_at, tern_tensor *to,
                                  int64_t to_at, bool accumulate)
{
    const float *values = static_cast<const float *>(from->data) + from_at;
    float *grad = static_cast<float *>(to->data) + to_at;
    if (accumulate)
        move_elements<float, true>(call, name, box, values, grad);
    else
        move_elements<float, false>(call, name, box, values, grad);
}

/* [rows, length] with strides between rows. */
static inline move_axes move_rows(int64_t rows, int64_t length, int64_t to, int64_t from)
{
    move_axes box = move_none();
    move_add_axis(&box, rows, to, from);
    move_add_axis(&box, length, 1, 1);
    return box;
}

/* Element number `at` of a tensor. */
static inline char *move_at(const tern_tensor *tensor, int64_t at)
{
    return static_cast<char *>(tensor->data) + (size_t)at * tern_dtype_size(tensor->dtype);
}

#endif
