/* matmul on ref: nested loops in float64, the specification. */
#include "kernels/matmul/matmul.h"

/* Where element (i,p) of a and (p,j) of b of one batch index are. */
static int64_t a_at(const tern_matmul_sizes *s, int64_t batch, int64_t i, int64_t p)
{
    return batch * s->a_batch + (s->transpose_a ? p * s->m + i : i * s->k + p);
}

static int64_t b_at(const tern_matmul_sizes *s, int64_t batch, int64_t p, int64_t j)
{
    return batch * s->b_batch + (s->transpose_b ? j * s->k + p : p * s->n + j);
}

static void matmul_forward(tern_call *call)
{
    tern_matmul_sizes s = tern_matmul_sizes_of(call);
    const double *a = call->in[0]->data, *b = call->in[1]->data;
    double *y = call->out[0]->data;

    for (int64_t batch = 0; batch < s.batch; batch++)
        for (int64_t i = 0; i < s.m; i++)
            for (int64_t j = 0; j < s.n; j++) {
                double sum = 0;
                for (int64_t p = 0; p < s.k; p++)
                    sum += a[a_at(&s, batch, i, p)] * b[b_at(&s, batch, p, j)];
                y[(batch * s.m + i) * s.n + j] = sum;
            }
}

static void clear_unless(bool accumulate, tern_tensor *grad)
{
    double *values = grad->data;
    for (int64_t i = 0; i < grad->count && !accumulate; i++)
        values[i] = 0;
}

/* y = a b gives grad_a = grad_y b^T and grad_b = a^T grad_y; a plain matrix's gradient is
 * the sum over the batch. */
static void matmul_backward(tern_call *call)
{
    tern_matmul_sizes s = tern_matmul_sizes_of(call);
    const double *a = call->in[0]->data, *b = call->in[1]->data, *grad_y = call->grad_out[0]->data;
    double *grad_a = call->grad_in[0] ? call->grad_in[0]->data : NULL;
    double *grad_b = call->grad_in[1] ? call->grad_in[1]->data : NULL;

    if (grad_a)
        clear_unless(call->accumulate[0], call->grad_in[0]);
    if (grad_b)
        clear_unless(call->accumulate[1], call->grad_in[1]);
    for (int64_t batch = 0; batch < s.batch; batch++)
        for (int64_t i = 0; i < s.m; i++)
            for (int64_t j = 0; j < s.n; j++)
                for (int64_t p = 0; p < s.k; p++) {
                    double g = grad_y[(batch * s.m + i) * s.n + j];
                    if (grad_a)
                        grad_a[a_at(&s, batch, i, p)] += g * b[b_at(&s, batch, p, j)];
                    if (grad_b)
                        grad_b[b_at(&s, batch, p, j)] += g * a[a_at(&s, batch, i, p)];
                }
}

const tern_impl tern_matmul_ref = {
    .op = "matmul", .backend = "ref", .provider = "hand",
    .forward = matmul_forward, .backward = matmul_backward,
};
