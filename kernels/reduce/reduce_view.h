/* Which elements of x are reduced to which element of y; for the backends. */
#ifndef TERN_KERNELS_REDUCE_VIEW_H
#define TERN_KERNELS_REDUCE_VIEW_H

#include "kernels/reduce/reduce.h"

TERN_API_BEGIN

/* x's axes, neighbours that are both kept or both reduced joined to one, those of
 * extent 1 left out: what is left alternates.
 *   x [8,32,32,3] over axes 1 and 2  ->  extent {8,1024,3}, reduced {no,yes,no}  */
typedef struct reduce_view {
    int axes; /* at least 1 */
    int64_t extent[TERN_MAX_RANK];
    bool reduced[TERN_MAX_RANK];
    int64_t outputs, terms; /* elements of y, and of x for each of them */
} reduce_view;

reduce_view tern_reduce_view(const tern_call *call);

/* The element of y that element `at` of x is reduced to. */
int64_t tern_reduce_output(const reduce_view *view, int64_t at);

/* What a sum of squares is divided by: max(0, n - correction). */
double tern_var_divisor(const tern_call *call, const reduce_view *view);

TERN_API_END

#endif
