/* Tensors: contiguous, row-major, up to six axes.
 *
 * tern_tensor is an open struct: read its fields freely.  Headers and storage
 * are owned by the context (a step's tensors by the step, parameters and kept
 * tensors by the context), so there is nothing to free by hand.
 */
#ifndef TERN_CORE_TENSOR_H
#define TERN_CORE_TENSOR_H

#include "core/api.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

TERN_API_BEGIN

enum { TERN_MAX_RANK = 6 };

typedef enum tern_dtype {
    TERN_NO_DTYPE = 0,
    TERN_F64,
    TERN_F32,
    TERN_BF16,
    TERN_I32,
    TERN_I64,
    TERN_U8
} tern_dtype;

size_t tern_dtype_size(tern_dtype dtype);      /* bytes of one element     */
const char *tern_dtype_name(tern_dtype dtype); /* "f64", "f32", "bf16" ... */
bool tern_dtype_is_real(tern_dtype dtype);     /* f64, f32 or bf16         */

typedef struct tern_ctx tern_ctx;

typedef struct tern_tensor {
    tern_ctx *ctx;        /* the context it belongs to                          */
    tern_dtype dtype;
    int rank;             /* 0 (a scalar) to TERN_MAX_RANK                      */
    int64_t shape[TERN_MAX_RANK];
    int64_t count;        /* product of shape; 1 for a scalar, 0 if empty       */
    void *data;           /* device address; NULL while planning and on `meta`  */
    struct tern_tensor *grad; /* same shape; NULL until backward writes it      */
    const char *name;     /* for messages and checkpoints; may be NULL          */
    bool requires_grad;   /* backward computes a gradient for it                */
    bool is_param;        /* lives in the parameter blocks                      */
    bool is_frozen;       /* a parameter or state that training leaves alone    */
    uint64_t step;        /* step it belongs to; 0 = persistent                 */
    int32_t buffer;       /* its buffer in the step's memory plan; -1 = none    */
    uint64_t grad_step;   /* last step in which grad was written; 0 = never     */
    int32_t maker;        /* number, from 1, of the record on the tape that can
                             make its values once more; 0 = none: they are kept */
} tern_tensor;

/* "[8,64,64,3]" into a buffer that holds TERN_SHAPE_TEXT bytes; returns it. */
enum { TERN_SHAPE_TEXT = 160 };
const char *tern_shape_text(const tern_tensor *tensor, char *text);

/* Product of shape[from..to), 1 if the range is empty. */
int64_t tern_extent(const tern_tensor *tensor, int from, int to);

/* Size along an axis; negative axes count from the end. */
int64_t tern_dim(const tern_tensor *tensor, int axis);

bool tern_same_shape(const tern_tensor *a, const tern_tensor *b);
size_t tern_tensor_bytes(const tern_tensor *tensor);

TERN_API_END

#endif
