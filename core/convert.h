/* Numbers of one element type as numbers of another.
 *
 *   from \ to   f64   f32      bf16  i64    i32    u8
 *   f64         same  rounds   -     -      -      -
 *   f32         yes   same     -     -      -      -
 *   bf16        yes   yes      same  -      -      -
 *   i64         fits  fits     -     same   fits   fits
 *   i32         yes   fits     -     yes    same   fits
 *   u8          yes   yes      -     yes    yes    same
 *
 *   yes     every value is kept
 *   fits    a value that cannot be kept exactly is an error
 *   rounds  to nearest; a finite value beyond float32's range is an error
 *   -       there is no conversion
 */
#ifndef TERN_CORE_CONVERT_H
#define TERN_CORE_CONVERT_H

#include "core/error.h"
#include "core/tensor.h"

/* Values in host memory, under the name and shape that messages give them. */
typedef struct tern_values {
    const char *name; /* may be NULL */
    tern_dtype dtype;
    int rank;
    int64_t shape[TERN_MAX_RANK];
    int64_t count;
    const void *data;
} tern_values;

/* False and an error that names the first element which does not fit (TERN_ERR_DATA), or
 * the types between which there is no conversion (TERN_ERR_DTYPE). */
bool tern_convert(const tern_values *from, tern_dtype to_type, void *to, tern_error *error);

#endif
