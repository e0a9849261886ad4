/* split as slices; see split.h. */
#include "kernels/shape/split.h"

#include "kernels/shape/slice.h"

static bool axis_is_there(tern_ctx *ctx, const tern_tensor *x, int64_t given, int64_t axis)
{
    char xt[TERN_SHAPE_TEXT];

    if (axis < 0 || axis >= x->rank)
        tern_fail(ctx, TERN_ERR_OPTION, "split: axis %lld is not there in x %s", (long long)given,
                  tern_shape_text(x, xt));
    return tern_ok(ctx);
}

static bool sizes_fit(tern_ctx *ctx, const tern_tensor *x, int64_t axis, int parts,
                      const int64_t *sizes)
{
    int64_t rest = x->shape[axis];
    char xt[TERN_SHAPE_TEXT];

    if (parts < 1) {
        tern_fail(ctx, TERN_ERR_ARGUMENT, "split: %d pieces wanted, 1 is the least", parts);
    } else if (!sizes && rest % parts != 0) {
        tern_fail(ctx, TERN_ERR_SHAPE, "split: axis %lld of x %s cannot be cut into %d equal pieces",
                  (long long)axis, tern_shape_text(x, xt), parts);
    } else if (sizes) {
        bool fits = true;
        for (int i = 0; i < parts && fits; i++) {
            fits = sizes[i] >= 0 && sizes[i] <= rest;
            rest -= fits ? sizes[i] : 0;
        }
        if (!fits || rest != 0)
            tern_fail(ctx, TERN_ERR_SHAPE,
                      "split: the sizes of %d pieces do not add up to axis %lld of x %s", parts,
                      (long long)axis, tern_shape_text(x, xt));
    }
    return tern_ok(ctx);
}

void tern_split(tern_ctx *ctx, tern_tensor *x, int parts, tern_split_opts opts, tern_tensor **y)
{
    for (int i = 0; i < parts; i++)
        y[i] = tern_nil(ctx);
    if (!tern_ok(ctx))
        return;
    if (!x) {
        tern_fail(ctx, TERN_ERR_ARGUMENT, "split: input x is NULL");
        return;
    }
    int64_t axis = opts.axis < 0 ? opts.axis + x->rank : opts.axis, start = 0;
    if (!axis_is_there(ctx, x, opts.axis, axis) || !sizes_fit(ctx, x, axis, parts, opts.sizes))
        return;
    for (int i = 0; i < parts; i++) {
        int64_t size = opts.sizes ? opts.sizes[i] : x->shape[axis] / parts;
        /* slice takes a length of 0 for all that is left: an empty piece lies at the end. */
        y[i] = tern_slice(ctx, x, (tern_slice_opts){ .axis = axis, .length = size,
                                                     .start = size ? start : x->shape[axis] });
        start += size;
    }
}
