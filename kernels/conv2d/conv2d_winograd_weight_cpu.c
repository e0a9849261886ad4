/* conv2d on cpu by Winograd: the kernel at the 36 points, as panels.
 *
 *   weight [O,3,3,I]  ->  [36][panels of O][I][PANEL_WIDTH]     forward
 *                         [36][panels of I][O][PANEL_WIDTH]     gradient of x, turned
 *
 * The lanes of a panel are the channels of what is written.  Forward these lie 9 I floats
 * apart in weight, so squares of TERN_LANES channels by TERN_LANES are transposed; for the
 * gradient of x they lie side by side.  Then one vector of channels at a time goes from
 * the nine elements of its kernel to the 36 points.
 *
 * Cost: about 100 additions and multiplications for each of I O kernels.
 */
#include "kernels/conv2d/conv2d_winograd_cpu.h"

#include "core/threads.h"

enum { ELEMENTS = WINOGRAD_KERNEL * WINOGRAD_KERNEL };

typedef struct weight_plan {
    const float *weight;
    int64_t weight_inputs; /* I */
    int64_t inputs, outputs, point;
    bool turned;
    float *to;
} weight_plan;

/* One vector of output channels of one input channel, [9][TERN_LANES] from `step` to step. */
static void transform(const float *kernel, int64_t step, float *to, int64_t point)
{
    tern_vf half[WINOGRAD_IN][WINOGRAD_KERNEL], in[WINOGRAD_KERNEL], out[WINOGRAD_IN];

    TERN_UNROLL for (int v = 0; v < WINOGRAD_KERNEL; v++) {
        TERN_UNROLL for (int u = 0; u < WINOGRAD_KERNEL; u++)
            in[u] = tern_load(kernel + (u * WINOGRAD_KERNEL + v) * step);
        winograd_kernel(in, out);
        TERN_UNROLL for (int i = 0; i < WINOGRAD_IN; i++)
            half[i][v] = out[i];
    }
    TERN_UNROLL for (int i = 0; i < WINOGRAD_IN; i++) {
        winograd_kernel(half[i], out);
        TERN_UNROLL for (int j = 0; j < WINOGRAD_IN; j++)
            tern_store(to + (i * WINOGRAD_IN + j) * point, out[j]);
    }
}

/* TERN_LANES input channels from `first` on, of a vector of output channels. */
static void forward_square(const weight_plan *plan, int64_t output, int64_t first, float *to,
                           int64_t pitch)
{
    float kernels[ELEMENTS * TERN_LANES * TERN_LANES]; /* [9][inputs][outputs] */
    int64_t inputs = smaller(plan->inputs - first, TERN_LANES), taps = ELEMENTS * plan->inputs;
    for (int64_t e = 0; e < ELEMENTS; e++)
        pack_vector(plan->weight + output * taps + e * plan->inputs + first, taps,
                    plan->outputs - output, inputs, kernels + e * TERN_LANES * TERN_LANES,
                    TERN_LANES);
    for (int64_t i = 0; i < inputs; i++)
        transform(kernels + i * TERN_LANES, TERN_LANES * TERN_LANES, to + i * pitch, plan->point);
}

static void turned_square(const weight_plan *plan, int64_t output, int64_t first, float *to,
                          int64_t pitch)
{
    int64_t last = smaller(first + TERN_LANES, plan->inputs);
    int64_t channels = smaller(plan->outputs - output, TERN_LANES);
    float kernel[ELEMENTS * TERN_LANES];
    for (int64_t i = first; i < last; i++, to += pitch) {
        const float *weight = plan->weight + i * ELEMENTS * plan->weight_inputs + output;
        for (int64_t e = 0; e < ELEMENTS; e++)
            tern_store(kernel + (ELEMENTS - 1 - e) * TERN_LANES,
                       tern_load_part(weight + e * plan->weight_inputs, channels));
        transform(kernel, TERN_LANES, to, plan->point);
    }
}

/* A tile of work is TERN_LANES input channels of one panel. */
static void weight_tile(void *argument, int64_t tile, int worker)
{
    const weight_plan *plan = argument;
    int64_t panel = tile % panel_count(plan->outputs);
    int64_t first = tile / panel_count(plan->outputs) * TERN_LANES;
    int64_t pitch = panel_pitch(panel_columns(plan->outputs, panel));
    float *to = plan->to + panel * PANEL_WIDTH * plan->inputs + first * pitch;

    (void)worker;
    for (int64_t j = 0; j < pitch; j += TERN_LANES) {
        int64_t output = panel * PANEL_WIDTH + j;
        if (plan->turned)
            turned_square(plan, output, first, to + j, pitch);
        else
            forward_square(plan, output, first, to + j, pitch);
    }
}

void TERN_LEVEL(tern_winograd_weights)(tern_call *call, const winograd_plan *plan, bool turned,
                                       float *to)
{
    weight_plan own = {
        .weight = call->in[1]->data, .weight_inputs = call->in[1]->shape[3],
        .inputs = plan->inputs, .outputs = plan->outputs, .point = plan->weight_point,
        .turned = turned, .to = to,
    };
    tern_parallel(tern_ctx_pool(call->ctx),
                  panel_count(own.outputs) * divide_up(own.inputs, TERN_LANES), weight_tile, &own);
}
