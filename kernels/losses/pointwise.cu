/* mse, l1, huber and bce_with_logits on cuda, float32: terms summed in a fixed order
 * (kernels/cuda/axes.cuh), and what the mean divides by beside them.
 *
 * Cost: memory traffic; x and target are read once, backward reads them again.
 */
#include "kernels/losses/pointwise.h"

#include "core/smath.h"
#include "core/workspace.h"
#include "kernels/cuda/axes.cuh"

constexpr int LOSS_THREADS = 256;

/* What all elements have in common. */
struct loss_data {
    const float *x, *target, *weight, *pos_weight; /* the last two may be NULL */
    int64_t count, classes;                        /* classes: of pos_weight */
    float delta;
};

static __device__ __forceinline__ float weight_at(const loss_data &data, int64_t i)
{
    return data.weight ? data.weight[i] : 1;
}

static __device__ __forceinline__ float pos_weight_at(const loss_data &data, int64_t i)
{
    return data.pos_weight ? data.pos_weight[i % data.classes] : 1;
}

/* An element's term without its weight, and the slopes to x and target. */
template <tern_pointwise KIND> struct loss_function {
    static __device__ float term(const loss_data &data, int64_t i)
    {
        const float x = data.x[i], target = data.target[i], d = x - target, size = fabsf(d);
        switch (KIND) {
        case POINTWISE_MSE: return d * d;
        case POINTWISE_L1: return size;
        case POINTWISE_HUBER:
            return size <= data.delta ? d * d / 2 : data.delta * (size - data.delta / 2);
        case POINTWISE_BCE: break;
        }
        return pos_weight_at(data, i) * target * tern_softplusf(-x) +
               (1 - target) * tern_softplusf(x);
    }
    static __device__ float slope_of_x(const loss_data &data, int64_t i)
    {
        const float x = data.x[i], target = data.target[i], d = x - target;
        switch (KIND) {
        case POINTWISE_MSE: return 2 * d;
        case POINTWISE_L1: return d > 0 ? 1 : d < 0 ? -1 : 0;
        case POINTWISE_HUBER: return fmaxf(-data.delta, fminf(d, data.delta));
        case POINTWISE_BCE: break;
        }
        return (1 - target) * tern_sigmoidf(x) -
               pos_weight_at(data, i) * target * tern_sigmoidf(-x);
    }
    static __device__ float slope_of_target(const loss_data &data, int64_t i)
    {
        if (KIND == POINTWISE_BCE)
            return pos_weight_at(data, i) * tern_softplusf(-data.x[i]) - tern_softplusf(data.x[i]);
        return -slope_of_x(data, i);
    }
};

template <tern_pointwise KIND> struct loss_term {
    loss_data data;
    __device__ float operator()(int64_t, const int64_t *at) const
    {
        return weight_at(data, at[0]) * loss_function<KIND>::term(data, at[0]);
    }
};

struct weight_term {
    loss_data data;
    __device__ float operator()(int64_t, const int64_t *at) const { return weight_at(data, at[0]); }
};

/* -------------------------------------------------------------- forward -- */

template <tern_pointwise KIND>
static __global__ void loss_terms_kernel(const loss_data data, float *terms)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < data.count)
        terms[i] = weight_at(data, i) * loss_function<KIND>::term(data, i);
}

/* sum becomes the loss; weights: what the mean divides by where weights sum up to it. */
static __global__ void loss_divide_kernel(const float *sum, const float *weights, float divisor,
                                          float *loss, float *saved)
{
    if (weights)
        divisor = *weights;
    if (loss)
        *loss = divisor != 0 ? *sum / divisor : 0;
    if (saved)
        *saved = divisor;
}

static loss_data data_of(const tern_call *call)
{
    const tern_tensor *pos_weight =
        call->inputs > LOSS_POS_WEIGHT ? call->in[LOSS_POS_WEIGHT] : NULL;
    const tern_tensor *weight = call->in[LOSS_WEIGHT];
    loss_data data = {};
    data.x = static_cast<const float *>(call->in[LOSS_X]->data);
    data.target = static_cast<const float *>(call->in[LOSS_TARGET]->data);
    data.weight = weight ? static_cast<const float *>(weight->data) : NULL;
    data.pos_weight = pos_weight ? static_cast<const float *>(pos_weight->data) : NULL;
    data.classes = pos_weight ? pos_weight->count : 1;
    data.count = call->in[LOSS_X]->count;
    data.delta = (float)static_cast<const tern_loss_opts *>(call->options)->delta;
    return data;
}

static int reduction_of(const tern_call *call)
{
    return static_cast<const tern_loss_opts *>(call->options)->reduction;
}

/* One sum over all elements, place 0 is that in x. */
static axes_plan plan_of(const tern_call *call)
{
    tern_axes all = tern_no_axes();
    all.stride[0][tern_add_axis(&all, call->in[LOSS_X]->count)] = 1;
    return tern_plan_axes(tern_no_axes(), all, 1, true);
}

struct loss_workspace {
    float *sum, *weights, *chunks;
    size_t bytes;
};

static loss_workspace cut_workspace(const tern_call *call, void *base)
{
    tern_workspace workspace = { static_cast<char *>(base), 0 };
    loss_workspace parts = {};
    parts.sum = static_cast<float *>(tern_workspace_take(&workspace, 1, sizeof(float)));
    parts.weights = static_cast<float *>(tern_workspace_take(&workspace, 1, sizeof(float)));
    parts.chunks = static_cast<float *>(
        tern_workspace_take(&workspace, tern_axes_floats(plan_of(call)), sizeof(float)));
    parts.bytes = workspace.used;
    return parts;
}

static size_t forward_bytes(const tern_call *call)
{
    return cut_workspace(call, NULL).bytes;
}

template <tern_pointwise KIND> static void forward(tern_call *call, const char *name)
{
    const loss_data data = data_of(call);
    const axes_plan plan = plan_of(call);
    const loss_workspace parts = cut_workspace(call, call->workspace);
    const bool none = reduction_of(call) == TERN_REDUCE_NONE;
    const bool mean = reduction_of(call) == TERN_REDUCE_MEAN;
    const bool by_weights = mean && data.weight && tern_pointwise_divides_by_weights(KIND);
    float *loss = static_cast<float *>(call->out[0]->data);
    float *saved = call->saved[0] ? static_cast<float *>(call->saved[0]->data) : NULL;
    if (none)
        tern_launch(call, name, loss_terms_kernel<KIND>,
                    { tern_blocks(data.count, LOSS_THREADS), LOSS_THREADS }, data, loss);
    else
        tern_join_axes<tern_join_sum>(call, name, plan, loss_term<KIND>{ data }, parts.chunks,
                                      axes_result{ parts.sum, 1, false });
    if (by_weights)
        tern_join_axes<tern_join_sum>(call, "loss_weights", plan, weight_term{ data }, parts.chunks,
                                      axes_result{ parts.weights, 1, false });
    tern_launch(call, "loss_divide", loss_divide_kernel, { 1, 1 }, parts.sum,
                by_weights ? parts.weights : static_cast<float *>(NULL),
                mean ? (float)data.count : 1.0f, none ? static_cast<float *>(NULL) : loss, saved);
}

/* ------------------------------------------------------------- backward -- */

struct loss_gradients {
    const float *grad_loss, *divisor;
    float *grad_x, *grad_target; /* NULL: not wanted */
    bool none, accumulate_x, accumulate_target;
};

template <tern_pointwise KIND>
static __global__ void loss_grad_kernel(const loss_data data, const loss_gradients to)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= data.count)
        return;
    const float divisor = *to.divisor;
    const float upstream = divisor != 0 ? to.grad_loss[to.none ? i : 0] / divisor : 0;
    const float scale = upstream * weight_at(data, i);
    if (to.grad_x) {
        float grad = scale * loss_function<KIND>::slope_of_x(data, i);
        to.grad_x[i] = to.accumulate_x ? to.grad_x[i] + grad : grad;
    }
    if (to.grad_target) {
        float grad = scale * loss_function<KIND>::slope_of_target(data, i);
        to.grad_target[i] = to.accumulate_target ? to.grad_target[i] + grad : grad;
    }
}

template <tern_pointwise KIND> static void backward(tern_call *call, const char *name)
{
    const tern_tensor *grad_x = call->grad_in[LOSS_X], *grad_target = call->grad_in[LOSS_TARGET];
    const loss_data data = data_of(call);
    loss_gradients to = {};
    to.grad_loss = static_cast<const float *>(call->grad_out[0]->data);
    to.divisor = static_cast<const float *>(call->saved[0]->data);
    to.grad_x = grad_x ? static_cast<float *>(grad_x->data) : NULL;
    to.grad_target = grad_target ? static_cast<float *>(grad_target->data) : NULL;
    to.none = reduction_of(call) == TERN_REDUCE_NONE;
    to.accumulate_x = call->accumulate[LOSS_X];
    to.accumulate_target = call->accumulate[LOSS_TARGET];
    tern_launch(call, name, loss_grad_kernel<KIND>,
                { tern_blocks(data.count, LOSS_THREADS), LOSS_THREADS }, data, to);
}

static void mse_forward(tern_call *call) { forward<POINTWISE_MSE>(call, "mse"); }
static void mse_backward(tern_call *call) { backward<POINTWISE_MSE>(call, "mse_grad"); }
static void l1_forward(tern_call *call) { forward<POINTWISE_L1>(call, "l1"); }
static void l1_backward(tern_call *call) { backward<POINTWISE_L1>(call, "l1_grad"); }
static void huber_forward(tern_call *call) { forward<POINTWISE_HUBER>(call, "huber"); }
static void huber_backward(tern_call *call) { backward<POINTWISE_HUBER>(call, "huber_grad"); }
static void bce_forward(tern_call *call) { forward<POINTWISE_BCE>(call, "bce"); }
static void bce_backward(tern_call *call) { backward<POINTWISE_BCE>(call, "bce_grad"); }

TERN_CUDA_IMPL_WITH(mse, mse_forward, mse_backward, forward_bytes, NULL)
TERN_CUDA_IMPL_WITH(l1, l1_forward, l1_backward, forward_bytes, NULL)
TERN_CUDA_IMPL_WITH(huber, huber_forward, huber_backward, forward_bytes, NULL)
TERN_CUDA_IMPL_WITH(bce_with_logits, bce_forward, bce_backward, forward_bytes, NULL)
