/* Conversion of host values; see convert.h for what becomes what. */
#include "core/convert.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------ messages -- */

/* "ids[2,1]" */
static void element_text(const tern_values *from, int64_t at, char *text, size_t room)
{
    int64_t index[TERN_MAX_RANK], rest = at;
    for (int axis = from->rank - 1; axis >= 0; axis--) {
        index[axis] = rest % from->shape[axis];
        rest /= from->shape[axis];
    }
    size_t used = (size_t)snprintf(text, room, "%.64s[", from->name ? from->name : "values");
    for (int axis = 0; axis < from->rank; axis++)
        used += (size_t)snprintf(text + used, room - used, axis ? ",%lld" : "%lld",
                                 (long long)index[axis]);
    snprintf(text + used, room - used, "]");
}

static bool misfit(const tern_values *from, tern_dtype to_type, int64_t at, double real,
                   int64_t whole, tern_error *error)
{
    char place[256], value[40];
    element_text(from, at, place, sizeof place);
    if (tern_dtype_is_real(from->dtype))
        snprintf(value, sizeof value, "%.9g", real);
    else
        snprintf(value, sizeof value, "%lld", (long long)whole);
    return tern_error_set(error, TERN_ERR_DATA, "%s is %s, which %s cannot hold", place, value,
                          tern_dtype_name(to_type));
}

/* ---------------------------------------------------------- conversions -- */

static bool narrow_reals(const tern_values *from, float *to, tern_error *error)
{
    const double *values = from->data;
    for (int64_t i = 0; i < from->count; i++) {
        to[i] = (float)values[i];
        if (isinf(to[i]) && !isinf(values[i]))
            return misfit(from, TERN_F32, i, values[i], 0, error);
    }
    return true;
}

static double real_at(const tern_values *from, int64_t i)
{
    if (from->dtype == TERN_F32)
        return ((const float *)from->data)[i];
    /* bf16 is the upper half of a float32. */
    uint32_t bits = (uint32_t)((const uint16_t *)from->data)[i] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void widen_reals(const tern_values *from, tern_dtype to_type, void *to)
{
    for (int64_t i = 0; i < from->count; i++)
        if (to_type == TERN_F64)
            ((double *)to)[i] = real_at(from, i);
        else
            ((float *)to)[i] = (float)real_at(from, i);
}

static int64_t whole_at(const tern_values *from, int64_t i)
{
    switch (from->dtype) {
    case TERN_I64: return ((const int64_t *)from->data)[i];
    case TERN_I32: return ((const int32_t *)from->data)[i];
    default: return ((const uint8_t *)from->data)[i];
    }
}

/* Is it exactly representable with this many binary digits? */
static bool has_digits(int64_t value, int digits)
{
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    while (magnitude && !(magnitude & 1))
        magnitude >>= 1;
    return magnitude >> digits == 0;
}

static bool store_whole(int64_t value, tern_dtype to_type, void *to, int64_t i)
{
    switch (to_type) {
    case TERN_F64: ((double *)to)[i] = (double)value; return has_digits(value, 53);
    case TERN_F32: ((float *)to)[i] = (float)value; return has_digits(value, 24);
    case TERN_I64: ((int64_t *)to)[i] = value; return true;
    case TERN_I32: ((int32_t *)to)[i] = (int32_t)value; return value == (int32_t)value;
    default: ((uint8_t *)to)[i] = (uint8_t)value; return value == (uint8_t)value;
    }
}

static bool convert_wholes(const tern_values *from, tern_dtype to_type, void *to,
                           tern_error *error)
{
    for (int64_t i = 0; i < from->count; i++) {
        int64_t value = whole_at(from, i);
        if (!store_whole(value, to_type, to, i))
            return misfit(from, to_type, i, 0, value, error);
    }
    return true;
}

bool tern_convert(const tern_values *from, tern_dtype to_type, void *to, tern_error *error)
{
    bool real = tern_dtype_is_real(from->dtype), to_real = tern_dtype_is_real(to_type);
    if (from->dtype == to_type && from->dtype != TERN_NO_DTYPE) {
        if (from->count)
            memcpy(to, from->data, (size_t)from->count * tern_dtype_size(to_type));
        return true;
    }
    if (from->dtype == TERN_F64 && to_type == TERN_F32)
        return narrow_reals(from, to, error);
    if (real && to_real && tern_dtype_size(to_type) > tern_dtype_size(from->dtype)) {
        widen_reals(from, to_type, to);
        return true;
    }
    if (!real && from->dtype && to_type && to_type != TERN_BF16)
        return convert_wholes(from, to_type, to, error);
    return tern_error_set(error, TERN_ERR_DTYPE, "%s: %s values cannot become %s",
                          from->name ? from->name : "values", tern_dtype_name(from->dtype),
                          tern_dtype_name(to_type));
}
