/* matmul on cpu by OpenBLAS's GEMM (kernels/matmul/openblas_cpu.c). */
#include "kernels/matmul/matmul_gemm.h"
#include "kernels/matmul/openblas.h"

static size_t forward_bytes(const tern_call *call)
{
    return TERN_LEVEL(tern_matmul_forward_bytes)(call, &TERN_LEVEL(tern_openblas_gemm));
}

static size_t backward_bytes(const tern_call *call)
{
    return TERN_LEVEL(tern_matmul_backward_bytes)(call, &TERN_LEVEL(tern_openblas_gemm));
}

static void matmul_forward(tern_call *call)
{
    if (tern_openblas_ready(call))
        TERN_LEVEL(tern_matmul_forward)(call, &TERN_LEVEL(tern_openblas_gemm));
}

static void matmul_backward(tern_call *call)
{
    if (tern_openblas_ready(call))
        TERN_LEVEL(tern_matmul_backward)(call, &TERN_LEVEL(tern_openblas_gemm));
}

const tern_impl TERN_LEVEL(tern_matmul_openblas_cpu) = {
    .op = "matmul", .backend = "cpu", .provider = "openblas",
    .forward = matmul_forward, .backward = matmul_backward,
    .forward_workspace = forward_bytes, .backward_workspace = backward_bytes,
};
