/* sum, mean, max and var on cuda, float32: terms joined over the reduced axes
 * (kernels/cuda/axes.cuh).
 *
 *   max's backward finds the maxima again and counts the elements that reach them;
 *   var takes the means first, and then squares of differences from them.
 *
 * Cost: x is read once; twice by var and by max's backward.
 */
#include "kernels/reduce/reduce.h"

#include "core/workspace.h"
#include "kernels/cuda/axes.cuh"
#include "kernels/reduce/reduce_view.h"

constexpr int SPREAD_THREADS = 256;

/* Place 0 is that in x. */
static axes_plan plan_of(const tern_call *call)
{
    const reduce_view view = tern_reduce_view(call);
    tern_axes part[2] = { tern_no_axes(), tern_no_axes() }; /* kept, reduced */
    int64_t stride = 1;
    for (int axis = view.axes - 1; axis >= 0; axis--)
        stride *= view.extent[axis];
    for (int axis = 0; axis < view.axes; axis++) {
        tern_axes *to = &part[view.reduced[axis]];
        stride = view.extent[axis] ? stride / view.extent[axis] : 0;
        to->stride[0][tern_add_axis(to, view.extent[axis])] = stride;
    }
    return tern_plan_axes(part[0], part[1], 1, view.reduced[view.axes - 1]);
}

struct value_term {
    const float *x;
    __device__ float operator()(int64_t, const int64_t *at) const { return x[at[0]]; }
};

struct square_term {
    const float *x, *mean;
    __device__ float operator()(int64_t result, const int64_t *at) const
    {
        float d = x[at[0]] - mean[result];
        return d * d;
    }
};

/* 1 where the maximum is reached. */
struct equal_term {
    const float *x, *largest;
    __device__ float operator()(int64_t result, const int64_t *at) const
    {
        return x[at[0]] == largest[result] ? 1 : 0;
    }
};

/* The workspace: results by the way, and chunks' results. */
struct reduce_workspace {
    float *largest, *equals, *mean, *chunks;
    size_t bytes;
};

enum reduce_need { NEEDS_CHUNKS, NEEDS_MEAN, NEEDS_EQUALS };

static reduce_workspace cut_workspace(const axes_plan &plan, reduce_need need, void *base)
{
    tern_workspace workspace = { static_cast<char *>(base), 0 };
    reduce_workspace parts = {};
    int64_t results = plan.kept.count;
    if (need == NEEDS_MEAN)
        parts.mean = static_cast<float *>(tern_workspace_take(&workspace, results, sizeof(float)));
    if (need == NEEDS_EQUALS) {
        parts.largest =
            static_cast<float *>(tern_workspace_take(&workspace, results, sizeof(float)));
        parts.equals =
            static_cast<float *>(tern_workspace_take(&workspace, results, sizeof(float)));
    }
    parts.chunks = static_cast<float *>(
        tern_workspace_take(&workspace, tern_axes_floats(plan), sizeof(float)));
    parts.bytes = workspace.used;
    return parts;
}

static size_t chunk_bytes(const tern_call *call)
{
    return cut_workspace(plan_of(call), NEEDS_CHUNKS, NULL).bytes;
}

/* ------------------------------------------------------------ spreading -- */

/* grad_x[i] (+)= what its result's gradient gives it. */
template <typename Share>
static __global__ void spread_kernel(const axes_plan plan, const Share share, float *grad_x,
                                     bool accumulate)
{
    const int64_t index = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= plan.kept.count * plan.reduced.count)
        return;
    /* Neighbours in x are neighbours along the last axis of the walk. */
    int64_t result = plan.lines ? index / plan.reduced.count : index % plan.kept.count;
    int64_t term = plan.lines ? index % plan.reduced.count : index / plan.kept.count;
    int64_t at[AXES_PLACES] = { 0 };
    tern_add_places(plan.kept, 1, result, at);
    tern_add_places(plan.reduced, 1, term, at);
    float grad = share(result, at[0]);
    grad_x[at[0]] = accumulate ? grad_x[at[0]] + grad : grad;
}

template <typename Share>
static void spread(tern_call *call, const char *name, const axes_plan &plan, const Share &share)
{
    tern_launch(call, name, spread_kernel<Share>,
                { tern_blocks(plan.kept.count * plan.reduced.count, SPREAD_THREADS),
                  SPREAD_THREADS },
                plan, share, tern_floats(call->grad_in[0]), call->accumulate[0]);
}

struct scaled_share {
    const float *grad_y;
    float factor;
    __device__ float operator()(int64_t result, int64_t) const { return factor * grad_y[result]; }
};

/* --------------------------------------------------------- sum and mean -- */

static void scaled_sum(tern_call *call, const char *name, const axes_plan &plan, double factor,
                       float *chunks, float *to)
{
    tern_join_axes<tern_join_sum>(call, name, plan, value_term{ tern_floats(call->in[0]) }, chunks,
                                  axes_result{ to, (float)factor, false });
}

static void sum_forward(tern_call *call)
{
    scaled_sum(call, "sum", plan_of(call), 1, static_cast<float *>(call->workspace),
               tern_floats(call->out[0]));
}

static void sum_backward(tern_call *call)
{
    spread(call, "sum_grad", plan_of(call), scaled_share{ tern_floats(call->grad_out[0]), 1 });
}

static void mean_forward(tern_call *call)
{
    const axes_plan plan = plan_of(call);
    scaled_sum(call, "mean", plan, 1 / (double)plan.reduced.count,
               static_cast<float *>(call->workspace), tern_floats(call->out[0]));
}

static void mean_backward(tern_call *call)
{
    const axes_plan plan = plan_of(call);
    const scaled_share share = { tern_floats(call->grad_out[0]),
                                 (float)(1 / (double)plan.reduced.count) };
    spread(call, "mean_grad", plan, share);
}

/* ------------------------------------------------------------------ max -- */

static void find_largest(tern_call *call, const axes_plan &plan, float *chunks, float *to)
{
    tern_join_axes<tern_join_max>(call, "max", plan, value_term{ tern_floats(call->in[0]) }, chunks,
                                  axes_result{ to, 1, false });
}

static void max_forward(tern_call *call)
{
    find_largest(call, plan_of(call), static_cast<float *>(call->workspace),
                 tern_floats(call->out[0]));
}

struct largest_share {
    const float *x, *grad_y, *largest, *equals;
    __device__ float operator()(int64_t result, int64_t at) const
    {
        return (x[at] == largest[result] ? grad_y[result] : 0) / equals[result];
    }
};

static void max_backward(tern_call *call)
{
    const axes_plan plan = plan_of(call);
    const float *x = tern_floats(call->in[0]);
    const reduce_workspace parts = cut_workspace(plan, NEEDS_EQUALS, call->workspace);
    find_largest(call, plan, parts.chunks, parts.largest);
    tern_join_axes<tern_join_sum>(call, "max_equals", plan, equal_term{ x, parts.largest },
                                  parts.chunks, axes_result{ parts.equals, 1, false });
    spread(call, "max_grad", plan,
           largest_share{ x, tern_floats(call->grad_out[0]), parts.largest, parts.equals });
}

static size_t max_backward_bytes(const tern_call *call)
{
    return cut_workspace(plan_of(call), NEEDS_EQUALS, NULL).bytes;
}

/* ------------------------------------------------------------------ var -- */

static void var_forward(tern_call *call)
{
    const axes_plan plan = plan_of(call);
    const reduce_view view = tern_reduce_view(call);
    const reduce_workspace parts = cut_workspace(plan, NEEDS_MEAN, call->workspace);
    float *mean = call->saved[0] ? tern_floats(call->saved[0]) : parts.mean;
    scaled_sum(call, "var_mean", plan, 1 / (double)plan.reduced.count, parts.chunks, mean);
    const float scale = (float)(1 / tern_var_divisor(call, &view));
    tern_join_axes<tern_join_sum>(call, "var", plan, square_term{ tern_floats(call->in[0]), mean },
                                  parts.chunks,
                                  axes_result{ tern_floats(call->out[0]), scale, false });
}

static size_t var_forward_bytes(const tern_call *call)
{
    return cut_workspace(plan_of(call), NEEDS_MEAN, NULL).bytes;
}

struct difference_share {
    const float *x, *mean, *grad_y;
    float factor;
    __device__ float operator()(int64_t result, int64_t at) const
    {
        return grad_y[result] * factor * (x[at] - mean[result]);
    }
};

static void var_backward(tern_call *call)
{
    const reduce_view view = tern_reduce_view(call);
    spread(call, "var_grad", plan_of(call),
           difference_share{ tern_floats(call->in[0]), tern_floats(call->saved[0]),
                             tern_floats(call->grad_out[0]),
                             (float)(2 / tern_var_divisor(call, &view)) });
}

TERN_CUDA_IMPL_WITH(sum, sum_forward, sum_backward, chunk_bytes, NULL)
TERN_CUDA_IMPL_WITH(mean, mean_forward, mean_backward, chunk_bytes, NULL)
TERN_CUDA_IMPL_WITH(max, max_forward, max_backward, chunk_bytes, max_backward_bytes)
TERN_CUDA_IMPL_WITH(var, var_forward, var_backward, var_forward_bytes, NULL)
