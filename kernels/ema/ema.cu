/* ema on cuda, float32: a thread an element.  Cost: memory traffic: two blocks are read and one
 * written. */
#include "kernels/cuda/cuda.h"
#include "kernels/ema/ema.h"

constexpr int EMA_THREADS = 256;

static __global__ void ema_kernel(int64_t count, float rate, const float *value, float *average)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count)
        average[i] += rate * (value[i] - average[i]);
}

static void ema_forward(tern_call *call)
{
    const double decay = static_cast<const tern_ema_opts *>(call->options)->decay;
    const int64_t count = call->in[0]->count;
    tern_launch(call, "ema", ema_kernel, { tern_blocks(count, EMA_THREADS), EMA_THREADS }, count,
                (float)(1 - decay), static_cast<const float *>(call->in[1]->data),
                static_cast<float *>(call->in[0]->data));
}

TERN_CUDA_IMPL(ema, ema_forward, NULL)
