/* lstm on ref: one row after the other, one step after the other, in float64. */
#include "kernels/lstm/lstm.h"

#include "kernels/elementwise/activation.h"
#include "kernels/ref_grad.h"

#include <math.h>
#include <string.h>

/* The sizes and tensors both directions need. */
typedef struct lstm_problem {
    int64_t rows, steps, inputs, hidden;
    bool reverse;
    const double *x, *w_ih, *w_hh, *b_ih, *b_hh, *h0, *c0;
    const tern_tensor *lengths;
} lstm_problem;

static lstm_problem lstm_problem_of(const tern_call *call)
{
    const tern_tensor *x = call->in[TERN_LSTM_X];
    return (lstm_problem){
        .rows = x->shape[0], .steps = x->shape[1], .inputs = x->shape[2],
        .hidden = call->in[TERN_LSTM_W_HH]->shape[1],
        .reverse = ((const tern_lstm_opts *)call->options)->reverse,
        .x = x->data,
        .w_ih = tern_in_values(call, TERN_LSTM_W_IH), .w_hh = tern_in_values(call, TERN_LSTM_W_HH),
        .b_ih = tern_in_values(call, TERN_LSTM_B_IH), .b_hh = tern_in_values(call, TERN_LSTM_B_HH),
        .h0 = tern_in_values(call, TERN_LSTM_H0), .c0 = tern_in_values(call, TERN_LSTM_C0),
        .lengths = call->in[TERN_LSTM_LENGTHS],
    };
}

/* The position in x and y of a row's step-th step. */
static int64_t position(const lstm_problem *p, int64_t row, int64_t length, int64_t step)
{
    return row * p->steps + (p->reverse ? length - 1 - step : step);
}

/* gates[4H] of one step, activated. */
static void activated_gates(const lstm_problem *p, const double *x, const double *h, double *gates)
{
    for (int64_t k = 0; k < 4 * p->hidden; k++) {
        double sum = (p->b_ih ? p->b_ih[k] : 0) + (p->b_hh ? p->b_hh[k] : 0);
        for (int64_t i = 0; i < p->inputs; i++)
            sum += x[i] * p->w_ih[k * p->inputs + i];
        for (int64_t j = 0; j < p->hidden; j++)
            sum += h[j] * p->w_hh[k * p->hidden + j];
        bool is_cell_gate = k / p->hidden == 2;
        gates[k] = is_cell_gate ? tanh(sum) : tern_activate_ref(TERN_ACT_SIGMOID, sum);
    }
}

static void lstm_forward(tern_call *call)
{
    lstm_problem p = lstm_problem_of(call);
    double *gates = call->workspace; /* [4H] */
    double *y = call->out[TERN_LSTM_Y]->data;
    double *saved_gates = call->saved[0] ? call->saved[TERN_LSTM_GATES]->data : NULL;
    double *cells = call->saved[0] ? call->saved[TERN_LSTM_CELLS]->data : NULL;

    for (int64_t row = 0; row < p.rows; row++) {
        /* The running state lives in the outputs. */
        double *h = (double *)call->out[TERN_LSTM_H_N]->data + row * p.hidden;
        double *c = (double *)call->out[TERN_LSTM_C_N]->data + row * p.hidden;
        for (int64_t j = 0; j < p.hidden; j++) {
            h[j] = p.h0 ? p.h0[row * p.hidden + j] : 0;
            c[j] = p.c0 ? p.c0[row * p.hidden + j] : 0;
        }
        int64_t length = tern_sequence_length(p.lengths, p.steps, row);
        for (int64_t step = 0; step < length; step++) {
            int64_t at = position(&p, row, length, step);
            activated_gates(&p, p.x + at * p.inputs, h, gates);
            for (int64_t j = 0; j < p.hidden; j++) {
                double i = gates[j], f = gates[p.hidden + j];
                double g = gates[2 * p.hidden + j], o = gates[3 * p.hidden + j];
                c[j] = f * c[j] + i * g;
                h[j] = o * tanh(c[j]);
                y[at * p.hidden + j] = h[j];
                if (cells)
                    cells[at * p.hidden + j] = c[j];
            }
            if (saved_gates)
                memcpy(saved_gates + at * 4 * p.hidden, gates,
                       (size_t)(4 * p.hidden) * sizeof(double));
        }
        for (int64_t at = row * p.steps + length; at < (row + 1) * p.steps; at++)
            for (int64_t j = 0; j < p.hidden; j++)
                y[at * p.hidden + j] = 0;
    }
}

/* Where gradients go; NULL where none is wanted. */
typedef struct lstm_grads {
    double *x, *w_ih, *w_hh, *b_ih, *b_hh, *h0, *c0;
} lstm_grads;

/* From the gradient of h[t] and c[t] to that of the sums before the gates; dc
 * becomes the gradient of c[t-1]. */
static void gates_backward(int64_t hidden, const double *gates, const double *c,
                           const double *c_before, const double *dh, double *dc, double *dsum)
{
    for (int64_t j = 0; j < hidden; j++) {
        double i = gates[j], f = gates[hidden + j];
        double g = gates[2 * hidden + j], o = gates[3 * hidden + j];
        double tanh_c = tanh(c[j]);
        dc[j] += dh[j] * o * (1 - tanh_c * tanh_c);
        dsum[j] = dc[j] * g * i * (1 - i);
        dsum[hidden + j] = dc[j] * (c_before ? c_before[j] : 0) * f * (1 - f);
        dsum[2 * hidden + j] = dc[j] * i * (1 - g * g);
        dsum[3 * hidden + j] = dh[j] * tanh_c * o * (1 - o);
        dc[j] *= f;
    }
}

/* From the gradient of one step's sums to those of its inputs and weights. */
static void sums_backward(const lstm_problem *p, const lstm_grads *grads, int64_t at,
                          const double *h_before, const double *dsum)
{
    for (int64_t k = 0; k < 4 * p->hidden; k++) {
        if (grads->b_ih)
            grads->b_ih[k] += dsum[k];
        if (grads->b_hh)
            grads->b_hh[k] += dsum[k];
        for (int64_t i = 0; i < p->inputs; i++) {
            if (grads->x)
                grads->x[at * p->inputs + i] += dsum[k] * p->w_ih[k * p->inputs + i];
            if (grads->w_ih)
                grads->w_ih[k * p->inputs + i] += dsum[k] * p->x[at * p->inputs + i];
        }
        for (int64_t j = 0; j < p->hidden && grads->w_hh && h_before; j++)
            grads->w_hh[k * p->hidden + j] += dsum[k] * h_before[j];
    }
}

static void lstm_backward(tern_call *call)
{
    lstm_problem p = lstm_problem_of(call);
    const double *y = call->out[TERN_LSTM_Y]->data, *grad_y = call->grad_out[TERN_LSTM_Y]->data;
    const double *gates = call->saved[TERN_LSTM_GATES]->data;
    const double *cells = call->saved[TERN_LSTM_CELLS]->data;
    double *dh = call->workspace; /* [H], then dc [H], then dsum [4H] */
    double *dc = dh + p.hidden, *dsum = dc + p.hidden;
    lstm_grads grads = {
        tern_ref_grad(call, TERN_LSTM_X), tern_ref_grad(call, TERN_LSTM_W_IH),
        tern_ref_grad(call, TERN_LSTM_W_HH), tern_ref_grad(call, TERN_LSTM_B_IH),
        tern_ref_grad(call, TERN_LSTM_B_HH), tern_ref_grad(call, TERN_LSTM_H0),
        tern_ref_grad(call, TERN_LSTM_C0),
    };

    for (int64_t row = 0; row < p.rows; row++) {
        size_t state = (size_t)(row * p.hidden), state_bytes = (size_t)p.hidden * sizeof(double);
        memcpy(dh, (double *)call->grad_out[TERN_LSTM_H_N]->data + state, state_bytes);
        memcpy(dc, (double *)call->grad_out[TERN_LSTM_C_N]->data + state, state_bytes);
        int64_t length = tern_sequence_length(p.lengths, p.steps, row);
        for (int64_t step = length - 1; step >= 0; step--) {
            int64_t at = position(&p, row, length, step);
            int64_t before = position(&p, row, length, step - 1);
            const double *h_before = step > 0 ? y + before * p.hidden : p.h0 ? p.h0 + state : NULL;
            const double *c_before =
                step > 0 ? cells + before * p.hidden : p.c0 ? p.c0 + state : NULL;
            for (int64_t j = 0; j < p.hidden; j++)
                dh[j] += grad_y[at * p.hidden + j];
            gates_backward(p.hidden, gates + at * 4 * p.hidden, cells + at * p.hidden, c_before,
                           dh, dc, dsum);
            sums_backward(&p, &grads, at, h_before, dsum);
            for (int64_t j = 0; j < p.hidden; j++) {
                dh[j] = 0;
                for (int64_t k = 0; k < 4 * p.hidden; k++)
                    dh[j] += dsum[k] * p.w_hh[k * p.hidden + j];
            }
        }
        for (int64_t j = 0; j < p.hidden; j++) {
            if (grads.h0)
                grads.h0[row * p.hidden + j] += dh[j];
            if (grads.c0)
                grads.c0[row * p.hidden + j] += dc[j];
        }
    }
}

static size_t forward_workspace(const tern_call *call)
{
    return (size_t)call->in[TERN_LSTM_W_HH]->shape[0] * sizeof(double);
}

static size_t backward_workspace(const tern_call *call)
{
    return (size_t)call->in[TERN_LSTM_W_HH]->shape[1] * 6 * sizeof(double);
}

const tern_impl tern_lstm_ref = {
    .op = "lstm", .backend = "ref", .provider = "hand",
    .forward = lstm_forward, .backward = lstm_backward,
    .forward_workspace = forward_workspace, .backward_workspace = backward_workspace,
};
