/* masked_mean on cpu, strip by strip.  Sums are float32 in the order of time. */
#include "kernels/masked_mean/masked_mean.h"

#include "kernels/masked_mean/masked_strip_cpu.h"

/* 1 / number of valid steps, 0 if there are none. */
static float weight_of(const masked_strip *strip)
{
    return strip->valid > 0 ? 1 / (float)strip->valid : 0;
}

static void mean_tile(void *argument, int64_t tile, int worker)
{
    const tern_call *call = argument;
    masked_strip strip = masked_strip_of_tile(call, tile);
    const float *x = (const float *)call->in[0]->data + strip.x;
    float *y = (float *)call->out[0]->data + strip.y, weight = weight_of(&strip);

    (void)worker;
    if (strip.columns == COLUMNS) {
        tern_vf sum[STRIP] = { { 0 } };
        for (int64_t t = 0; t < strip.steps; t++)
            for (int i = 0; i < STRIP && strip_step_is_valid(&strip, t); i++)
                sum[i] += tern_load(x + t * strip.dim + i * TERN_LANES);
        for (int i = 0; i < STRIP; i++)
            tern_store(y + i * TERN_LANES, sum[i] * weight);
        return;
    }
    for (int64_t d = 0; d < strip.columns; d += TERN_LANES) {
        int64_t lanes = strip.columns - d < TERN_LANES ? strip.columns - d : TERN_LANES;
        tern_vf sum = { 0 };
        for (int64_t t = 0; t < strip.steps; t++)
            if (strip_step_is_valid(&strip, t))
                sum += tern_load_part(x + t * strip.dim + d, lanes);
        tern_store_part(y + d, sum * weight, lanes);
    }
}

static void grad_tile(void *argument, int64_t tile, int worker)
{
    const tern_call *call = argument;
    masked_strip strip = masked_strip_of_tile(call, tile);
    bool accumulate = call->accumulate[0];
    const float *grad_y = (const float *)call->grad_out[0]->data + strip.y;
    float *grad_x = (float *)call->grad_in[0]->data + strip.x;
    float share[COLUMNS], weight = weight_of(&strip);

    (void)worker;
    for (int64_t d = 0; d < strip.columns; d++)
        share[d] = grad_y[d] * weight;
    for (int64_t t = 0; t < strip.steps; t++) {
        float *restrict row = grad_x + t * strip.dim;
        if (!strip_step_is_valid(&strip, t) && !accumulate)
            memset(row, 0, (size_t)strip.columns * sizeof(float));
        else if (!accumulate)
            memcpy(row, share, (size_t)strip.columns * sizeof(float));
        else if (strip_step_is_valid(&strip, t))
            for (int64_t d = 0; d < strip.columns; d++)
                row[d] += share[d];
    }
}

static void masked_mean_forward(tern_call *call)
{
    masked_strips_run(call, mean_tile);
}

static void masked_mean_backward(tern_call *call)
{
    masked_strips_run(call, grad_tile);
}

const tern_impl TERN_LEVEL(tern_masked_mean_cpu) = {
    .op = "masked_mean", .backend = "cpu", .provider = "hand",
    .forward = masked_mean_forward, .backward = masked_mean_backward,
};
