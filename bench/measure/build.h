/* From what, with what and how this program was built. */
#ifndef TERN_BENCH_MEASURE_BUILD_H
#define TERN_BENCH_MEASURE_BUILD_H

#include "core/op.h"

/* The commit of the sources, "bf9abe2", or "bf9abe2-dirty" if files that git knows were
 * changed since.  NULL if they were not built from a checkout of their own (a release's
 * archive), or without git.  It is taken at each make, so a file that is not built (a page,
 * a script) and was changed makes it dirty too. */
const char *bench_git(void);

/* "gcc 12.2.0" */
const char *bench_compiler(void);

/* The flags that decide on the machine code of a kernel, those of CFLAGS included, without
 * warnings and paths: for device "cpu" by SIMD level, for "ref" and "cuda-sim" one for all.
 * NULL for what the Makefile does not compile with the rest: cuda (nvcc's are said by
 * `make cuda`), plugins and other people's libraries; whether a provider is such a library
 * only the caller knows. */
const char *bench_compile_flags(const char *device, const char *simd);

/* Of an implementation: what it tells itself; of tern's own, the above; else NULL. */
const char *bench_impl_flags(const tern_impl *impl, const char *simd);

#endif
