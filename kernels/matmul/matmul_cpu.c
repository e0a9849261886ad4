/* matmul on cpu by tern's own GEMM (kernels/matmul/gemm_cpu.c). */
#include "kernels/matmul/matmul_gemm.h"

static size_t forward_bytes(const tern_call *call)
{
    return TERN_LEVEL(tern_matmul_forward_bytes)(call, &TERN_LEVEL(tern_gemm_hand));
}

static size_t backward_bytes(const tern_call *call)
{
    return TERN_LEVEL(tern_matmul_backward_bytes)(call, &TERN_LEVEL(tern_gemm_hand));
}

static void matmul_forward(tern_call *call)
{
    TERN_LEVEL(tern_matmul_forward)(call, &TERN_LEVEL(tern_gemm_hand));
}

static void matmul_backward(tern_call *call)
{
    TERN_LEVEL(tern_matmul_backward)(call, &TERN_LEVEL(tern_gemm_hand));
}

const tern_impl TERN_LEVEL(tern_matmul_cpu) = {
    .op = "matmul", .backend = "cpu", .provider = "hand",
    .forward = matmul_forward, .backward = matmul_backward,
    .forward_workspace = forward_bytes, .backward_workspace = backward_bytes,
};
