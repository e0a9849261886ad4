/* rotary on ref: pair by pair.  Backward is the same turn the other way round. */
#include "kernels/positions/rotary.h"

#include <math.h>

/* to = from turned by direction * angle; where adding, on top of what is there. */
static void turn(const tern_call *call, double *to, const double *from, double direction, bool add)
{
    const tern_rotary_opts *opts = call->options;
    int64_t length = tern_dim(call->out[0], -2), width = tern_dim(call->out[0], -1);
    int64_t size = width / opts->heads, pairs = call->out[0]->count / 2;

    for (int64_t p = 0; p < pairs; p++) {
        int64_t i = p % (size / 2), head = p / (size / 2); /* heads counted through all rows */
        int64_t t = head / opts->heads % length;
        bool halves = opts->pairing == TERN_ROTARY_HALVES;
        int64_t a = head * size + (halves ? i : 2 * i), b = a + (halves ? size / 2 : 1);
        double frequency = pow(opts->base, -2.0 * (double)i / (double)size);
        double angle = direction * (double)(opts->offset + t) * frequency;
        double turned_a = from[a] * cos(angle) - from[b] * sin(angle);
        double turned_b = from[a] * sin(angle) + from[b] * cos(angle);
        to[a] = (add ? to[a] : 0) + turned_a;
        to[b] = (add ? to[b] : 0) + turned_b;
    }
}

static void rotary_forward(tern_call *call)
{
    turn(call, call->out[0]->data, call->in[0]->data, 1, false);
}

static void rotary_backward(tern_call *call)
{
    turn(call, call->grad_in[0]->data, call->grad_out[0]->data, -1, call->accumulate[0]);
}

const tern_impl tern_rotary_ref = {
    .op = "rotary", .backend = "ref", .provider = "hand",
    .forward = rotary_forward, .backward = rotary_backward,
};
