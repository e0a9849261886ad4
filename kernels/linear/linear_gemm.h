/* linear over any GEMM: what its cpu providers have in common; see linear_gemm_cpu.c. */
#ifndef TERN_KERNELS_LINEAR_GEMM_H
#define TERN_KERNELS_LINEAR_GEMM_H

#include "kernels/linear/linear.h"
#include "kernels/matmul/gemm.h"

size_t TERN_LEVEL(tern_linear_forward_bytes)(const tern_call *call, const tern_gemm_provider *gemm);
size_t TERN_LEVEL(tern_linear_backward_bytes)(const tern_call *call,
                                              const tern_gemm_provider *gemm);
void TERN_LEVEL(tern_linear_forward)(tern_call *call, const tern_gemm_provider *gemm);
void TERN_LEVEL(tern_linear_backward)(tern_call *call, const tern_gemm_provider *gemm);

#endif
