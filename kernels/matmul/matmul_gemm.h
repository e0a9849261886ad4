/* matmul over any GEMM: what its cpu providers have in common; see matmul_gemm_cpu.c. */
#ifndef TERN_KERNELS_MATMUL_GEMM_H
#define TERN_KERNELS_MATMUL_GEMM_H

#include "kernels/matmul/gemm.h"
#include "kernels/matmul/matmul.h"

size_t TERN_LEVEL(tern_matmul_forward_bytes)(const tern_call *call, const tern_gemm_provider *gemm);
size_t TERN_LEVEL(tern_matmul_backward_bytes)(const tern_call *call,
                                              const tern_gemm_provider *gemm);
void TERN_LEVEL(tern_matmul_forward)(tern_call *call, const tern_gemm_provider *gemm);
void TERN_LEVEL(tern_matmul_backward)(tern_call *call, const tern_gemm_provider *gemm);

#endif
