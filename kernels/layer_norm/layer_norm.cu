/* layer_norm and add_layer_norm on cuda, float32.
 *
 *   forward    y = (x - mean) * rstd * gain + bias;  add_layer_norm: x + residual for x, which
 *              is written as the op's second output
 *   backward   n = (x - mean) * rstd, the normalised row, and g = grad_y * gain:
 *              grad_x    = rstd * (g - mean(g) - n * mean(g * n))
 *              plus the second output's gradient, and the same to residual
 *              grad_gain = sum of grad_y * n over rows
 *              grad_bias = sum of grad_y     over rows
 *
 * A row is the work of one group of threads (kernels/cuda/rows.cuh), which passes over it
 * three times (mean, variance, y), so the variance is that of the differences from the
 * mean; after the first pass the row comes from cache.  grad_gain and grad_bias are
 * column sums, in two stages (reduce.cuh).
 *
 * Cost: memory bound.  Forward reads and writes each element once, grad_x reads two
 * and writes one, the column sums read two.
 */
#include "kernels/layer_norm/add_layer_norm.h"

#include "core/workspace.h"
#include "kernels/cuda/rows.cuh"

struct layer_norm_job {
    int64_t rows, width;
    const float *x, *gain, *bias, *grad_y; /* gain and bias may be NULL; x: in backward the sum */
    const float *residual, *grad_sum;      /* of add_layer_norm, else NULL */
    float *y, *sum;
    float *grad_x, *grad_residual; /* NULL: not wanted */
    float *mean, *rstd;            /* forward: NULL in inference */
    float eps;
    bool accumulate, accumulate_residual;
    bool aligned;    /* rows take float4 accesses */
};

static __device__ __forceinline__ float4 difference(float4 x, float mean)
{
    return make_float4(x.x - mean, x.y - mean, x.z - mean, x.w - mean);
}

static __device__ __forceinline__ float4 scaled(float4 x, float factor)
{
    return make_float4(x.x * factor, x.y * factor, x.z * factor, x.w * factor);
}

static __device__ __forceinline__ float4 product(float4 a, float4 b)
{
    return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w);
}

static __device__ __forceinline__ float total(float4 x)
{
    return (x.x + x.y) + (x.z + x.w);
}

/* ---------------------------------------------------------------- forward -- */

template <int GROUP> static __global__ void layer_norm_forward_kernel(const layer_norm_job job)
{
    const int64_t row = tern_group_row(), width = job.width;
    const int64_t first = 4 * (int64_t)threadIdx.x;
    if (row >= job.rows)
        return; /* with all of its warp */
    const float *x = job.x + row * width;

    float sum = 0;
    for (int64_t d = first; d < width; d += 4 * GROUP) {
        float4 value = tern_load_quad(x, d, width, job.aligned, 0);
        if (job.residual) {
            value = tern_add_quads(value, tern_load_quad(job.residual + row * width, d, width,
                                                         job.aligned, 0));
            tern_store_quad(job.sum + row * width, d, width, job.aligned, value);
        }
        sum += total(value);
    }
    if (job.residual)
        x = job.sum + row * width; /* a thread reads what it has written itself */
    const float mean = tern_group_sum<GROUP>(sum) / (float)width;

    float squares = 0;
    for (int64_t d = first; d < width; d += 4 * GROUP) {
        float4 from_mean = difference(tern_load_quad(x, d, width, job.aligned, mean), mean);
        squares += total(product(from_mean, from_mean));
    }
    const float variance = tern_group_sum<GROUP>(squares) / (float)width;
    const float rstd = 1.0f / sqrtf(variance + job.eps);

    for (int64_t d = first; d < width; d += 4 * GROUP) {
        float4 y = scaled(difference(tern_load_quad(x, d, width, job.aligned, mean), mean), rstd);
        if (job.gain)
            y = product(y, tern_load_quad(job.gain, d, width, job.aligned, 0));
        if (job.bias)
            y = tern_add_quads(y, tern_load_quad(job.bias, d, width, job.aligned, 0));
        tern_store_quad(job.y + row * width, d, width, job.aligned, y);
    }
    if (job.mean && threadIdx.x == 0) {
        job.mean[row] = mean;
        job.rstd[row] = rstd;
    }
}

/* ----------------------------------------------------------------- grad_x -- */

/* g and n of one quad; both are zero beyond the row. */
static __device__ __forceinline__ void load_gradient(const layer_norm_job &job, int64_t row,
                                                     int64_t d, float mean, float rstd, float4 *g,
                                                     float4 *n)
{
    const int64_t width = job.width;
    float4 x = tern_load_quad(job.x + row * width, d, width, job.aligned, mean);
    *n = scaled(difference(x, mean), rstd);
    *g = tern_load_quad(job.grad_y + row * width, d, width, job.aligned, 0);
    if (job.gain)
        *g = product(*g, tern_load_quad(job.gain, d, width, job.aligned, 0));
}

template <int GROUP> static __global__ void layer_norm_grad_x_kernel(const layer_norm_job job)
{
    const int64_t row = tern_group_row(), width = job.width;
    const int64_t first = 4 * (int64_t)threadIdx.x;
    if (row >= job.rows)
        return;
    const float mean = job.mean[row], rstd = job.rstd[row];
    float4 g, n;

    float sum_g = 0, sum_gn = 0;
    for (int64_t d = first; d < width; d += 4 * GROUP) {
        load_gradient(job, row, d, mean, rstd, &g, &n);
        sum_g += total(g);
        sum_gn += total(product(g, n));
    }
    const float mean_g = tern_group_sum<GROUP>(sum_g) / (float)width;
    const float mean_gn = tern_group_sum<GROUP>(sum_gn) / (float)width;

    for (int64_t d = first; d < width; d += 4 * GROUP) {
        load_gradient(job, row, d, mean, rstd, &g, &n);
        float4 grad = scaled(tern_add_quads(difference(g, mean_g), scaled(n, -mean_gn)), rstd);
        if (job.grad_sum)
            grad = tern_add_quads(grad, tern_load_quad(job.grad_sum + row * width, d, width,
                                                       job.aligned, 0));
        if (job.grad_x)
            tern_put_quad(job.grad_x + row * width, d, width, job.aligned, grad, job.accumulate);
        if (job.grad_residual)
            tern_put_quad(job.grad_residual + row * width, d, width, job.aligned, grad,
                          job.accumulate_residual);
    }
}

/* ------------------------------------------------------ grad_gain, grad_bias -- */

/* First stage of the column sums; gain and bias are [strips, width] each. */
static __global__ void layer_norm_strips_kernel(const layer_norm_job job, int64_t strip_rows,
                                                float *gain, float *bias)
{
    int64_t column = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    int64_t row = blockIdx.y * strip_rows, end = row + strip_rows;
    if (column >= job.width)
        return;
    float gain_sum = 0, bias_sum = 0;
    for (; row < end && row < job.rows; row++) {
        int64_t at = row * job.width + column;
        float grad_y = job.grad_y[at];
        gain_sum += grad_y * ((job.x[at] - job.mean[row]) * job.rstd[row]);
        bias_sum += grad_y;
    }
    gain[blockIdx.y * job.width + column] = gain_sum;
    bias[blockIdx.y * job.width + column] = bias_sum;
}

struct layer_norm_workspace {
    float *gain, *bias;
    size_t bytes;
};

static layer_norm_workspace cut_workspace(const tern_call *call, void *base)
{
    const tern_tensor *x = call->in[0];
    int64_t strips = tern_strips(tern_extent(x, 0, x->rank - 1)), width = tern_dim(x, -1);
    tern_workspace workspace = { static_cast<char *>(base), 0 };
    layer_norm_workspace parts = {};
    parts.gain =
        static_cast<float *>(tern_workspace_take(&workspace, strips * width, sizeof(float)));
    parts.bias =
        static_cast<float *>(tern_workspace_take(&workspace, strips * width, sizeof(float)));
    parts.bytes = workspace.used;
    return parts;
}

/* Where gain is among the inputs; bias is the one behind it. */
static int gain_input(const tern_call *call)
{
    return call->outputs > 1 ? 2 : 1; /* add_layer_norm has two outputs */
}

static size_t backward_bytes(const tern_call *call)
{
    int gain = gain_input(call);
    return call->grad_in[gain] || call->grad_in[gain + 1] ? cut_workspace(call, NULL).bytes : 0;
}

static void backward_columns(tern_call *call, const layer_norm_job &job)
{
    const int gain = gain_input(call), bias = gain + 1;
    layer_norm_workspace parts = cut_workspace(call, call->workspace);
    if (!call->grad_in[gain] && !call->grad_in[bias])
        return;
    tern_launch(call, "layer_norm_strips", layer_norm_strips_kernel,
                tern_strip_grid(job.rows, job.width), job, tern_strip_rows(job.rows), parts.gain,
                parts.bias);
    if (call->grad_in[gain])
        tern_add_strips(call, parts.gain, job.rows, job.width,
                        static_cast<float *>(call->grad_in[gain]->data), call->accumulate[gain]);
    if (call->grad_in[bias])
        tern_add_strips(call, parts.bias, job.rows, job.width,
                        static_cast<float *>(call->grad_in[bias]->data), call->accumulate[bias]);
}

/* ------------------------------------------------------------------ calls -- */

/* Whether rows of all these take float4 accesses; NULL does. */
static bool rows_fit(const layer_norm_job &job)
{
    const void *const rows[] = { job.x,   job.residual, job.y,      job.sum,
                                 job.grad_y, job.grad_sum, job.grad_x, job.grad_residual };
    bool fit = tern_quads_fit(job.gain, 0) && tern_quads_fit(job.bias, 0);
    for (const void *row : rows)
        fit = fit && tern_quads_fit(row, job.width);
    return fit;
}

static layer_norm_job job_of(const tern_call *call)
{
    const tern_tensor *x = call->in[0];
    const int gain = gain_input(call);
    layer_norm_job job = {};
    job.rows = tern_extent(x, 0, x->rank - 1);
    job.width = tern_dim(x, -1);
    job.x = tern_floats(x);
    job.gain = tern_floats(call->in[gain]);
    job.bias = tern_floats(call->in[gain + 1]);
    job.mean = tern_floats(call->saved[0]);
    job.rstd = tern_floats(call->saved[1]);
    return job;
}

static void run_forward(tern_call *call, layer_norm_job job)
{
    job.eps = (float)static_cast<const tern_layer_norm_opts *>(call->options)->eps;
    job.y = tern_floats(call->out[0]);
    job.aligned = rows_fit(job);
    tern_launch_rows<layer_norm_job, layer_norm_forward_kernel<TERN_WARP>,
                     layer_norm_forward_kernel<TERN_ROW_BLOCK>>(call, "layer_norm_forward",
                                                                job.rows, job.width, job);
}

static void run_backward(tern_call *call, layer_norm_job job)
{
    job.grad_y = tern_floats(call->grad_out[0]);
    job.grad_x = tern_floats(call->grad_in[0]);
    job.accumulate = call->accumulate[0];
    job.aligned = rows_fit(job);
    if (job.grad_x || job.grad_residual)
        tern_launch_rows<layer_norm_job, layer_norm_grad_x_kernel<TERN_WARP>,
                         layer_norm_grad_x_kernel<TERN_ROW_BLOCK>>(call, "layer_norm_grad_x",
                                                                   job.rows, job.width, job);
    backward_columns(call, job);
}

static void layer_norm_forward(tern_call *call) { run_forward(call, job_of(call)); }
static void layer_norm_backward(tern_call *call) { run_backward(call, job_of(call)); }

static void add_layer_norm_forward(tern_call *call)
{
    layer_norm_job job = job_of(call);
    job.residual = tern_floats(call->in[1]);
    job.sum = tern_floats(call->out[1]);
    run_forward(call, job);
}

static void add_layer_norm_backward(tern_call *call)
{
    layer_norm_job job = job_of(call);
    job.x = tern_floats(call->out[1]);
    job.grad_sum = tern_floats(call->grad_out[1]);
    job.grad_residual = tern_floats(call->grad_in[1]);
    job.accumulate_residual = call->accumulate[1];
    run_backward(call, job);
}

TERN_CUDA_IMPL_WITH(layer_norm, layer_norm_forward, layer_norm_backward, NULL, backward_bytes)
TERN_CUDA_IMPL_WITH(add_layer_norm, add_layer_norm_forward, add_layer_norm_backward, NULL,
                    backward_bytes)
