/* grad_norm on cuda: squares are added in float64, as float32 squares overflow above 2e19 and
 * vanish below 1e-23; a block sums a part of the gradient, one more block the parts.
 *
 *   threads of a block   0 1 2 ... 255 | 0 1 2 ...      each goes through its part in steps
 *   then halves are added to halves in shared memory, always in the same order
 *
 * Cost: the gradient is read once.
 */
#include "kernels/grad_norm/grad_norm.h"

#include "kernels/cuda/cuda.h"

constexpr int NORM_THREADS = 256;
constexpr int64_t NORM_MOST_BLOCKS = 512, NORM_LEAST_ELEMENTS = 4096;

/* The sum over the block's threads, for thread 0. */
static __device__ double block_sum(double value)
{
    TERN_SHARED(double, sums, [NORM_THREADS]);
    sums[threadIdx.x] = value;
    __syncthreads();
    for (int half = NORM_THREADS / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half)
            sums[threadIdx.x] += sums[threadIdx.x + half];
        __syncthreads();
    }
    return sums[0];
}

static __global__ void squares_kernel(const float *grad, int64_t count, int64_t part, double *sums)
{
    int64_t first = blockIdx.x * part, end = first + part < count ? first + part : count;
    double sum = 0;
    for (int64_t i = first + threadIdx.x; i < end; i += NORM_THREADS)
        sum += (double)grad[i] * (double)grad[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0)
        sums[blockIdx.x] = sum;
}

static __global__ void norm_kernel(const double *sums, int64_t parts, double max_norm, float *norm,
                                   float *scale)
{
    double sum = 0;
    for (int64_t i = threadIdx.x; i < parts; i += NORM_THREADS)
        sum += sums[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
        double root = sqrt(sum), ratio = max_norm / (root + 1e-6);
        *norm = (float)root;
        *scale = max_norm == 0 || ratio >= 1 ? 1 : (float)ratio; /* NaN passes */
    }
}

static int64_t part_count(const tern_call *call)
{
    int64_t parts = (call->in[0]->count + NORM_LEAST_ELEMENTS - 1) / NORM_LEAST_ELEMENTS;
    return parts < NORM_MOST_BLOCKS ? parts : NORM_MOST_BLOCKS;
}

static size_t forward_bytes(const tern_call *call)
{
    return (size_t)part_count(call) * sizeof(double);
}

static void grad_norm_forward(tern_call *call)
{
    const int64_t count = call->in[0]->count, parts = part_count(call);
    const int64_t part = parts ? (count + parts - 1) / parts : 0;
    double *sums = static_cast<double *>(call->workspace);
    tern_launch(call, "grad_squares", squares_kernel, { tern_blocks(parts, 1), NORM_THREADS },
                static_cast<const float *>(call->in[0]->data), count, part, sums);
    tern_launch(call, "grad_norm", norm_kernel, { 1, NORM_THREADS }, sums, parts,
                static_cast<const tern_grad_norm_opts *>(call->options)->max_norm,
                static_cast<float *>(call->out[0]->data), static_cast<float *>(call->out[1]->data));
}

TERN_CUDA_IMPL_WITH(grad_norm, grad_norm_forward, NULL, forward_bytes, NULL)
