/* cross_entropy on ref: row by row in float64, the specification. */
#include "kernels/cross_entropy/cross_entropy.h"

#include <math.h>

typedef struct problem {
    const tern_cross_entropy_opts *opts;
    const double *logits, *soft_target, *class_weight, *row_weight;
    const int32_t *target;
    int64_t rows, classes;
} problem;

static problem problem_of(const tern_call *call)
{
    return (problem){ .opts = call->options, .logits = tern_in_values(call, CE_LOGITS),
                      .target = tern_in_values(call, CE_TARGET),
                      .soft_target = tern_in_values(call, CE_SOFT_TARGET),
                      .class_weight = tern_in_values(call, CE_CLASS_WEIGHT),
                      .row_weight = tern_in_values(call, CE_ROW_WEIGHT),
                      .rows = call->in[CE_LOGITS]->shape[0],
                      .classes = call->in[CE_LOGITS]->shape[1] };
}

static double class_weight(const problem *p, int64_t c)
{
    return p->class_weight ? p->class_weight[c] : 1;
}

static double row_weight(const problem *p, int64_t i)
{
    if (p->opts->has_ignore_index && p->target[i] == p->opts->ignore_index)
        return 0;
    return p->row_weight ? p->row_weight[i] : 1;
}

/* How much -log p[i,c] counts in row i. */
static double term_weight(const problem *p, int64_t i, int64_t c)
{
    double smoothing = p->opts->label_smoothing;
    double hard = p->soft_target ? p->soft_target[i * p->classes + c] : c == p->target[i];
    double share = (1 - smoothing) * hard + smoothing / (double)p->classes;
    return row_weight(p, i) * share * class_weight(p, c);
}

/* What row i adds to the sum by which the mean divides. */
static double divisor_share(const problem *p, int64_t i)
{
    return row_weight(p, i) * (p->soft_target ? 1 : class_weight(p, p->target[i]));
}

/* -log p[i,c] = log(sum exp(z - largest)) - (z[c] - largest) */
static double row_term(const problem *p, int64_t i, double *row_max, double *inverse_sum)
{
    const double *z = p->logits + i * p->classes;
    double largest = -INFINITY, exponentials = 0, term = 0;

    for (int64_t c = 0; c < p->classes; c++)
        largest = fmax(largest, z[c]);
    for (int64_t c = 0; c < p->classes; c++)
        exponentials += exp(z[c] - largest);
    for (int64_t c = 0; c < p->classes; c++)
        if (term_weight(p, i, c) != 0)
            term += term_weight(p, i, c) * (log(exponentials) - (z[c] - largest));
    if (row_max) {
        row_max[i] = largest;
        inverse_sum[i] = 1 / exponentials;
    }
    return term;
}

static void cross_entropy_forward(tern_call *call)
{
    problem p = problem_of(call);
    double *loss = call->out[0]->data;
    double *row_max = call->saved[0] ? call->saved[0]->data : NULL;
    double *inverse_sum = call->saved[1] ? call->saved[1]->data : NULL;
    double sum = 0, divisor = 0;
    bool none = p.opts->reduction == TERN_REDUCE_NONE;

    if (!tern_cross_entropy_targets_fit(call))
        return;
    for (int64_t i = 0; i < p.rows; i++) {
        bool counts = row_weight(&p, i) != 0;
        double term = counts ? row_term(&p, i, row_max, inverse_sum) : 0;
        if (none)
            loss[i] = term;
        sum += term;
        divisor += counts ? divisor_share(&p, i) : 0;
    }
    if (p.opts->reduction != TERN_REDUCE_MEAN)
        divisor = 1;
    if (!none)
        *loss = divisor != 0 ? sum / divisor : 0;
    if (call->saved[2])
        *(double *)call->saved[2]->data = divisor;
}

/* With w = term_weight:
 *   d term[i] / d logits[i,k]      = p[i,k] * sum_c w[i,c] - w[i,k]
 *   d term[i] / d soft_target[i,k] = row_weight * (1-e) * class_weight[k] * -log p[i,k] */
static void cross_entropy_backward(tern_call *call)
{
    problem p = problem_of(call);
    const double *row_max = call->saved[0]->data, *inverse_sum = call->saved[1]->data;
    const double *grad_loss = call->grad_out[0]->data;
    double divisor = *(const double *)call->saved[2]->data;
    bool none = p.opts->reduction == TERN_REDUCE_NONE;
    double *grad_logits = call->grad_in[CE_LOGITS] ? call->grad_in[CE_LOGITS]->data : NULL;
    double *grad_soft = call->grad_in[CE_SOFT_TARGET] ? call->grad_in[CE_SOFT_TARGET]->data : NULL;

    for (int64_t i = 0; i < p.rows; i++) {
        bool counts = divisor != 0 && row_weight(&p, i) != 0;
        double upstream = counts ? grad_loss[none ? i : 0] / divisor : 0, row_sum = 0;
        for (int64_t c = 0; c < p.classes && counts; c++)
            row_sum += term_weight(&p, i, c);
        for (int64_t k = 0; k < p.classes; k++) {
            int64_t at = i * p.classes + k;
            double to_logits = 0, to_soft = 0;
            if (counts) {
                double shifted = p.logits[at] - row_max[i];
                to_logits = upstream * (exp(shifted) * inverse_sum[i] * row_sum -
                                        term_weight(&p, i, k));
                to_soft = upstream * row_weight(&p, i) * (1 - p.opts->label_smoothing) *
                          class_weight(&p, k) * -(shifted + log(inverse_sum[i]));
            }
            if (grad_logits)
                grad_logits[at] = (call->accumulate[CE_LOGITS] ? grad_logits[at] : 0) + to_logits;
            if (grad_soft)
                grad_soft[at] = (call->accumulate[CE_SOFT_TARGET] ? grad_soft[at] : 0) + to_soft;
        }
    }
}

const tern_impl tern_cross_entropy_ref = {
    .op = "cross_entropy", .backend = "ref", .provider = "hand",
    .forward = cross_entropy_forward, .backward = cross_entropy_backward,
};
