#include "layers/input.h"

#include "kernels/elementwise/where.h"
#include "kernels/shape/repeat.h"
#include "kernels/shape/reshape.h"

#include <stdio.h>

bool tern_input_has_axes(tern_ctx *ctx, const tern_tensor *x, int least, int most,
                         const char *what)
{
    char text[TERN_SHAPE_TEXT], wanted[16];
    if (!tern_ok(ctx))
        return false;
    snprintf(wanted, sizeof wanted, least < most ? "%d to %d" : "%d", least, most);
    if (!x)
        tern_fail(ctx, TERN_ERR_ARGUMENT, "%s is NULL", what);
    else if (x->rank < least || x->rank > most)
        tern_fail(ctx, TERN_ERR_SHAPE, "%s must have %s axes, not %s", what, wanted,
                  tern_shape_text(x, text));
    return tern_ok(ctx);
}

static bool mask_fits(tern_ctx *ctx, const tern_tensor *x, const tern_tensor *mask)
{
    char xt[TERN_SHAPE_TEXT], mt[TERN_SHAPE_TEXT];
    bool fits = tern_ok(ctx) && x && mask->rank >= 1 && mask->rank < x->rank;
    for (int axis = 0; fits && axis < mask->rank; axis++)
        fits = mask->shape[axis] == x->shape[axis];
    if (!fits && x)
        tern_fail(ctx, TERN_ERR_SHAPE, "mask %s must have the first axes of x %s",
                  tern_shape_text(mask, mt), tern_shape_text(x, xt));
    return fits;
}

tern_tensor *tern_zero_masked(tern_ctx *ctx, tern_tensor *x, tern_tensor *mask)
{
    tern_reshape_opts beside_x = { 0 };
    if (!mask)
        return x;
    if (!mask_fits(ctx, x, mask))
        return tern_nil(ctx);
    for (int axis = 0; axis < x->rank; axis++)
        beside_x.shape[axis] = axis < mask->rank ? mask->shape[axis] : 1;
    return tern_where(ctx, tern_reshape(ctx, mask, beside_x), x, tern_full(ctx, 0, NULL, 0));
}

tern_tensor *tern_mask_positions(tern_ctx *ctx, const tern_tensor *x, tern_tensor *mask)
{
    if (!mask || !mask_fits(ctx, x, mask))
        return NULL;
    int64_t rows = x->shape[0], marked = tern_extent(mask, 1, mask->rank);
    int64_t each = tern_extent(x, mask->rank, x->rank - 1); /* positions under one mark */
    mask = tern_reshape(ctx, mask, (tern_reshape_opts){ .shape = { rows, marked, 1 } });
    if (each != 1)
        mask = tern_repeat(ctx, mask, (tern_repeat_opts){ .times = { 1, 1, each } });
    return tern_reshape(ctx, mask, (tern_reshape_opts){ .shape = { rows, marked * each } });
}
