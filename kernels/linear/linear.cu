/* linear on cuda: three matrix products (kernels/matmul/gemm.cuh), float32.
 *
 *   forward    y           [rows,O] = act( x [rows,I] weight^T + bias )    one GEMM
 *   backward   g           [rows,O] = grad_y * act'                        one pass over rows,
 *              partial     [strips,O] = sums of g over strips of rows      both in one kernel
 *              grad_bias   [O]      = sum of the partial sums, in order
 *              grad_x      [rows,I] = g weight                             one GEMM each
 *              grad_weight [O,I]    = g^T x
 *
 * Bias, activation and the value that gelu's backward needs are handled in the GEMM's
 * epilogue.  Without an activation g is grad_y itself.
 *
 * Threads of the pass over rows: one for each column of a strip, walking down, so that
 * the 32 lanes of a warp read 128 neighbouring bytes of each row:
 *
 *                 block 0              block 1
 *              0 1 2 ... 127       128 129 ... 255
 *     strip 0  | | | ... |          |   |  ... |       blockIdx.y = 0
 *              v v v     v          v   v      v
 *     strip 1  | | | ... |          |   |  ... |       blockIdx.y = 1
 *
 * Cost: 2 * rows * I * O FLOPs forward, twice that backward; the pass over rows reads
 * 2 (none: 1) and writes 1 (none: 0) float for each of the rows * O elements.
 */
#include "kernels/linear/linear.h"

#include "core/workspace.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/matmul/gemm.cuh"

struct linear_sizes {
    int64_t rows, inputs, outputs;
};

static linear_sizes sizes_of(const tern_call *call)
{
    const tern_tensor *x = call->in[0], *weight = call->in[1];
    return { tern_extent(x, 0, x->rank - 1), weight->shape[1], weight->shape[0] };
}

static tern_activation activation_of(const tern_call *call)
{
    return static_cast<tern_activation>(
        static_cast<const tern_linear_opts *>(call->options)->activation);
}

static void linear_forward(tern_call *call)
{
    linear_sizes n = sizes_of(call);
    tern_cuda_gemm gemm = {};
    if (!tern_gemm_size(call, &gemm, n.rows, n.outputs, n.inputs))
        return;
    gemm.a = tern_floats(call->in[0]);
    gemm.b = tern_floats(call->in[1]);
    gemm.c = tern_floats(call->out[0]);
    gemm.a_stride = gemm.b_stride = gemm.k;
    gemm.c_stride = gemm.n;
    gemm.bias = tern_floats(call->in[2]);
    gemm.before = tern_floats(call->saved[0]);
    switch (activation_of(call)) {
    case TERN_ACT_NONE: tern_run_gemm<false, true, TERN_ACT_NONE>(call, "linear_y", gemm); break;
    case TERN_ACT_RELU: tern_run_gemm<false, true, TERN_ACT_RELU>(call, "linear_y", gemm); break;
    case TERN_ACT_GELU: tern_run_gemm<false, true, TERN_ACT_GELU>(call, "linear_y", gemm); break;
    case TERN_ACT_SIGMOID:
        tern_run_gemm<false, true, TERN_ACT_SIGMOID>(call, "linear_y", gemm);
        break;
    case TERN_ACT_TANH: tern_run_gemm<false, true, TERN_ACT_TANH>(call, "linear_y", gemm); break;
    }
}

/* --------------------------------------------------------------- backward -- */

struct linear_rows {
    tern_activation activation;
    int64_t rows, outputs, strip_rows;
    const float *grad_y, *kept;
    float *g;       /* NULL without an activation        */
    float *partial; /* [strips,O]; NULL if no bias wants it */
};

static __global__ void linear_rows_kernel(const linear_rows job)
{
    int64_t column = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    int64_t row = blockIdx.y * job.strip_rows, end = row + job.strip_rows;
    if (column >= job.outputs)
        return;
    float sum = 0;
    for (; row < end && row < job.rows; row++) {
        int64_t at = row * job.outputs + column;
        float g = job.grad_y[at];
        if (job.g) {
            g *= tern_activation_slope(job.activation, job.kept[at]);
            job.g[at] = g;
        }
        sum += g;
    }
    if (job.partial)
        job.partial[blockIdx.y * job.outputs + column] = sum;
}

struct linear_workspace {
    float *g, *partial;
    size_t bytes;
};

static linear_workspace cut_workspace(const tern_call *call, void *base)
{
    linear_sizes n = sizes_of(call);
    tern_workspace workspace = { static_cast<char *>(base), 0 };
    linear_workspace parts = {};
    if (activation_of(call))
        parts.g = static_cast<float *>(
            tern_workspace_take(&workspace, n.rows * n.outputs, sizeof(float)));
    if (call->grad_in[2])
        parts.partial = static_cast<float *>(
            tern_workspace_take(&workspace, tern_strips(n.rows) * n.outputs, sizeof(float)));
    parts.bytes = workspace.used;
    return parts;
}

static size_t backward_bytes(const tern_call *call)
{
    return cut_workspace(call, NULL).bytes;
}

/* Returns g. */
static const float *backward_rows(tern_call *call)
{
    linear_sizes n = sizes_of(call);
    linear_workspace parts = cut_workspace(call, call->workspace);
    const float *grad_y = tern_floats(call->grad_out[0]);
    const linear_rows job = { activation_of(call), n.rows, n.outputs, tern_strip_rows(n.rows),
                              grad_y, static_cast<const float *>(tern_activation_kept(call)),
                              parts.g, parts.partial };
    if (parts.g || parts.partial)
        tern_launch(call, "linear_rows", linear_rows_kernel, tern_strip_grid(n.rows, n.outputs),
                    job);
    if (call->grad_in[2]) /* also where there are no rows, and so no workspace */
        tern_add_strips(call, parts.partial, n.rows, n.outputs, tern_floats(call->grad_in[2]),
                        call->accumulate[2]);
    return parts.g ? parts.g : grad_y;
}

static void backward_x(tern_call *call, const float *g)
{
    linear_sizes n = sizes_of(call);
    tern_cuda_gemm gemm = {};
    if (!tern_gemm_size(call, &gemm, n.rows, n.inputs, n.outputs))
        return;
    gemm.a = g;
    gemm.b = tern_floats(call->in[1]);
    gemm.c = tern_floats(call->grad_in[0]);
    gemm.a_stride = gemm.k;
    gemm.b_stride = gemm.c_stride = gemm.n;
    gemm.accumulate = call->accumulate[0];
    tern_run_gemm<false, false, TERN_ACT_NONE>(call, "linear_grad_x", gemm);
}

static void backward_weight(tern_call *call, const float *g)
{
    linear_sizes n = sizes_of(call);
    tern_cuda_gemm gemm = {};
    if (!tern_gemm_size(call, &gemm, n.outputs, n.inputs, n.rows))
        return;
    gemm.a = g;
    gemm.b = tern_floats(call->in[0]);
    gemm.c = tern_floats(call->grad_in[1]);
    gemm.a_stride = gemm.m;
    gemm.b_stride = gemm.c_stride = gemm.n;
    gemm.accumulate = call->accumulate[1];
    tern_run_gemm<true, false, TERN_ACT_NONE>(call, "linear_grad_weight", gemm);
}

static void linear_backward(tern_call *call)
{
    const float *g = backward_rows(call);
    if (call->grad_in[0])
        backward_x(call, g);
    if (call->grad_in[1])
        backward_weight(call, g);
}

TERN_CUDA_IMPL_WITH(linear, linear_forward, linear_backward, NULL, backward_bytes)
