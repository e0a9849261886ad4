/* Element types, shapes and their text. */
#include "core/tensor.h"

#include <stdio.h>

size_t tern_dtype_size(tern_dtype dtype)
{
    switch (dtype) {
    case TERN_F64:
    case TERN_I64: return 8;
    case TERN_F32:
    case TERN_I32: return 4;
    case TERN_BF16: return 2;
    case TERN_U8: return 1;
    case TERN_NO_DTYPE: break;
    }
    return 0;
}

const char *tern_dtype_name(tern_dtype dtype)
{
    static const char *const names[] = { "none", "f64", "f32", "bf16", "i32", "i64", "u8" };
    return dtype >= TERN_NO_DTYPE && dtype <= TERN_U8 ? names[dtype] : "unknown";
}

bool tern_dtype_is_real(tern_dtype dtype)
{
    return dtype == TERN_F64 || dtype == TERN_F32 || dtype == TERN_BF16;
}

const char *tern_shape_text(const tern_tensor *tensor, char *text)
{
    int used = snprintf(text, TERN_SHAPE_TEXT, "[");
    for (int axis = 0; axis < tensor->rank; axis++)
        used += snprintf(text + used, (size_t)(TERN_SHAPE_TEXT - used), axis ? ",%lld" : "%lld",
                         (long long)tensor->shape[axis]);
    snprintf(text + used, (size_t)(TERN_SHAPE_TEXT - used), "]");
    return text;
}

int64_t tern_extent(const tern_tensor *tensor, int from, int to)
{
    int64_t product = 1;
    for (int axis = from; axis < to; axis++)
        product *= tensor->shape[axis];
    return product;
}

int64_t tern_dim(const tern_tensor *tensor, int axis)
{
    return tensor->shape[axis < 0 ? axis + tensor->rank : axis];
}

bool tern_same_shape(const tern_tensor *a, const tern_tensor *b)
{
    if (a->rank != b->rank)
        return false;
    for (int axis = 0; axis < a->rank; axis++)
        if (a->shape[axis] != b->shape[axis])
            return false;
    return true;
}

size_t tern_tensor_bytes(const tern_tensor *tensor)
{
    return (size_t)tensor->count * tern_dtype_size(tensor->dtype);
}
