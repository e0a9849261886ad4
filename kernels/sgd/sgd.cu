/* sgd on cuda, float32: a thread an element.  Cost: memory traffic: three blocks are read and
 * two written, without momentum two and one. */
#include "kernels/cuda/cuda.h"
#include "kernels/sgd/sgd.h"

constexpr int SGD_THREADS = 256;

struct sgd_job {
    int64_t count;
    float *value, *velocity;   /* velocity: NULL without momentum             */
    const float *grad, *scale; /* scale: one number on the device, or NULL   */
    float lr, momentum, weight_decay;
    bool nesterov;
};

static __global__ void sgd_kernel(const sgd_job job)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= job.count)
        return;
    float value = job.value[i];
    float g = job.grad[i] * (job.scale ? *job.scale : 1.0f) + job.weight_decay * value, step = g;
    if (job.velocity) {
        float velocity = job.momentum * job.velocity[i] + g;
        job.velocity[i] = velocity;
        step = job.nesterov ? g + job.momentum * velocity : velocity;
    }
    job.value[i] = value - job.lr * step;
}

static void sgd_forward(tern_call *call)
{
    const tern_sgd_opts *opts = static_cast<const tern_sgd_opts *>(call->options);
    sgd_job job = {};
    job.count = call->in[SGD_VALUE]->count;
    job.value = tern_floats(call->in[SGD_VALUE]);
    job.velocity = opts->momentum != 0 ? tern_floats(call->in[SGD_VELOCITY]) : NULL;
    job.grad = tern_floats(call->in[SGD_GRAD]);
    job.scale = tern_floats(call->in[SGD_SCALE]);
    job.lr = (float)opts->lr;
    job.momentum = (float)opts->momentum;
    job.weight_decay = (float)opts->weight_decay;
    job.nesterov = opts->nesterov;
    tern_launch(call, "sgd", sgd_kernel, { tern_blocks(job.count, SGD_THREADS), SGD_THREADS }, job);
}

TERN_CUDA_IMPL(sgd, sgd_forward, NULL)
