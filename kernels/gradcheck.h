/* Gradient checks: backward against differences of forward, in float64.
 *
 * For each differentiable input and several random directions d:
 *
 *   analytic = sum over outputs  <grad_out, J d>   (from backward)
 *   numeric  = ( 8 (f(h) - f(-h)) - (f(2h) - f(-2h)) ) / 12 h
 *
 * with f(e) = sum over outputs <grad_out, out(x + e d)>.  The comparison is
 * signed and relative, so that a wrong sign cannot pass.
 */
#ifndef TERN_KERNELS_GRADCHECK_H
#define TERN_KERNELS_GRADCHECK_H

#include "core/context.h"
#include "core/op.h"

enum { TERN_GRADCHECK_FAILURES = 8, TERN_GRADCHECK_TEXT = 320 };

typedef struct tern_gradcheck_result {
    int checked, failed; /* directions */
    double worst;        /* largest relative error */
    /* "op(inputs, options), input x: backward says ..." of the first wrong direction for
     * each input of each sample that has one, as far as there is room. */
    char failure[TERN_GRADCHECK_FAILURES][TERN_GRADCHECK_TEXT];
    int failures;
} tern_gradcheck_result;

/* Check all samples of an op on a ref context (which may have been given other
 * providers).  Adds to *result.  False only if the check itself could not run;
 * the context then holds the error. */
bool tern_gradcheck(tern_ctx *ctx, const tern_op *op, tern_gradcheck_result *result);

#endif
