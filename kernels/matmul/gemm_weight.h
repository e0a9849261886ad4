/* GEMM with a weight of the op as B: y = x W^T with W [n,k].
 *
 * Such a B is packed anyway; where it is a parameter and nothing is recorded for backward,
 * its packed panels are kept from call to call (core/packing.h).
 */
#ifndef TERN_KERNELS_GEMM_WEIGHT_H
#define TERN_KERNELS_GEMM_WEIGHT_H

#include "core/packing.h"
#include "kernels/matmul/gemm.h"

/* The flags for gemm, which decide on its scratch: before tern_gemm_scratch is asked. */
static inline void tern_gemm_flag_weight(const tern_call *call, int input,
                                         const tern_gemm_provider *provider, tern_gemm *gemm)
{
    gemm->b_transposed = true;
    gemm->b_packed = provider->pack_b && tern_packing_is_kept(call, input);
}

/* tern_impl.packs, of such an input. */
static inline uint32_t tern_gemm_packs(int input, const tern_gemm_provider *provider)
{
    return provider->pack_b ? 1u << input : 0;
}

/* B itself, for flags set as above; false after an error. */
static inline bool tern_gemm_take_weight(tern_call *call, int input,
                                         const tern_gemm_provider *provider, tern_gemm *gemm)
{
    bool stale;
    const float *weight = call->in[input]->data;
    gemm->b = weight;
    if (!gemm->b_packed)
        return true;
    float *packed = tern_packing(call, input, "GEMM panels",
                                 provider->packed_bytes(gemm->k, gemm->n), &stale);
    if (packed && stale)
        provider->pack_b(tern_ctx_pool(call->ctx), gemm->k, gemm->n, weight, gemm->b_stride, true,
                         packed);
    gemm->b = packed;
    return packed != NULL;
}

#endif
