/* cross_entropy on ref: row by row in float64, the specification. */
#include "kernels/cross_entropy/cross_entropy.h"

#include <math.h>

typedef struct problem {
    const double *logits, *class_weight, *row_weight;
    const int32_t *target;
    int64_t rows, classes;
    double smoothing;
} problem;

static problem problem_of(const tern_call *call)
{
    const tern_cross_entropy_opts *opts = call->options;
    return (problem){ .logits = call->in[0]->data, .target = call->in[1]->data,
                      .class_weight = call->in[2] ? call->in[2]->data : NULL,
                      .row_weight = call->in[3] ? call->in[3]->data : NULL,
                      .rows = call->in[0]->shape[0], .classes = call->in[0]->shape[1],
                      .smoothing = opts->label_smoothing };
}

static double class_weight(const problem *p, int64_t c)
{
    return p->class_weight ? p->class_weight[c] : 1;
}

static double row_weight(const problem *p, int64_t i)
{
    return p->row_weight ? p->row_weight[i] : 1;
}

/* How much -log p[i,c] counts in row i. */
static double term_weight(const problem *p, int64_t i, int64_t c)
{
    double hard = c == p->target[i] ? (1 - p->smoothing) * class_weight(p, c) : 0;
    return row_weight(p, i) * (hard + p->smoothing / (double)p->classes * class_weight(p, c));
}

static void cross_entropy_forward(tern_call *call)
{
    problem p = problem_of(call);
    double *loss = call->out[0]->data;
    double *row_max = call->saved[0] ? call->saved[0]->data : NULL;
    double *inverse_sum = call->saved[1] ? call->saved[1]->data : NULL;
    double sum = 0, weight_sum = 0;

    if (!tern_cross_entropy_targets_fit(call))
        return;
    for (int64_t i = 0; i < p.rows; i++) {
        const double *z = p.logits + i * p.classes;
        double largest = -INFINITY, exponentials = 0;
        if (row_weight(&p, i) == 0)
            continue;
        for (int64_t c = 0; c < p.classes; c++)
            largest = fmax(largest, z[c]);
        for (int64_t c = 0; c < p.classes; c++)
            exponentials += exp(z[c] - largest);
        for (int64_t c = 0; c < p.classes; c++)
            if (term_weight(&p, i, c) != 0)
                sum += term_weight(&p, i, c) * (log(exponentials) - (z[c] - largest));
        weight_sum += row_weight(&p, i) * class_weight(&p, p.target[i]);
        if (row_max) {
            row_max[i] = largest;
            inverse_sum[i] = 1 / exponentials;
        }
    }
    *loss = weight_sum != 0 ? sum / weight_sum : 0;
    if (call->saved[2])
        *(double *)call->saved[2]->data = weight_sum;
}

/* d term[i] / d logits[i,k] = p[i,k] * (sum of term weights) - term weight of k */
static void cross_entropy_backward(tern_call *call)
{
    problem p = problem_of(call);
    const double *row_max = call->saved[0]->data, *inverse_sum = call->saved[1]->data;
    double weight_sum = *(const double *)call->saved[2]->data;
    double grad_loss = *(const double *)call->grad_out[0]->data;
    double *grad = call->grad_in[0]->data;

    for (int64_t i = 0; i < p.rows; i++) {
        bool counts = weight_sum != 0 && row_weight(&p, i) != 0;
        double row_sum = 0;
        for (int64_t c = 0; c < p.classes && counts; c++)
            row_sum += term_weight(&p, i, c);
        for (int64_t k = 0; k < p.classes; k++) {
            int64_t at = i * p.classes + k;
            double value = 0;
            if (counts) {
                double probability = exp(p.logits[at] - row_max[i]) * inverse_sum[i];
                value = grad_loss / weight_sum *
                        (probability * row_sum - term_weight(&p, i, k));
            }
            grad[at] = (call->accumulate[0] ? grad[at] : 0) + value;
        }
    }
}

const tern_impl tern_cross_entropy_ref = {
    .op = "cross_entropy", .backend = "ref", .provider = "hand",
    .forward = cross_entropy_forward, .backward = cross_entropy_backward,
};
