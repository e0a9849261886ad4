/* OpenBLAS as another GEMM: loaded at first use, told the CPU's type, called with one
 * thread from tern's own tiles. */
#ifndef TERN_KERNELS_OPENBLAS_H
#define TERN_KERNELS_OPENBLAS_H

#include "core/op.h"
#include "kernels/matmul/gemm.h"

/* cblas_sgemm with C's enumerations as plain numbers. */
enum { TERN_BLAS_ROW_MAJOR = 101, TERN_BLAS_NO_TRANS = 111, TERN_BLAS_TRANS = 112 };
typedef void (*tern_sgemm_fn)(int order, int transpose_a, int transpose_b, int m, int n, int k,
                              float alpha, const float *a, int a_stride, const float *b,
                              int b_stride, float beta, float *c, int c_stride);

/* NULL and TERN_ERR_MISSING, naming the package to install, if it cannot be loaded. */
tern_sgemm_fn tern_openblas_sgemm(tern_error *error);
/* The kernels it chose, "Cooperlake": to be shown in every report.  NULL if not loaded. */
const char *tern_openblas_corename(void);

/* For kernels: true if OpenBLAS is there and this call's sizes fit its int; else the
 * call has failed. */
bool tern_openblas_ready(tern_call *call);

/* GEMM through OpenBLAS, as gemm.h says, but for packed B, which it does not take. */
extern const tern_gemm_provider TERN_LEVEL(tern_openblas_gemm);

#endif
