/* What is kept from forward to backward of ops with a fused activation, on ref and cpu: not
 * more than backward needs, and with the bits of keeping everything. */
#include "tests/check.h"

#include "kernels/conv2d/conv2d.h"
#include "kernels/elementwise/activation_ops.h"
#include "kernels/linear/linear.h"
#include "kernels/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A chain of products, each with an activation, of x [ROWS,3,3,CHANNELS]. */
enum { LAYERS = 6, ROWS = 37, CHANNELS = 19, WEIGHTS = CHANNELS * 9 * CHANNELS,
       ELEMENTS = ROWS * 9 * CHANNELS };

/* gelu within the product or as an op of its own; tanh as one, which reads its output only. */
typedef enum activated { GELU_FUSED, GELU_APART, TANH_APART } activated;

typedef struct network {
    tern_ctx *ctx;
    bool convolves; /* else linear */
    activated form;
    tern_tensor *first; /* the first layer's output */
} network;

typedef struct results {
    float grad_x[ELEMENTS], grad_weight[WEIGHTS], first[ELEMENTS];
} results;

static float values[ELEMENTS + WEIGHTS];

static tern_ctx *open_device(const char *device)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = device, .threads = 2, .poison = true },
                              &error);
    if (!ctx)
        fail_msg("%s", error.message);
    tern_set_recording(ctx, true);
    for (int i = 0; i < ELEMENTS + WEIGHTS; i++)
        values[i] = (float)sin(1.0 + i) / 5;
    return ctx;
}

static tern_tensor *layer(const network *net, tern_tensor *x, tern_tensor *weight)
{
    int activation = net->form == GELU_FUSED ? TERN_ACT_GELU : TERN_ACT_NONE;
    tern_tensor *y = net->convolves
        ? tern_conv2d(net->ctx, x, weight, NULL,
                      (tern_conv2d_opts){ .activation = activation, .pad = { 1, 1 } })
        : tern_linear(net->ctx, x, weight, NULL, (tern_linear_opts){ .activation = activation });
    return net->form == GELU_APART   ? tern_gelu(net->ctx, y, (tern_gelu_opts){ 0 })
           : net->form == TANH_APART ? tern_tanh(net->ctx, y)
                                     : y;
}

static tern_tensor *weight_of(const network *net)
{
    const int64_t conv[] = { CHANNELS, 3, 3, CHANNELS }, linear[] = { CHANNELS, CHANNELS };
    return tern_input(net->ctx, "weight", TERN_F32, net->convolves ? 4 : 2,
                      net->convolves ? conv : linear, values + ELEMENTS);
}

/* One step; reads_first: the first layer's output is read after backward. */
static void step(network *net, bool reads_first, results *found)
{
    const int64_t shape[] = { ROWS, 3, 3, CHANNELS };
    tern_step_begin(net->ctx, reads_first);
    tern_tensor *x = tern_require_grad(net->ctx, tern_input(net->ctx, "x", TERN_F32, 4, shape,
                                                            values));
    tern_tensor *weight = tern_require_grad(net->ctx, weight_of(net)), *y = x;
    for (int i = 0; i < LAYERS; i++) {
        y = layer(net, y, weight);
        net->first = i ? net->first : y;
    }
    tern_seed_grad(net->ctx, y, TERN_F32, values);
    tern_backward(net->ctx, NULL);
    tern_read(net->ctx, x->grad, TERN_F32, found->grad_x);
    tern_read(net->ctx, weight->grad, TERN_F32, found->grad_weight);
    if (reads_first)
        tern_read(net->ctx, net->first, TERN_F32, found->first);
    assert_tern_ok(net->ctx);
}

/* Three steps, so that the last ones follow a plan; returns the plan's bytes. */
static size_t run(const char *device, bool convolves, activated form, bool reads_first,
                  results *found)
{
    network net = { .ctx = open_device(device), .convolves = convolves, .form = form };
    memset(found, 0, sizeof *found);
    for (int i = 0; i < 3; i++)
        step(&net, reads_first, found);
    size_t bytes = tern_memory(net.ctx).arena_bytes;
    tern_ctx_free(net.ctx);
    return bytes;
}

static void an_activation_costs_one_buffer_and_no_bit(void **state)
{
    const char *const devices[] = { "ref", "cpu" };
    results *fused = calloc(2, sizeof *fused), *apart = fused + 1;
    (void)state;
    assert_non_null(fused);
    for (int i = 0; i < 8; i++) {
        const char *device = devices[i / 4];
        bool convolves = i / 2 & 1, reads = i & 1;
        size_t one = ELEMENTS * (i < 4 ? sizeof(double) : sizeof(float));
        size_t together = run(device, convolves, GELU_FUSED, reads, fused);
        size_t separate = run(device, convolves, GELU_APART, reads, apart);
        assert_memory_equal(fused, apart, sizeof *fused);
        /* gelu keeps its input; its output, which the next product reads, is made anew when
         * it is fused, and kept when it is not. */
        assert_true(together + one < separate);
        /* A tanh and the next product need the tanh, and nobody the product before it. */
        assert_true(run(device, convolves, TANH_APART, reads, apart) + (LAYERS - 2) * one <
                    separate);
    }
    free(fused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_activation_costs_one_buffer_and_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
