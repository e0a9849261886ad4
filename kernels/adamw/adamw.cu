/* adamw and adam on cuda, float32: a thread an element, all blocks of a group in one pass.
 *
 * Cost: memory traffic: four blocks are read and three written.
 */
#include "kernels/adamw/adam.h"
#include "kernels/adamw/adamw.h"
#include "kernels/cuda/cuda.h"

enum { VALUE, GRAD, MOMENT1, MOMENT2, SCALE };

constexpr int ADAM_THREADS = 256;

struct adam_job {
    int64_t count;
    float *value, *moment1, *moment2;
    const float *grad, *scale; /* scale: one number on the device, or NULL */
    float decay;               /* adamw: lr * weight_decay; adam: weight_decay */
    float rate1, rate2, beta2, step_size, inverse_root2, eps;
};

/* DECOUPLED: the decay shrinks the value itself (adamw), else it is part of the gradient. */
template <bool DECOUPLED> static __global__ void adam_kernel(const adam_job job)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= job.count)
        return;
    float value = job.value[i], g = job.grad[i] * (job.scale ? *job.scale : 1.0f);
    if (DECOUPLED)
        value *= 1.0f - job.decay;
    else
        g += job.decay * value;
    float moment1 = job.moment1[i], moment2 = job.moment2[i];
    moment1 += job.rate1 * (g - moment1);
    moment2 = job.beta2 * moment2 + job.rate2 * g * g;
    job.moment1[i] = moment1;
    job.moment2[i] = moment2;
    job.value[i] = value - job.step_size * moment1 /
                               (sqrtf(moment2) * job.inverse_root2 + job.eps);
}

static adam_job job_of(const tern_call *call)
{
    const tern_adamw_opts *opts = static_cast<const tern_adamw_opts *>(call->options);
    const tern_adamw_factors factors = tern_adamw_prepare(opts);
    adam_job job = {};
    job.count = call->in[VALUE]->count;
    job.value = tern_floats(call->in[VALUE]);
    job.grad = tern_floats(call->in[GRAD]);
    job.moment1 = tern_floats(call->in[MOMENT1]);
    job.moment2 = tern_floats(call->in[MOMENT2]);
    job.scale = tern_floats(call->in[SCALE]);
    job.rate1 = (float)factors.rate1;
    job.rate2 = (float)factors.rate2;
    job.beta2 = (float)opts->beta2;
    job.step_size = (float)factors.step_size;
    job.inverse_root2 = (float)(1 / factors.root2);
    job.eps = (float)opts->eps;
    return job;
}

static void adamw_forward(tern_call *call)
{
    const tern_adamw_opts *opts = static_cast<const tern_adamw_opts *>(call->options);
    adam_job job = job_of(call);
    job.decay = (float)tern_adamw_prepare(opts).shrink;
    tern_launch(call, "adamw", adam_kernel<true>,
                { tern_blocks(job.count, ADAM_THREADS), ADAM_THREADS }, job);
}

static void adam_forward(tern_call *call)
{
    adam_job job = job_of(call);
    job.decay = (float)static_cast<const tern_adamw_opts *>(call->options)->weight_decay;
    tern_launch(call, "adam", adam_kernel<false>,
                { tern_blocks(job.count, ADAM_THREADS), ADAM_THREADS }, job);
}

TERN_CUDA_IMPL(adamw, adamw_forward, NULL)
TERN_CUDA_IMPL(adam, adam_forward, NULL)
