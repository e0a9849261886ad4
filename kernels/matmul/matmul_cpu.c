/* matmul on cpu by tern's own GEMM (kernels/matmul/gemm_cpu.c). */
#include "kernels/matmul/matmul_gemm.h"

static const tern_gemm_provider gemm = { .scratch = TERN_LEVEL(tern_gemm_scratch),
                                         .run = TERN_LEVEL(tern_gemm_run) };

static size_t forward_bytes(const tern_call *call)
{
    return TERN_LEVEL(tern_matmul_forward_bytes)(call, &gemm);
}

static size_t backward_bytes(const tern_call *call)
{
    return TERN_LEVEL(tern_matmul_backward_bytes)(call, &gemm);
}

static void matmul_forward(tern_call *call)
{
    TERN_LEVEL(tern_matmul_forward)(call, &gemm);
}

static void matmul_backward(tern_call *call)
{
    TERN_LEVEL(tern_matmul_backward)(call, &gemm);
}

const tern_impl TERN_LEVEL(tern_matmul_cpu) = {
    .op = "matmul", .backend = "cpu", .provider = "hand",
    .forward = matmul_forward, .backward = matmul_backward,
    .forward_workspace = forward_bytes, .backward_workspace = backward_bytes,
};
