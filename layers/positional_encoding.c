#include "layers/positional_encoding.h"

#include "kernels/elementwise/binary.h"
#include "kernels/positions/sinusoidal_positions.h"
#include "kernels/shape/slice.h"
#include "layers/dropout.h"
#include "layers/input.h"

tern_positional_encoding tern_positional_encoding_declare(tern_ctx *ctx, const char *name,
                                                          int64_t size,
                                                          tern_positional_encoding_opts opts)
{
    tern_positional_encoding layer = { .name = name, .size = size, .opts = opts };
    tern_init init = tern_init_or(opts.init, (tern_init){ .kind = TERN_INIT_NORMAL });
    tern_scope_push(ctx, "%s", name);
    if (opts.learned)
        layer.weight = tern_param(ctx, "weight", 2, (int64_t[]){ opts.learned, size },
                                  (tern_param_opts){ .init = init, .no_decay = true });
    tern_scope_pop(ctx);
    return layer;
}

static bool fits(tern_ctx *ctx, const tern_positional_encoding *layer, const tern_tensor *x)
{
    char text[TERN_SHAPE_TEXT];
    bool learned = layer->weight;
    if (!tern_input_has_axes(ctx, x, 3, 3, "x [N,T,D]"))
        return false;
    if (x->shape[2] != layer->size)
        tern_fail(ctx, TERN_ERR_SHAPE, "x must be [N,T,%lld], not %s", (long long)layer->size,
                  tern_shape_text(x, text));
    else if (learned && x->shape[1] > layer->opts.learned)
        tern_fail(ctx, TERN_ERR_SHAPE, "x %s has %lld steps, there are positions for %lld",
                  tern_shape_text(x, text), (long long)x->shape[1],
                  (long long)layer->opts.learned);
    return tern_ok(ctx);
}

static tern_tensor *add_learned(tern_ctx *ctx, const tern_positional_encoding *layer,
                                tern_tensor *x)
{
    tern_tensor *code = layer->weight;
    int64_t steps = x->shape[1];
    if (steps == 0)
        return x;
    if (steps < layer->opts.learned)
        code = tern_slice(ctx, code, (tern_slice_opts){ .axis = 0, .length = steps });
    return tern_add(ctx, x, code);
}

tern_tensor *tern_positional_encoding_forward(tern_ctx *ctx,
                                              const tern_positional_encoding *layer,
                                              tern_tensor *x)
{
    tern_tensor *y = tern_nil(ctx);
    tern_scope_push(ctx, "%s", layer->name);
    if (fits(ctx, layer, x)) {
        y = layer->weight ? add_learned(ctx, layer, x)
                          : tern_sinusoidal_positions(ctx, x, (tern_sinusoidal_positions_opts){
                                .base = layer->opts.base });
        y = tern_drop(ctx, y, layer->opts.dropout);
    }
    tern_scope_pop(ctx);
    return y;
}
