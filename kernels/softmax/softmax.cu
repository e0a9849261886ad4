/* softmax and log_softmax on cuda, float32, by rows (kernels/cuda/rows.cuh).
 *
 *   softmax      y = exp(x - m) / s             grad_x = y * (grad_y - sum of grad_y y)
 *   log_softmax  y = x - m - log(s)             grad_x = grad_y - exp(y) * sum of grad_y
 *
 * with m the maximum of a row's valid elements and s the sum of their exp(x - m).
 *
 * A group of threads passes over its row three times (m, s, y); after the first pass it
 * comes from cache, and exp is computed twice rather than kept.  Cost: memory traffic.
 */
#include "core/smath.h"
#include "kernels/cuda/rows.cuh"
#include "kernels/softmax/log_softmax.h"
#include "kernels/softmax/softmax.h"

#include <math.h>

struct softmax_job {
    int64_t rows, width;
    const float *x, *known, *grad_y; /* known: y */
    const uint8_t *mask;             /* NULL: all are valid */
    float *y, *grad_x;
    bool accumulate;
};

static __device__ __forceinline__ bool is_valid(const softmax_job &job, int64_t at)
{
    return !job.mask || job.mask[at];
}

/* m and s of the group's row. */
template <int GROUP>
static __device__ __forceinline__ void row_scale(const softmax_job &job, int64_t first,
                                                 float *largest, float *sum)
{
    float most = -INFINITY, total = 0;
    for (int64_t d = threadIdx.x; d < job.width; d += GROUP)
        if (is_valid(job, first + d))
            most = tern_join_max::join(most, job.x[first + d]);
    *largest = tern_group_join<tern_join_max, GROUP>(most);
    for (int64_t d = threadIdx.x; d < job.width; d += GROUP)
        if (is_valid(job, first + d))
            total += tern_expf(job.x[first + d] - *largest);
    *sum = tern_group_sum<GROUP>(total);
}

template <int GROUP> static __global__ void softmax_kernel(const softmax_job job)
{
    const int64_t row = tern_group_row(), first = row * job.width;
    float largest, sum;
    if (row >= job.rows)
        return;
    row_scale<GROUP>(job, first, &largest, &sum);
    for (int64_t at = first + threadIdx.x; at < first + job.width; at += GROUP)
        job.y[at] = is_valid(job, at) ? tern_expf(job.x[at] - largest) / sum : 0;
}

template <int GROUP> static __global__ void log_softmax_kernel(const softmax_job job)
{
    const int64_t row = tern_group_row(), first = row * job.width;
    float largest, sum;
    if (row >= job.rows)
        return;
    row_scale<GROUP>(job, first, &largest, &sum);
    const float log_sum = tern_logf(sum);
    for (int64_t at = first + threadIdx.x; at < first + job.width; at += GROUP)
        job.y[at] = is_valid(job, at) ? job.x[at] - largest - log_sum : 0;
}

/* ------------------------------------------------------------- backward -- */

static __device__ __forceinline__ void give(const softmax_job &job, int64_t at, float grad)
{
    job.grad_x[at] = job.accumulate ? job.grad_x[at] + grad : grad;
}

/* y is 0 where the mask is. */
template <int GROUP> static __global__ void softmax_grad_kernel(const softmax_job job)
{
    const int64_t row = tern_group_row(), first = row * job.width, end = first + job.width;
    float dot = 0;
    if (row >= job.rows)
        return;
    for (int64_t at = first + threadIdx.x; at < end; at += GROUP)
        dot += job.grad_y[at] * job.known[at];
    dot = tern_group_sum<GROUP>(dot);
    for (int64_t at = first + threadIdx.x; at < end; at += GROUP)
        give(job, at, job.known[at] * (job.grad_y[at] - dot));
}

template <int GROUP> static __global__ void log_softmax_grad_kernel(const softmax_job job)
{
    const int64_t row = tern_group_row(), first = row * job.width, end = first + job.width;
    float sum = 0;
    if (row >= job.rows)
        return;
    for (int64_t at = first + threadIdx.x; at < end; at += GROUP)
        if (is_valid(job, at))
            sum += job.grad_y[at];
    sum = tern_group_sum<GROUP>(sum);
    for (int64_t at = first + threadIdx.x; at < end; at += GROUP)
        give(job, at, is_valid(job, at) ? job.grad_y[at] - tern_expf(job.known[at]) * sum : 0);
}

/* ---------------------------------------------------------------- calls -- */

static softmax_job forward_job(const tern_call *call)
{
    const tern_tensor *x = call->in[0], *mask = call->in[1];
    softmax_job job = {};
    job.rows = tern_extent(x, 0, x->rank - 1);
    job.width = tern_dim(x, -1);
    job.x = static_cast<const float *>(x->data);
    job.mask = mask ? static_cast<const uint8_t *>(mask->data) : NULL;
    job.y = static_cast<float *>(call->out[0]->data);
    return job;
}

static softmax_job backward_job(const tern_call *call)
{
    softmax_job job = forward_job(call);
    job.known = job.y;
    job.grad_y = static_cast<const float *>(call->grad_out[0]->data);
    job.grad_x = static_cast<float *>(call->grad_in[0]->data);
    job.accumulate = call->accumulate[0];
    return job;
}

template <void (*WARP_KERNEL)(softmax_job), void (*BLOCK_KERNEL)(softmax_job)>
static void launch(tern_call *call, const char *name, const softmax_job &job)
{
    tern_launch_rows<softmax_job, WARP_KERNEL, BLOCK_KERNEL>(call, name, job.rows, job.width, job);
}

static void softmax_forward(tern_call *call)
{
    launch<softmax_kernel<TERN_WARP>, softmax_kernel<TERN_ROW_BLOCK>>(call, "softmax",
                                                                      forward_job(call));
}

static void softmax_backward(tern_call *call)
{
    launch<softmax_grad_kernel<TERN_WARP>, softmax_grad_kernel<TERN_ROW_BLOCK>>(
        call, "softmax_grad", backward_job(call));
}

static void log_softmax_forward(tern_call *call)
{
    launch<log_softmax_kernel<TERN_WARP>, log_softmax_kernel<TERN_ROW_BLOCK>>(
        call, "log_softmax", forward_job(call));
}

static void log_softmax_backward(tern_call *call)
{
    launch<log_softmax_grad_kernel<TERN_WARP>, log_softmax_grad_kernel<TERN_ROW_BLOCK>>(
        call, "log_softmax_grad", backward_job(call));
}

TERN_CUDA_IMPL(softmax, softmax_forward, softmax_backward)
TERN_CUDA_IMPL(log_softmax, log_softmax_forward, log_softmax_backward)
