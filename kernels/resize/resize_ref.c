/* Resizing on ref: plain loops in float64, the specification. */
#include "kernels/resize/resize.h"

#include "kernels/ref_grad.h"
#include "kernels/resize/resize_axis.h"

static int64_t index_of(const tern_tensor *image, int64_t n, int64_t row, int64_t column, int64_t c)
{
    const int64_t *shape = image->shape;
    return ((n * shape[1] + row) * shape[2] + column) * shape[3] + c;
}

/* -------------------------------------------------------------- nearest -- */

/* The element of x that element (n,p,q,c) of y is. */
static int64_t nearest_of(const tern_call *call, int64_t n, int64_t p, int64_t q, int64_t c)
{
    const tern_tensor *x = call->in[0], *y = call->out[0];
    return index_of(x, n, resize_nearest_place(p, x->shape[1], y->shape[1]),
                    resize_nearest_place(q, x->shape[2], y->shape[2]), c);
}

static void resize_nearest_forward(tern_call *call)
{
    const tern_tensor *out = call->out[0];
    const double *x = call->in[0]->data;
    double *y = out->data;

    for (int64_t n = 0; n < out->shape[0]; n++)
        for (int64_t p = 0; p < out->shape[1]; p++)
            for (int64_t q = 0; q < out->shape[2]; q++)
                for (int64_t c = 0; c < out->shape[3]; c++)
                    y[index_of(out, n, p, q, c)] = x[nearest_of(call, n, p, q, c)];
}

static void resize_nearest_backward(tern_call *call)
{
    const tern_tensor *out = call->out[0];
    const double *grad_y = call->grad_out[0]->data;
    double *grad_x = tern_ref_grad(call, 0);

    for (int64_t n = 0; n < out->shape[0]; n++)
        for (int64_t p = 0; p < out->shape[1]; p++)
            for (int64_t q = 0; q < out->shape[2]; q++)
                for (int64_t c = 0; c < out->shape[3]; c++)
                    grad_x[nearest_of(call, n, p, q, c)] += grad_y[index_of(out, n, p, q, c)];
}

/* ------------------------------------------------------------- bilinear -- */

/* The elements of x around element (n,p,q,c) of y, and their weights. */
typedef struct four {
    int64_t at[4];
    double weight[4];
} four;

static four four_around(const tern_call *call, int64_t n, int64_t p, int64_t q, int64_t c)
{
    const tern_resize_bilinear_opts *opts = call->options;
    const tern_tensor *x = call->in[0], *y = call->out[0];
    resize_source row =
        resize_bilinear_source(p, x->shape[1], y->shape[1], opts->align_corners);
    resize_source column =
        resize_bilinear_source(q, x->shape[2], y->shape[2], opts->align_corners);
    return (four){
        .at = { index_of(x, n, row.low, column.low, c), index_of(x, n, row.low, column.high, c),
                index_of(x, n, row.high, column.low, c), index_of(x, n, row.high, column.high, c) },
        .weight = { (1 - row.part) * (1 - column.part), (1 - row.part) * column.part,
                    row.part * (1 - column.part), row.part * column.part },
    };
}

static void resize_bilinear_forward(tern_call *call)
{
    const tern_tensor *out = call->out[0];
    const double *x = call->in[0]->data;
    double *y = out->data;

    for (int64_t n = 0; n < out->shape[0]; n++)
        for (int64_t p = 0; p < out->shape[1]; p++)
            for (int64_t q = 0; q < out->shape[2]; q++)
                for (int64_t c = 0; c < out->shape[3]; c++) {
                    four f = four_around(call, n, p, q, c);
                    double sum = 0;
                    for (int i = 0; i < 4; i++)
                        sum += f.weight[i] * x[f.at[i]];
                    y[index_of(out, n, p, q, c)] = sum;
                }
}

static void resize_bilinear_backward(tern_call *call)
{
    const tern_tensor *out = call->out[0];
    const double *grad_y = call->grad_out[0]->data;
    double *grad_x = tern_ref_grad(call, 0);

    for (int64_t n = 0; n < out->shape[0]; n++)
        for (int64_t p = 0; p < out->shape[1]; p++)
            for (int64_t q = 0; q < out->shape[2]; q++)
                for (int64_t c = 0; c < out->shape[3]; c++) {
                    four f = four_around(call, n, p, q, c);
                    for (int i = 0; i < 4; i++)
                        grad_x[f.at[i]] += f.weight[i] * grad_y[index_of(out, n, p, q, c)];
                }
}

const tern_impl tern_resize_nearest_ref = {
    .op = "resize_nearest", .backend = "ref", .provider = "hand",
    .forward = resize_nearest_forward, .backward = resize_nearest_backward,
};

const tern_impl tern_resize_bilinear_ref = {
    .op = "resize_bilinear", .backend = "ref", .provider = "hand",
    .forward = resize_bilinear_forward, .backward = resize_bilinear_backward,
};
