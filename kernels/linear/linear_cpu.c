/* linear on cpu by tern's own GEMM (kernels/matmul/gemm_cpu.c). */
#include "kernels/elementwise/activation_cpu.h"
#include "kernels/linear/linear_gemm.h"
#include "kernels/matmul/gemm_weight.h"

static size_t forward_bytes(const tern_call *call)
{
    return TERN_LEVEL(tern_linear_forward_bytes)(call, &TERN_LEVEL(tern_gemm_hand));
}

static size_t backward_bytes(const tern_call *call)
{
    return TERN_LEVEL(tern_linear_backward_bytes)(call, &TERN_LEVEL(tern_gemm_hand));
}

static uint32_t packs(const tern_call *call)
{
    (void)call;
    return tern_gemm_packs(1, &TERN_LEVEL(tern_gemm_hand));
}

static void linear_forward(tern_call *call)
{
    TERN_LEVEL(tern_linear_forward)(call, &TERN_LEVEL(tern_gemm_hand));
}

static void linear_backward(tern_call *call)
{
    TERN_LEVEL(tern_linear_backward)(call, &TERN_LEVEL(tern_gemm_hand));
}

const tern_impl TERN_LEVEL(tern_linear_cpu) = {
    .op = "linear", .backend = "cpu", .provider = "hand",
    .forward = linear_forward, .backward = linear_backward,
    .restore = TERN_LEVEL(tern_activation_restore),
    .forward_workspace = forward_bytes, .backward_workspace = backward_bytes,
    .packs = packs,
};
