/* gru on ref: one row after the other, one step after the other, in float64. */
#include "kernels/gru/gru.h"

#include "kernels/elementwise/activation.h"
#include "kernels/ref_grad.h"

#include <math.h>
#include <string.h>

/* The sizes and tensors both directions need. */
typedef struct gru_problem {
    int64_t rows, steps, inputs, hidden;
    bool reverse;
    const double *x, *w_ih, *w_hh, *b_ih, *b_hh, *h0;
    const tern_tensor *lengths;
} gru_problem;

static gru_problem gru_problem_of(const tern_call *call)
{
    const tern_tensor *x = call->in[TERN_GRU_X];
    return (gru_problem){
        .rows = x->shape[0], .steps = x->shape[1], .inputs = x->shape[2],
        .hidden = call->in[TERN_GRU_W_HH]->shape[1],
        .reverse = ((const tern_gru_opts *)call->options)->reverse,
        .x = x->data,
        .w_ih = tern_in_values(call, TERN_GRU_W_IH), .w_hh = tern_in_values(call, TERN_GRU_W_HH),
        .b_ih = tern_in_values(call, TERN_GRU_B_IH), .b_hh = tern_in_values(call, TERN_GRU_B_HH),
        .h0 = tern_in_values(call, TERN_GRU_H0), .lengths = call->in[TERN_GRU_LENGTHS],
    };
}

/* The position in x and y of a row's step-th step. */
static int64_t position(const gru_problem *p, int64_t row, int64_t length, int64_t step)
{
    return row * p->steps + (p->reverse ? length - 1 - step : step);
}

/* Row k of x w_ih' + b_ih, and of h w_hh' + b_hh. */
static double input_sum(const gru_problem *p, const double *x, int64_t k)
{
    double sum = p->b_ih ? p->b_ih[k] : 0;
    for (int64_t i = 0; i < p->inputs; i++)
        sum += x[i] * p->w_ih[k * p->inputs + i];
    return sum;
}

static double hidden_sum(const gru_problem *p, const double *h, int64_t k)
{
    double sum = p->b_hh ? p->b_hh[k] : 0;
    for (int64_t j = 0; j < p->hidden; j++)
        sum += h[j] * p->w_hh[k * p->hidden + j];
    return sum;
}

/* gates[4H] of one step: r, z, m and the hidden sum inside m. */
static void step_gates(const gru_problem *p, const double *x, const double *h, double *gates)
{
    int64_t hidden = p->hidden;
    for (int64_t k = 0; k < 2 * hidden; k++)
        gates[k] = tern_activate_ref(TERN_ACT_SIGMOID, input_sum(p, x, k) + hidden_sum(p, h, k));
    for (int64_t j = 0; j < hidden; j++) {
        double inside = hidden_sum(p, h, 2 * hidden + j);
        gates[2 * hidden + j] = tanh(input_sum(p, x, 2 * hidden + j) + gates[j] * inside);
        gates[3 * hidden + j] = inside;
    }
}

static void gru_forward(tern_call *call)
{
    gru_problem p = gru_problem_of(call);
    int64_t hidden = p.hidden;
    double *gates = call->workspace; /* [4H] */
    double *y = call->out[TERN_GRU_Y]->data, *h_n = call->out[TERN_GRU_H_N]->data;
    double *saved = call->saved[TERN_GRU_GATES] ? call->saved[TERN_GRU_GATES]->data : NULL;

    for (int64_t row = 0; row < p.rows; row++) {
        double *h = h_n + row * hidden; /* the running state lives in the output */
        for (int64_t j = 0; j < hidden; j++)
            h[j] = p.h0 ? p.h0[row * hidden + j] : 0;
        int64_t length = tern_sequence_length(p.lengths, p.steps, row);
        for (int64_t step = 0; step < length; step++) {
            int64_t at = position(&p, row, length, step);
            step_gates(&p, p.x + at * p.inputs, h, gates);
            for (int64_t j = 0; j < hidden; j++) {
                double z = gates[hidden + j], m = gates[2 * hidden + j];
                h[j] = (1 - z) * m + z * h[j];
                y[at * hidden + j] = h[j];
            }
            if (saved)
                memcpy(saved + at * 4 * hidden, gates, (size_t)(4 * hidden) * sizeof(double));
        }
        for (int64_t at = row * p.steps + length; at < (row + 1) * p.steps; at++)
            for (int64_t j = 0; j < hidden; j++)
                y[at * hidden + j] = 0;
    }
}

/* Where gradients go; NULL where none is wanted. */
typedef struct gru_grads {
    double *x, *w_ih, *w_hh, *b_ih, *b_hh, *h0;
} gru_grads;

/* From the gradient of h[t] to those of the sums with w_ih and with w_hh, [3H] each;
 * dh becomes what reaches h[t-1] directly, not through w_hh. */
static void gates_backward(int64_t hidden, const double *gates, const double *h_before, double *dh,
                           double *d_input, double *d_hidden)
{
    for (int64_t j = 0; j < hidden; j++) {
        double r = gates[j], z = gates[hidden + j], m = gates[2 * hidden + j];
        double inside = gates[3 * hidden + j], before = h_before ? h_before[j] : 0;
        double dm = dh[j] * (1 - z) * (1 - m * m); /* of tanh's argument */
        d_input[j] = d_hidden[j] = dm * inside * r * (1 - r);
        d_input[hidden + j] = d_hidden[hidden + j] = dh[j] * (before - m) * z * (1 - z);
        d_input[2 * hidden + j] = dm;
        d_hidden[2 * hidden + j] = dm * r;
        dh[j] *= z;
    }
}

/* From the gradients of one step's sums to those of its inputs and weights. */
static void sums_backward(const gru_problem *p, const gru_grads *grads, int64_t at,
                          const double *h_before, const double *d_input, const double *d_hidden)
{
    for (int64_t k = 0; k < 3 * p->hidden; k++) {
        if (grads->b_ih)
            grads->b_ih[k] += d_input[k];
        if (grads->b_hh)
            grads->b_hh[k] += d_hidden[k];
        for (int64_t i = 0; i < p->inputs; i++) {
            if (grads->x)
                grads->x[at * p->inputs + i] += d_input[k] * p->w_ih[k * p->inputs + i];
            if (grads->w_ih)
                grads->w_ih[k * p->inputs + i] += d_input[k] * p->x[at * p->inputs + i];
        }
        for (int64_t j = 0; j < p->hidden && grads->w_hh && h_before; j++)
            grads->w_hh[k * p->hidden + j] += d_hidden[k] * h_before[j];
    }
}

static void gru_backward(tern_call *call)
{
    gru_problem p = gru_problem_of(call);
    int64_t hidden = p.hidden;
    const double *y = call->out[TERN_GRU_Y]->data, *grad_y = call->grad_out[TERN_GRU_Y]->data;
    const double *gates = call->saved[TERN_GRU_GATES]->data;
    double *dh = call->workspace; /* [H], then d_input [3H], then d_hidden [3H] */
    double *d_input = dh + hidden, *d_hidden = d_input + 3 * hidden;
    gru_grads grads = {
        tern_ref_grad(call, TERN_GRU_X), tern_ref_grad(call, TERN_GRU_W_IH),
        tern_ref_grad(call, TERN_GRU_W_HH), tern_ref_grad(call, TERN_GRU_B_IH),
        tern_ref_grad(call, TERN_GRU_B_HH), tern_ref_grad(call, TERN_GRU_H0),
    };

    for (int64_t row = 0; row < p.rows; row++) {
        memcpy(dh, (double *)call->grad_out[TERN_GRU_H_N]->data + row * hidden,
               (size_t)hidden * sizeof(double));
        int64_t length = tern_sequence_length(p.lengths, p.steps, row);
        for (int64_t step = length - 1; step >= 0; step--) {
            int64_t at = position(&p, row, length, step);
            const double *h_before = p.h0 ? p.h0 + row * hidden : NULL;
            if (step > 0)
                h_before = y + position(&p, row, length, step - 1) * hidden;
            for (int64_t j = 0; j < hidden; j++)
                dh[j] += grad_y[at * hidden + j];
            gates_backward(hidden, gates + at * 4 * hidden, h_before, dh, d_input, d_hidden);
            sums_backward(&p, &grads, at, h_before, d_input, d_hidden);
            for (int64_t j = 0; j < hidden; j++)
                for (int64_t k = 0; k < 3 * hidden; k++)
                    dh[j] += d_hidden[k] * p.w_hh[k * hidden + j];
        }
        for (int64_t j = 0; j < hidden && grads.h0; j++)
            grads.h0[row * hidden + j] += dh[j];
    }
}

static size_t forward_workspace(const tern_call *call)
{
    return (size_t)call->in[TERN_GRU_W_HH]->shape[1] * 4 * sizeof(double);
}

static size_t backward_workspace(const tern_call *call)
{
    return (size_t)call->in[TERN_GRU_W_HH]->shape[1] * 7 * sizeof(double);
}

const tern_impl tern_gru_ref = {
    .op = "gru", .backend = "ref", .provider = "hand",
    .forward = gru_forward, .backward = gru_backward,
    .forward_workspace = forward_workspace, .backward_workspace = backward_workspace,
};
