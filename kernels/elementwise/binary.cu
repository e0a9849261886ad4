/* add, sub, mul, div and pow on cuda, float32: the walk over the output and, for the
 * gradients of what was repeated, sums (broadcast.cuh).  Operands of the same shape, by far the
 * most frequent, are taken four neighbouring elements a thread with 16-byte accesses.
 *
 * An op is three functions of two numbers: what y is, and what each input gets of y's
 * gradient g.
 */
#include "kernels/elementwise/binary.h"

#include "core/smath.h"
#include "kernels/cuda/quad.cuh"
#include "kernels/elementwise/broadcast.cuh"

struct add_function {
    static constexpr bool GRADIENT_READS = false; /* a and b */
    static __device__ float value(float a, float b) { return a + b; }
    static __device__ float to_a(float, float, float g) { return g; }
    static __device__ float to_b(float, float, float g) { return g; }
};

struct sub_function {
    static constexpr bool GRADIENT_READS = false;
    static __device__ float value(float a, float b) { return a - b; }
    static __device__ float to_a(float, float, float g) { return g; }
    static __device__ float to_b(float, float, float g) { return -g; }
};

struct mul_function {
    static constexpr bool GRADIENT_READS = true;
    static __device__ float value(float a, float b) { return a * b; }
    static __device__ float to_a(float, float b, float g) { return g * b; }
    static __device__ float to_b(float a, float, float g) { return g * a; }
};

struct div_function {
    static constexpr bool GRADIENT_READS = true;
    static __device__ float value(float a, float b) { return a / b; }
    static __device__ float to_a(float, float b, float g) { return g / b; }
    static __device__ float to_b(float a, float b, float g) { return -g * (a / b / b); }
};

struct pow_function {
    static constexpr bool GRADIENT_READS = true;
    static __device__ float value(float a, float b) { return tern_powf(a, b); }
    static __device__ float to_a(float a, float b, float g)
    {
        return b == 0 ? 0 : g * (b * tern_powf(a, b - 1.0f));
    }
    static __device__ float to_b(float a, float b, float g)
    {
        return a == 0 && b >= 0 ? 0 : g * (tern_powf(a, b) * tern_logf(a));
    }
};

enum binary_role { VALUE, TO_A, TO_B };

/* One element; a and b are NULL where a gradient does not read them. */
template <typename Function, binary_role ROLE> struct binary_term {
    const float *a, *b, *g;

    static __device__ float of(float a, float b, float g)
    {
        return ROLE == VALUE  ? Function::value(a, b)
               : ROLE == TO_A ? Function::to_a(a, b, g)
                              : Function::to_b(a, b, g);
    }
    __device__ float operator()(int64_t, const int64_t *at) const
    {
        constexpr bool READS = ROLE == VALUE || Function::GRADIENT_READS;
        return of(READS ? a[at[1]] : 0, READS ? b[at[2]] : 0, ROLE == VALUE ? 0 : g[at[0]]);
    }
};

/* --------------------------------------------------------- equal shapes -- */

template <typename Function, binary_role ROLE>
static __global__ void binary_quads_kernel(const binary_term<Function, ROLE> term, int64_t count,
                                           float *to, bool accumulate, bool aligned)
{
    using Term = binary_term<Function, ROLE>;
    constexpr bool READS = ROLE == VALUE || Function::GRADIENT_READS;
    const int64_t at = 4 * ((int64_t)blockIdx.x * blockDim.x + threadIdx.x);
    const float4 zero = make_float4(0, 0, 0, 0);
    if (at >= count)
        return;
    float4 a = READS ? tern_load_quad(term.a, at, count, aligned, 1) : zero;
    float4 b = READS ? tern_load_quad(term.b, at, count, aligned, 1) : zero;
    float4 g = ROLE == VALUE ? zero : tern_load_quad(term.g, at, count, aligned, 0);
    float4 value = make_float4(Term::of(a.x, b.x, g.x), Term::of(a.y, b.y, g.y),
                               Term::of(a.z, b.z, g.z), Term::of(a.w, b.w, g.w));
    tern_put_quad(to, at, count, aligned, value, accumulate);
}

static bool same_counts(const tern_call *call)
{
    return call->in[0]->count == call->out[0]->count && call->in[1]->count == call->out[0]->count;
}

/* ---------------------------------------------------------------- calls -- */

template <typename Function, binary_role ROLE>
static void walk(tern_call *call, const char *name, float *to, bool accumulate)
{
    const tern_tensor *operands[] = { call->in[0], call->in[1] };
    binary_term<Function, ROLE> term = {};
    term.a = static_cast<const float *>(call->in[0]->data);
    term.b = static_cast<const float *>(call->in[1]->data);
    term.g = ROLE == VALUE ? NULL : static_cast<const float *>(call->grad_out[0]->data);
    if (!same_counts(call)) {
        tern_walk(call, name, operands, 2, term, to, accumulate);
        return;
    }
    const int64_t count = call->out[0]->count;
    bool aligned = tern_quads_fit(term.a, 0) && tern_quads_fit(term.b, 0) &&
                   tern_quads_fit(term.g, 0) && tern_quads_fit(to, 0);
    tern_launch(call, name, binary_quads_kernel<Function, ROLE>,
                { tern_blocks(count, 4 * WALK_THREADS), WALK_THREADS }, term, count, to,
                accumulate, aligned);
}

static bool is_repeated(const tern_call *call, int which)
{
    return call->in[which]->count != call->out[0]->count;
}

template <typename Function, binary_role ROLE>
static void give_back(tern_call *call, const char *name, int which)
{
    const tern_tensor *operands[] = { call->in[0], call->in[1] };
    if (!call->grad_in[which])
        return;
    float *grad = static_cast<float *>(call->grad_in[which]->data);
    if (!is_repeated(call, which)) {
        walk<Function, ROLE>(call, name, grad, call->accumulate[which]);
        return;
    }
    binary_term<Function, ROLE> term = {};
    term.a = static_cast<const float *>(call->in[0]->data);
    term.b = static_cast<const float *>(call->in[1]->data);
    term.g = static_cast<const float *>(call->grad_out[0]->data);
    tern_broadcast_sum(call, name, operands, 2, which, term, grad, call->accumulate[which]);
}

static size_t backward_bytes(const tern_call *call)
{
    const tern_tensor *operands[] = { call->in[0], call->in[1] };
    size_t most = 0;
    for (int which = 0; which < 2; which++)
        if (call->grad_in[which] && is_repeated(call, which)) {
            size_t bytes = tern_broadcast_sum_bytes(call, operands, 2, which);
            most = bytes > most ? bytes : most;
        }
    return most;
}

template <typename Function> static void forward(tern_call *call, const char *name)
{
    walk<Function, VALUE>(call, name, static_cast<float *>(call->out[0]->data), false);
}

template <typename Function>
static void backward(tern_call *call, const char *name_a, const char *name_b)
{
    give_back<Function, TO_A>(call, name_a, 0);
    give_back<Function, TO_B>(call, name_b, 1);
}

static void add_forward(tern_call *call) { forward<add_function>(call, "add"); }
static void add_backward(tern_call *call) { backward<add_function>(call, "add_a", "add_b"); }
static void sub_forward(tern_call *call) { forward<sub_function>(call, "sub"); }
static void sub_backward(tern_call *call) { backward<sub_function>(call, "sub_a", "sub_b"); }
static void mul_forward(tern_call *call) { forward<mul_function>(call, "mul"); }
static void mul_backward(tern_call *call) { backward<mul_function>(call, "mul_a", "mul_b"); }
static void div_forward(tern_call *call) { forward<div_function>(call, "div"); }
static void div_backward(tern_call *call) { backward<div_function>(call, "div_a", "div_b"); }
static void pow_forward(tern_call *call) { forward<pow_function>(call, "pow"); }
static void pow_backward(tern_call *call) { backward<pow_function>(call, "pow_a", "pow_b"); }

TERN_CUDA_IMPL_WITH(add, add_forward, add_backward, NULL, backward_bytes)
TERN_CUDA_IMPL_WITH(sub, sub_forward, sub_backward, NULL, backward_bytes)
TERN_CUDA_IMPL_WITH(mul, mul_forward, mul_backward, NULL, backward_bytes)
TERN_CUDA_IMPL_WITH(div, div_forward, div_backward, NULL, backward_bytes)
TERN_CUDA_IMPL_WITH(pow, pow_forward, pow_backward, NULL, backward_bytes)
