/* linear on cpu by OpenBLAS's GEMM (kernels/matmul/openblas_cpu.c). */
#include "kernels/elementwise/activation_cpu.h"
#include "kernels/linear/linear_gemm.h"
#include "kernels/matmul/gemm_weight.h"
#include "kernels/matmul/openblas.h"

static size_t forward_bytes(const tern_call *call)
{
    return TERN_LEVEL(tern_linear_forward_bytes)(call, &TERN_LEVEL(tern_openblas_gemm));
}

static size_t backward_bytes(const tern_call *call)
{
    return TERN_LEVEL(tern_linear_backward_bytes)(call, &TERN_LEVEL(tern_openblas_gemm));
}

static uint32_t packs(const tern_call *call)
{
    (void)call;
    return tern_gemm_packs(1, &TERN_LEVEL(tern_openblas_gemm));
}

static void linear_forward(tern_call *call)
{
    if (tern_openblas_ready(call))
        TERN_LEVEL(tern_linear_forward)(call, &TERN_LEVEL(tern_openblas_gemm));
}

static void linear_backward(tern_call *call)
{
    if (tern_openblas_ready(call))
        TERN_LEVEL(tern_linear_backward)(call, &TERN_LEVEL(tern_openblas_gemm));
}

const tern_impl TERN_LEVEL(tern_linear_openblas_cpu) = {
    .op = "linear", .backend = "cpu", .provider = "openblas",
    .forward = linear_forward, .backward = linear_backward,
    .restore = TERN_LEVEL(tern_activation_restore),
    .forward_workspace = forward_bytes, .backward_workspace = backward_bytes,
    .packs = packs,
};
