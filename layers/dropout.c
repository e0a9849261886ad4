#include "layers/dropout.h"

#include "kernels/elementwise/dropout.h"

tern_tensor *tern_drop(tern_ctx *ctx, tern_tensor *x, double p)
{
    if (p <= 0 || !tern_is_training(ctx))
        return x;
    return tern_dropout(ctx, x, (tern_dropout_opts){ .p = p });
}
