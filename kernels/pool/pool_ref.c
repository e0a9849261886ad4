/* Pooling on ref: plain loops in float64, the specification. */
#include "kernels/pool/pool.h"

#include "kernels/pool/pool_geometry.h"
#include "kernels/ref_grad.h"

static int64_t x_at(const pool_geometry *g, int64_t n, int64_t row, int64_t column, int64_t c)
{
    return ((n * g->rows.size + row) * g->columns.size + column) * g->channels + c;
}

static int64_t y_at(const pool_geometry *g, int64_t n, int64_t p, int64_t q, int64_t c)
{
    return ((n * g->rows.out_size + p) * g->columns.out_size + q) * g->channels + c;
}

/* -------------------------------------------------------------- maxima -- */

/* The place row*W + column of a window's largest value: the first of equals, and
 * the last NaN if there is one. */
static int64_t winner_of(const pool_geometry *g, const double *x, int64_t n, int64_t p, int64_t q,
                         int64_t c)
{
    pool_range rows = pool_covered(&g->rows, p), columns = pool_covered(&g->columns, q);
    int64_t winner = rows.from * g->columns.size + columns.from;
    double best = x[x_at(g, n, rows.from, columns.from, c)];
    for (int64_t row = rows.from; row < rows.to; row++)
        for (int64_t column = columns.from; column < columns.to; column++) {
            double value = x[x_at(g, n, row, column, c)];
            if (value > best || value != value) {
                best = value;
                winner = row * g->columns.size + column;
            }
        }
    return winner;
}

static void max_forward(tern_call *call)
{
    const pool_geometry g = pool_geometry_of(call);
    const double *x = call->in[0]->data;
    double *y = call->out[0]->data;
    int32_t *winners = call->saved[0] ? call->saved[0]->data : NULL;

    for (int64_t n = 0; n < g.images; n++)
        for (int64_t p = 0; p < g.rows.out_size; p++)
            for (int64_t q = 0; q < g.columns.out_size; q++)
                for (int64_t c = 0; c < g.channels; c++) {
                    int64_t winner = winner_of(&g, x, n, p, q, c);
                    y[y_at(&g, n, p, q, c)] = x[x_at(&g, n, 0, winner, c)];
                    if (winners)
                        winners[y_at(&g, n, p, q, c)] = (int32_t)winner;
                }
}

static void max_backward(tern_call *call)
{
    const pool_geometry g = pool_geometry_of(call);
    const double *grad_y = call->grad_out[0]->data;
    const int32_t *winners = call->saved[0]->data;
    double *grad_x = tern_ref_grad(call, 0);

    for (int64_t n = 0; n < g.images; n++)
        for (int64_t p = 0; p < g.rows.out_size; p++)
            for (int64_t q = 0; q < g.columns.out_size; q++)
                for (int64_t c = 0; c < g.channels; c++) {
                    int64_t at = y_at(&g, n, p, q, c);
                    grad_x[x_at(&g, n, 0, winners[at], c)] += grad_y[at];
                }
}

const tern_impl tern_max_pool2d_ref = {
    .op = "max_pool2d", .backend = "ref", .provider = "hand",
    .forward = max_forward, .backward = max_backward,
};

const tern_impl tern_adaptive_max_pool2d_ref = {
    .op = "adaptive_max_pool2d", .backend = "ref", .provider = "hand",
    .forward = max_forward, .backward = max_backward,
};

/* ------------------------------------------------------------- averages -- */

static void avg_forward(tern_call *call)
{
    const pool_geometry g = pool_geometry_of(call);
    const double *x = call->in[0]->data;
    double *y = call->out[0]->data;

    for (int64_t n = 0; n < g.images; n++)
        for (int64_t p = 0; p < g.rows.out_size; p++)
            for (int64_t q = 0; q < g.columns.out_size; q++)
                for (int64_t c = 0; c < g.channels; c++) {
                    pool_range rows = pool_covered(&g.rows, p);
                    pool_range columns = pool_covered(&g.columns, q);
                    double sum = 0;
                    for (int64_t row = rows.from; row < rows.to; row++)
                        for (int64_t column = columns.from; column < columns.to; column++)
                            sum += x[x_at(&g, n, row, column, c)];
                    y[y_at(&g, n, p, q, c)] = sum / (double)pool_divisor(&g, rows, columns);
                }
}

static void avg_backward(tern_call *call)
{
    const pool_geometry g = pool_geometry_of(call);
    const double *grad_y = call->grad_out[0]->data;
    double *grad_x = tern_ref_grad(call, 0);

    for (int64_t n = 0; n < g.images; n++)
        for (int64_t p = 0; p < g.rows.out_size; p++)
            for (int64_t q = 0; q < g.columns.out_size; q++)
                for (int64_t c = 0; c < g.channels; c++) {
                    pool_range rows = pool_covered(&g.rows, p);
                    pool_range columns = pool_covered(&g.columns, q);
                    double share = grad_y[y_at(&g, n, p, q, c)] /
                                   (double)pool_divisor(&g, rows, columns);
                    for (int64_t row = rows.from; row < rows.to; row++)
                        for (int64_t column = columns.from; column < columns.to; column++)
                            grad_x[x_at(&g, n, row, column, c)] += share;
                }
}

const tern_impl tern_avg_pool2d_ref = {
    .op = "avg_pool2d", .backend = "ref", .provider = "hand",
    .forward = avg_forward, .backward = avg_backward,
};

const tern_impl tern_global_avg_pool_ref = {
    .op = "global_avg_pool", .backend = "ref", .provider = "hand",
    .forward = avg_forward, .backward = avg_backward,
};

const tern_impl tern_adaptive_avg_pool2d_ref = {
    .op = "adaptive_avg_pool2d", .backend = "ref", .provider = "hand",
    .forward = avg_forward, .backward = avg_backward,
};
