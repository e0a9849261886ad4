/* Weights in the order in which a kernel reads them, kept from call to call.
 *
 * A kernel that reorders a weight for its inner loop has to do so in every call while the
 * weights are learnt.  In inference they do not change: the context then keeps the reordered
 * copy, and has it made again only after parameters were written (by an optimiser,
 * tern_write, a checkpoint) or exchanged for their averages; a version number tells.  It is
 * a cache and no layout: nobody but the kernel sees it.
 *
 *     size_t forward_workspace(call)       no room for it if tern_packing_is_kept(call, 1)
 *
 *     void forward(call)
 *         bool stale;
 *         float *packed = tern_packing(call, 1, "gemm panels", bytes, &stale);
 *         if (packed && stale)
 *             ... reorder call->in[1] into packed ...
 *
 * An implementation whose forward reads an input in no other way says so (tern_impl.packs);
 * a context that only infers then discards the values themselves.
 */
#ifndef TERN_CORE_PACKING_H
#define TERN_CORE_PACKING_H

#include "core/op.h"

/* Whether tern_packing would keep this input's: if it is a parameter, and nothing is
 * recorded for backward. */
bool tern_packing_is_kept(const tern_call *call, int input);

/* The kept copy of an input in that order (a parameter may be kept in several): `bytes`,
 * 64-byte aligned.  *stale: it has to be filled.  NULL after an error, which the context
 * then has: also if the values are discarded, and there is no copy in this order.  Only for
 * inputs whose packing is kept. */
void *tern_packing(tern_call *call, int input, const char *order, size_t bytes, bool *stale);

#endif
