/* dropout on cuda, float32: a thread draws the four numbers of one Philox block and multiplies
 * the four elements that they belong to, so a mask is the same as on every backend.
 *
 * Cost: memory traffic, and some 70 integer operations for four elements.
 */
#include "kernels/elementwise/dropout.h"

#include "core/rng.h"
#include "kernels/elementwise/unary.cuh"

struct dropout_job {
    int64_t count;
    const float *from;
    float *to;
    bool drops, accumulate, aligned;
    uint64_t seed;
    uint32_t step, position;
    float p, scale;
};

static __device__ __forceinline__ float factor_of(const dropout_job &job, uint32_t bits)
{
    return tern_uniform(bits) >= job.p ? job.scale : 0;
}

static __global__ void dropout_kernel(const dropout_job job)
{
    const int64_t block = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, at = 4 * block;
    if (at >= job.count)
        return;
    float4 value = tern_load_quad(job.from, at, job.count, job.aligned, 0);
    if (job.drops) {
        const uint32_t counter[4] = { (uint32_t)block, (uint32_t)((uint64_t)block >> 32),
                                      job.position, job.step };
        uint32_t word[4];
        tern_philox(job.seed, counter, word);
        value = make_float4(value.x * factor_of(job, word[0]), value.y * factor_of(job, word[1]),
                            value.z * factor_of(job, word[2]), value.w * factor_of(job, word[3]));
    }
    tern_put_quad(job.to, at, job.count, job.aligned, value, job.accumulate);
}

static void apply(tern_call *call, const char *name, const tern_tensor *from, tern_tensor *to,
                  bool accumulate)
{
    const double p = static_cast<const tern_dropout_opts *>(call->options)->p;
    dropout_job job = {};
    job.count = to->count;
    job.from = static_cast<const float *>(from->data);
    job.to = static_cast<float *>(to->data);
    job.drops = call->training && p > 0;
    job.accumulate = accumulate;
    job.aligned = tern_quads_fit(job.from, 0) && tern_quads_fit(job.to, 0);
    job.seed = call->rng_seed;
    job.step = call->rng_step;
    job.position = call->rng_position;
    /* u is k * 2^-24: it reaches p where k reaches p * 2^24, rounded up. */
    job.p = (float)(ceil(p * 0x1p24) * 0x1p-24);
    job.scale = (float)tern_dropout_scale(p);
    tern_launch(call, name, dropout_kernel, unary_grid(job.count), job);
}

static void dropout_forward(tern_call *call)
{
    apply(call, "dropout", call->in[0], call->out[0], false);
}

static void dropout_backward(tern_call *call)
{
    apply(call, "dropout_grad", call->grad_out[0], call->grad_in[0], call->accumulate[0]);
}

TERN_CUDA_IMPL(dropout, dropout_forward, dropout_backward)
