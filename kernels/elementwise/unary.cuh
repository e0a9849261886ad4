/* Functions of one tensor in CUDA: a thread for each four neighbouring elements.
 *
 *     element   0 1 2 3 | 4 5 6 7 | ... | 124 .. 127 | 128 ...
 *     thread       0    |    1    | ... |     31     |  32 ...      one 16-byte access a lane
 *
 * An op describes itself by a structure that the kernels are made for:
 *
 *   struct leaky_relu_function {
 *       float slope;
 *       __device__ float value(float x) const { return x > 0 ? x : slope * x; }
 *       __device__ float gradient(float grad_y, float x) const { ... }
 *   };
 *   static void forward(tern_call *call)
 *   {
 *       tern_unary_forward(call, "leaky_relu", leaky_relu_function{ slope_of(call) });
 *   }
 *
 * gradient's second argument is x or y, whichever the contract lets backward read.
 *
 * Cost: memory traffic; forward reads and writes an element, backward reads two and writes one.
 */
#ifndef TERN_KERNELS_ELEMENTWISE_UNARY_CUH
#define TERN_KERNELS_ELEMENTWISE_UNARY_CUH

#include "kernels/cuda/quad.cuh"

constexpr int UNARY_THREADS = 256;

struct unary_job {
    int64_t count;
    const float *from;   /* x, and in backward what is known */
    const float *grad_y; /* NULL in forward                  */
    float *to;           /* y, or the gradient of x          */
    bool accumulate, aligned;
};

template <typename Function>
static __global__ void unary_value_kernel(const unary_job job, const Function function)
{
    const int64_t at = 4 * ((int64_t)blockIdx.x * blockDim.x + threadIdx.x);
    if (at >= job.count)
        return;
    float4 x = tern_load_quad(job.from, at, job.count, job.aligned, 1);
    float4 y = make_float4(function.value(x.x), function.value(x.y), function.value(x.z),
                           function.value(x.w));
    tern_store_quad(job.to, at, job.count, job.aligned, y);
}

template <typename Function>
static __global__ void unary_gradient_kernel(const unary_job job, const Function function)
{
    const int64_t at = 4 * ((int64_t)blockIdx.x * blockDim.x + threadIdx.x);
    if (at >= job.count)
        return;
    float4 known = tern_load_quad(job.from, at, job.count, job.aligned, 1);
    float4 grad_y = tern_load_quad(job.grad_y, at, job.count, job.aligned, 0);
    float4 grad = make_float4(
        function.gradient(grad_y.x, known.x), function.gradient(grad_y.y, known.y),
        function.gradient(grad_y.z, known.z), function.gradient(grad_y.w, known.w));
    tern_put_quad(job.to, at, job.count, job.aligned, grad, job.accumulate);
}

static inline tern_grid unary_grid(int64_t count)
{
    tern_grid grid = { tern_blocks(count, 4 * UNARY_THREADS), UNARY_THREADS };
    return grid;
}

/* y, or any other tensor of that size. */
template <typename Function>
static void tern_unary_values(tern_call *call, const char *name, const tern_tensor *from,
                              tern_tensor *to, const Function &function)
{
    unary_job job = {};
    job.count = to->count;
    job.from = static_cast<const float *>(from->data);
    job.to = static_cast<float *>(to->data);
    job.aligned = tern_quads_fit(job.from, 0) && tern_quads_fit(job.to, 0);
    tern_launch(call, name, unary_value_kernel<Function>, unary_grid(job.count), job, function);
}

template <typename Function>
static void tern_unary_forward(tern_call *call, const char *name, const Function &function)
{
    tern_unary_values(call, name, call->in[0], call->out[0], function);
}

template <typename Function>
static void tern_unary_backward(tern_call *call, const char *name, const Function &function)
{
    const tern_tensor *x = call->in[0], *y = call->out[0], *grad_y = call->grad_out[0];
    const tern_tensor *known = x->data ? x : y->data ? y : grad_y; /* neg needs neither */
    unary_job job = {};
    job.count = grad_y->count;
    job.from = static_cast<const float *>(known->data);
    job.grad_y = static_cast<const float *>(grad_y->data);
    job.to = static_cast<float *>(call->grad_in[0]->data);
    job.accumulate = call->accumulate[0];
    job.aligned = tern_quads_fit(job.from, 0) && tern_quads_fit(job.grad_y, 0) &&
                  tern_quads_fit(job.to, 0);
    tern_launch(call, name, unary_gradient_kernel<Function>, unary_grid(job.count), job, function);
}

#endif
