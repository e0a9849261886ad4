/* rms_norm on cuda, float32.
 *
 *   forward    y = x * inverse * gain,  inverse = 1 / sqrt(mean(x^2) + eps)
 *   backward   n = x * inverse, the normalised row, and g = grad_y * gain:
 *              grad_x    = inverse * (g - n * mean(g * n))
 *              grad_gain = sum of grad_y * n over rows
 *
 * A row is the work of one group of threads (kernels/cuda/rows.cuh), which passes over it twice;
 * the second time it comes from cache.  grad_gain is a column sum in two stages (reduce.cuh).
 *
 * Cost: memory bound.  Forward reads and writes each element once, grad_x reads two and writes
 * one, the column sums read two.
 */
#include "kernels/rms_norm/rms_norm.h"

#include "kernels/cuda/rows.cuh"

struct rms_norm_job {
    int64_t rows, width;
    const float *x, *gain, *grad_y; /* gain may be NULL */
    float *y, *grad_x, *inverse;    /* inverse: NULL in inference */
    float eps;
    bool accumulate, aligned;
};

/* A quad of a row times the gain's, which may be missing. */
static __device__ __forceinline__ float4 with_gain(const rms_norm_job &job, int64_t d, float4 value)
{
    if (!job.gain)
        return value;
    float4 gain = tern_load_quad(job.gain, d, job.width, job.aligned, 0);
    return make_float4(value.x * gain.x, value.y * gain.y, value.z * gain.z, value.w * gain.w);
}

template <int GROUP> static __global__ void rms_norm_kernel(const rms_norm_job job)
{
    const int64_t row = tern_group_row(), width = job.width, first = 4 * (int64_t)threadIdx.x;
    if (row >= job.rows)
        return; /* with all of its warp */
    const float *x = job.x + row * width;

    float squares = 0;
    for (int64_t d = first; d < width; d += 4 * GROUP) {
        float4 v = tern_load_quad(x, d, width, job.aligned, 0);
        squares += (v.x * v.x + v.y * v.y) + (v.z * v.z + v.w * v.w);
    }
    const float mean = tern_group_sum<GROUP>(squares) / (float)width;
    const float inverse = 1.0f / sqrtf(mean + job.eps);
    for (int64_t d = first; d < width; d += 4 * GROUP) {
        float4 v = tern_load_quad(x, d, width, job.aligned, 0);
        v = make_float4(v.x * inverse, v.y * inverse, v.z * inverse, v.w * inverse);
        tern_store_quad(job.y + row * width, d, width, job.aligned, with_gain(job, d, v));
    }
    if (job.inverse && threadIdx.x == 0)
        job.inverse[row] = inverse;
}

template <int GROUP> static __global__ void rms_norm_grad_x_kernel(const rms_norm_job job)
{
    const int64_t row = tern_group_row(), width = job.width, first = 4 * (int64_t)threadIdx.x;
    if (row >= job.rows)
        return;
    const float *x = job.x + row * width, *grad_y = job.grad_y + row * width;
    const float inverse = job.inverse[row];

    float products = 0; /* of g and x */
    for (int64_t d = first; d < width; d += 4 * GROUP) {
        float4 v = tern_load_quad(x, d, width, job.aligned, 0);
        float4 g = with_gain(job, d, tern_load_quad(grad_y, d, width, job.aligned, 0));
        products += (g.x * v.x + g.y * v.y) + (g.z * v.z + g.w * v.w);
    }
    /* n * mean(g * n) = x * along */
    const float along = tern_group_sum<GROUP>(products) / (float)width * inverse * inverse;

    float *grad_x = job.grad_x + row * width;
    for (int64_t d = first; d < width; d += 4 * GROUP) {
        float4 v = tern_load_quad(x, d, width, job.aligned, 0);
        float4 g = with_gain(job, d, tern_load_quad(grad_y, d, width, job.aligned, 0));
        g = make_float4(inverse * (g.x - v.x * along), inverse * (g.y - v.y * along),
                        inverse * (g.z - v.z * along), inverse * (g.w - v.w * along));
        tern_put_quad(grad_x, d, width, job.aligned, g, job.accumulate);
    }
}

/* First stage of the column sums: [strips, width]. */
static __global__ void rms_norm_strips_kernel(const rms_norm_job job, int64_t strip_rows,
                                              float *partial)
{
    int64_t column = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    int64_t row = blockIdx.y * strip_rows, end = row + strip_rows;
    if (column >= job.width)
        return;
    float sum = 0;
    for (; row < end && row < job.rows; row++) {
        int64_t at = row * job.width + column;
        sum += job.grad_y[at] * (job.x[at] * job.inverse[row]);
    }
    partial[blockIdx.y * job.width + column] = sum;
}

static rms_norm_job job_of(const tern_call *call)
{
    const tern_tensor *x = call->in[0];
    rms_norm_job job = {};
    job.rows = tern_extent(x, 0, x->rank - 1);
    job.width = tern_dim(x, -1);
    job.x = tern_floats(x);
    job.gain = tern_floats(call->in[1]);
    job.inverse = tern_floats(call->saved[0]);
    job.aligned = tern_quads_fit(job.x, job.width) && tern_quads_fit(job.gain, 0);
    return job;
}

static void rms_norm_forward(tern_call *call)
{
    rms_norm_job job = job_of(call);
    job.eps = (float)static_cast<const tern_rms_norm_opts *>(call->options)->eps;
    job.y = tern_floats(call->out[0]);
    job.aligned = job.aligned && tern_quads_fit(job.y, job.width);
    tern_launch_rows<rms_norm_job, rms_norm_kernel<TERN_WARP>, rms_norm_kernel<TERN_ROW_BLOCK>>(
        call, "rms_norm", job.rows, job.width, job);
}

static size_t backward_bytes(const tern_call *call)
{
    const tern_tensor *x = call->in[0];
    int64_t strips = tern_strips(tern_extent(x, 0, x->rank - 1));
    return call->grad_in[1] ? (size_t)(strips * tern_dim(x, -1)) * sizeof(float) : 0;
}

static void rms_norm_backward(tern_call *call)
{
    rms_norm_job job = job_of(call);
    float *partial = static_cast<float *>(call->workspace);
    job.grad_y = tern_floats(call->grad_out[0]);
    job.grad_x = tern_floats(call->grad_in[0]);
    job.accumulate = call->accumulate[0];
    job.aligned = job.aligned && tern_quads_fit(job.grad_y, job.width) &&
                  tern_quads_fit(job.grad_x, job.width);
    if (job.grad_x)
        tern_launch_rows<rms_norm_job, rms_norm_grad_x_kernel<TERN_WARP>,
                         rms_norm_grad_x_kernel<TERN_ROW_BLOCK>>(call, "rms_norm_grad_x",
                                                                 job.rows, job.width, job);
    if (call->grad_in[1]) {
        tern_launch(call, "rms_norm_strips", rms_norm_strips_kernel,
                    tern_strip_grid(job.rows, job.width), job, tern_strip_rows(job.rows), partial);
        tern_add_strips(call, partial, job.rows, job.width, tern_floats(call->grad_in[1]),
                        call->accumulate[1]);
    }
}

TERN_CUDA_IMPL_WITH(rms_norm, rms_norm_forward, rms_norm_backward, NULL, backward_bytes)
