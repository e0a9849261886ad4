/* add, sub, mul, div and pow on ref: one loop over the output in float64, the
 * specification.  PyTorch's definitions where a formula has no value. */
#include "kernels/elementwise/binary.h"

#include <math.h>

#include "kernels/elementwise/broadcast.h"

static void forward(tern_call *call, double (*value)(double a, double b))
{
    const tern_tensor *out = call->out[0];
    const double *a = call->in[0]->data, *b = call->in[1]->data;
    double *y = out->data;

    for (int64_t i = 0; i < out->count; i++)
        y[i] = value(a[tern_broadcast_index(out, call->in[0], i)],
                     b[tern_broadcast_index(out, call->in[1], i)]);
}

/* What an input gets from one element of y; g is that element's gradient. */
typedef double (*share_fn)(double a, double b, double g);

/* The gradient of input `which` is the sum over all places it was repeated to. */
static void gradient_of(tern_call *call, int which, share_fn share)
{
    const tern_tensor *out = call->out[0], *own = call->in[which];
    const double *a = call->in[0]->data, *b = call->in[1]->data; /* NULL if not needed */
    const double *grad_y = call->grad_out[0]->data;
    double *grad = call->grad_in[which]->data;

    for (int64_t i = 0; i < own->count && !call->accumulate[which]; i++)
        grad[i] = 0;
    for (int64_t i = 0; i < out->count; i++)
        grad[tern_broadcast_index(out, own, i)] +=
            share(a ? a[tern_broadcast_index(out, call->in[0], i)] : 0,
                  b ? b[tern_broadcast_index(out, call->in[1], i)] : 0, grad_y[i]);
}

static void backward(tern_call *call, share_fn to_a, share_fn to_b)
{
    if (call->grad_in[0])
        gradient_of(call, 0, to_a);
    if (call->grad_in[1])
        gradient_of(call, 1, to_b);
}

/* ------------------------------------------------------------------ add -- */

static double add_value(double a, double b)
{
    return a + b;
}

static double add_to_a(double a, double b, double g)
{
    (void)a, (void)b;
    return g;
}

static double add_to_b(double a, double b, double g)
{
    (void)a, (void)b;
    return g;
}

static void add_forward(tern_call *call) { forward(call, add_value); }
static void add_backward(tern_call *call) { backward(call, add_to_a, add_to_b); }

const tern_impl tern_add_ref = {
    .op = "add", .backend = "ref", .provider = "hand",
    .forward = add_forward, .backward = add_backward,
};

/* ------------------------------------------------------------------ sub -- */

static double sub_value(double a, double b)
{
    return a - b;
}

static double sub_to_a(double a, double b, double g)
{
    (void)a, (void)b;
    return g;
}

static double sub_to_b(double a, double b, double g)
{
    (void)a, (void)b;
    return -g;
}

static void sub_forward(tern_call *call) { forward(call, sub_value); }
static void sub_backward(tern_call *call) { backward(call, sub_to_a, sub_to_b); }

const tern_impl tern_sub_ref = {
    .op = "sub", .backend = "ref", .provider = "hand",
    .forward = sub_forward, .backward = sub_backward,
};

/* ------------------------------------------------------------------ mul -- */

static double mul_value(double a, double b)
{
    return a * b;
}

static double mul_to_a(double a, double b, double g)
{
    (void)a;
    return g * b;
}

static double mul_to_b(double a, double b, double g)
{
    (void)b;
    return g * a;
}

static void mul_forward(tern_call *call) { forward(call, mul_value); }
static void mul_backward(tern_call *call) { backward(call, mul_to_a, mul_to_b); }

const tern_impl tern_mul_ref = {
    .op = "mul", .backend = "ref", .provider = "hand",
    .forward = mul_forward, .backward = mul_backward,
};

/* ------------------------------------------------------------------ div -- */

static double div_value(double a, double b)
{
    return a / b;
}

static double div_to_a(double a, double b, double g)
{
    (void)a;
    return g / b;
}

static double div_to_b(double a, double b, double g)
{
    return -g * (a / b / b);
}

static void div_forward(tern_call *call) { forward(call, div_value); }
static void div_backward(tern_call *call) { backward(call, div_to_a, div_to_b); }

const tern_impl tern_div_ref = {
    .op = "div", .backend = "ref", .provider = "hand",
    .forward = div_forward, .backward = div_backward,
};

/* ------------------------------------------------------------------ pow -- */

static double pow_value(double a, double b)
{
    return pow(a, b);
}

static double pow_to_a(double a, double b, double g)
{
    return b == 0 ? 0 : g * (b * pow(a, b - 1));
}

static double pow_to_b(double a, double b, double g)
{
    return g * (a == 0 && b >= 0 ? 0 : pow(a, b) * log(a));
}

static void pow_forward(tern_call *call) { forward(call, pow_value); }
static void pow_backward(tern_call *call) { backward(call, pow_to_a, pow_to_b); }

const tern_impl tern_pow_ref = {
    .op = "pow", .backend = "ref", .provider = "hand",
    .forward = pow_forward, .backward = pow_backward,
};
