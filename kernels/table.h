/* The table of all ops, made from kernels/table.def: the single source for
 * tests, gradient checks, `tern ops`, `tern op`, benchmarks and documentation.
 */
#ifndef TERN_KERNELS_TABLE_H
#define TERN_KERNELS_TABLE_H

#include "core/context.h"
#include "core/op.h"

/* All ops in the table's order; NULL-terminated. */
const tern_op *const *tern_op_table(void);
/* The folder under kernels/ that an op of the table lies in; NULL for a plugin's. */
const char *tern_op_folder(const tern_op *op);
/* NULL if there is none of that name; error then suggests the nearest. */
const tern_op *tern_op_find(const char *name, tern_error *error);
/* The same among the table's ops and those of the plugins that ctx has loaded. */
const tern_op *tern_ctx_op_find(const tern_ctx *ctx, const char *name, tern_error *error);

/* The SIMD levels that this machine can run, best first, into names (room for 4);
 * returns how many.  tern_ctx_opts.simd takes one of them. */
int tern_simd_levels(const char **names);

/* Open a context with the built-in ops and, for cuda and cuda-sim, the plugin. */
tern_ctx *tern_open(tern_ctx_opts opts, tern_error *error);

#endif
