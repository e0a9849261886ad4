/* masked_mean on cuda, float32: a thread a channel of a sequence, over its valid steps; the 32
 * lanes of a warp read 32 neighbouring channels of each step.
 *
 * Cost: the valid part of x is read once; backward writes all of x's gradient.
 */
#include "kernels/masked_mean/masked_mean.h"

#include "kernels/cuda/cuda.h"

constexpr int MEAN_THREADS = 128;

struct masked_mean_job {
    int64_t steps, dim;
    unsigned blocks; /* of a sequence */
    const uint8_t *mask; /* [N,T], or NULL */
    const float *from;   /* x, or y's gradient */
    float *to;           /* y, or x's gradient */
    bool accumulate;
};

static __device__ __forceinline__ bool is_valid(const masked_mean_job &job, int64_t n, int64_t t)
{
    return !job.mask || job.mask[n * job.steps + t];
}

/* The thread's sequence and channel. */
static __device__ __forceinline__ int64_t sequence_of(const masked_mean_job &job, int64_t *d)
{
    *d = (int64_t)(blockIdx.x % job.blocks) * blockDim.x + threadIdx.x;
    return blockIdx.x / job.blocks;
}

static __global__ void masked_mean_kernel(const masked_mean_job job)
{
    int64_t d;
    const int64_t n = sequence_of(job, &d);
    float sum = 0;
    int64_t valid = 0;
    if (d >= job.dim)
        return;
    for (int64_t t = 0; t < job.steps; t++)
        if (is_valid(job, n, t)) {
            sum += job.from[(n * job.steps + t) * job.dim + d];
            valid++;
        }
    job.to[n * job.dim + d] = valid > 0 ? sum / (float)valid : 0;
}

static __global__ void masked_mean_grad_kernel(const masked_mean_job job)
{
    int64_t d;
    const int64_t n = sequence_of(job, &d);
    int64_t valid = 0;
    if (d >= job.dim)
        return;
    for (int64_t t = 0; t < job.steps; t++)
        valid += is_valid(job, n, t);
    const float share = valid > 0 ? job.from[n * job.dim + d] / (float)valid : 0;
    for (int64_t t = 0; t < job.steps; t++) {
        float *to = job.to + (n * job.steps + t) * job.dim + d;
        float grad = is_valid(job, n, t) ? share : 0;
        *to = job.accumulate ? *to + grad : grad;
    }
}

static void launch(tern_call *call, const char *name, void (*kernel)(masked_mean_job),
                   const tern_tensor *from, tern_tensor *to, bool accumulate)
{
    const tern_tensor *x = call->in[0], *mask = call->in[1];
    const unsigned blocks = tern_blocks(x->shape[2], MEAN_THREADS);
    const masked_mean_job job = { x->shape[1], x->shape[2], blocks,
                                  mask ? static_cast<const uint8_t *>(mask->data) : NULL,
                                  static_cast<const float *>(from->data),
                                  static_cast<float *>(to->data), accumulate };
    tern_launch(call, name, kernel,
                { tern_blocks(x->shape[0] * (int64_t)blocks, 1), MEAN_THREADS }, job);
}

static void masked_mean_forward(tern_call *call)
{
    launch(call, "masked_mean", masked_mean_kernel, call->in[0], call->out[0], false);
}

static void masked_mean_backward(tern_call *call)
{
    launch(call, "masked_mean_grad", masked_mean_grad_kernel, call->grad_out[0], call->grad_in[0],
           call->accumulate[0]);
}

TERN_CUDA_IMPL(masked_mean, masked_mean_forward, masked_mean_backward)
