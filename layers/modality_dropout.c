#include "layers/modality_dropout.h"

#include "kernels/modality_dropout/modality_dropout.h"
#include "kernels/shape/slice.h"

tern_modalities tern_drop_modalities(tern_ctx *ctx, tern_tensor *const *masks, int count, double p)
{
    tern_modalities found = { .present = tern_nil(ctx), .count = tern_nil(ctx) };
    int64_t start = 0;
    bool drops = p > 0 && tern_is_training(ctx);
    if (count < 1 || count > TERN_MAX_ARGS) {
        tern_fail(ctx, TERN_ERR_OPTION, "%d modalities, 1 to %d are possible", count,
                  TERN_MAX_ARGS);
        return found;
    }
    tern_tensor *joined = tern_modality_dropout(
        ctx, masks, count, &found.present, &found.count,
        (tern_modality_dropout_opts){ .p = drops ? p : 0 });
    for (int m = 0; m < count; m++) {
        found.mask[m] = masks[m];
        if (!drops || !tern_ok(ctx))
            continue;
        int64_t steps = masks[m]->shape[1];
        found.mask[m] = tern_slice(ctx, joined, (tern_slice_opts){ .axis = 1, .start = start,
                                                                   .length = steps });
        start += steps;
    }
    return found;
}
