#include "kernels/lstm/sequence.h"

#include <stdio.h>

/* False and an error unless an input that is there has the wanted shape, [rows] or
 * [rows,columns]; `why` names the extents: "4H,I". */
static bool check(tern_call *call, int input, int rank, int64_t rows, int64_t columns,
                  const char *why)
{
    const tern_tensor *tensor = call->in[input];
    char text[TERN_SHAPE_TEXT];
    if (!tensor || (tensor->rank == rank && tensor->shape[0] == rows &&
                    (rank == 1 || tensor->shape[1] == columns)))
        return true;
    tern_shape_text(tensor, text);
    if (rank == 1)
        tern_call_fail(call, TERN_ERR_SHAPE, "%s must be [%lld] (%s), not %s",
                       call->op->in[input].name, (long long)rows, why, text);
    else
        tern_call_fail(call, TERN_ERR_SHAPE, "%s must be [%lld,%lld] (%s), not %s",
                       call->op->in[input].name, (long long)rows, (long long)columns, why, text);
    return false;
}

static bool check_x_and_w_hh(tern_call *call, int64_t gates)
{
    const tern_tensor *x = call->in[TERN_SEQUENCE_X], *w_hh = call->in[TERN_SEQUENCE_W_HH];
    char text[TERN_SHAPE_TEXT];
    if (x->rank != 3) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x must be [N,T,I], not %s",
                       tern_shape_text(x, text));
        return false;
    }
    if (w_hh->rank != 2 || w_hh->shape[1] < 1 || w_hh->shape[0] != gates * w_hh->shape[1]) {
        tern_call_fail(call, TERN_ERR_SHAPE, "w_hh must be [%lldH,H] with H >= 1, not %s",
                       (long long)gates, tern_shape_text(w_hh, text));
        return false;
    }
    return true;
}

bool tern_sequence_check_state(tern_call *call, int input)
{
    return check(call, input, 2, call->in[TERN_SEQUENCE_X]->shape[0],
                 call->in[TERN_SEQUENCE_W_HH]->shape[1], "N,H");
}

bool tern_sequence_shape(tern_call *call, int64_t gates)
{
    char matrix[24], vector[24];
    if (!check_x_and_w_hh(call, gates))
        return false;
    const tern_tensor *x = call->in[TERN_SEQUENCE_X];
    int64_t hidden = call->in[TERN_SEQUENCE_W_HH]->shape[1];
    snprintf(matrix, sizeof matrix, "%lldH,I", (long long)gates);
    snprintf(vector, sizeof vector, "%lldH", (long long)gates);
    if (!check(call, TERN_SEQUENCE_W_IH, 2, gates * hidden, x->shape[2], matrix) ||
        !check(call, TERN_SEQUENCE_B_IH, 1, gates * hidden, 0, vector) ||
        !check(call, TERN_SEQUENCE_B_HH, 1, gates * hidden, 0, vector) ||
        !check(call, TERN_SEQUENCE_LENGTHS, 1, x->shape[0], 0, "N") ||
        !tern_sequence_check_state(call, TERN_SEQUENCE_H0))
        return false;
    tern_declare_out(call, TERN_SEQUENCE_Y, x->dtype, 3,
                     (int64_t[]){ x->shape[0], x->shape[1], hidden });
    tern_declare_out(call, TERN_SEQUENCE_H_N, x->dtype, 2, (int64_t[]){ x->shape[0], hidden });
    return true;
}

void tern_sequence_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    double steps = (double)tern_extent(call->in[TERN_SEQUENCE_X], 0, 2);
    double of_x = 2 * steps * (double)call->in[TERN_SEQUENCE_W_IH]->count;
    double of_h = 2 * steps * (double)call->in[TERN_SEQUENCE_W_HH]->count;
    forward->flops = of_x + of_h;
    /* The gradient of h is always needed, for the step before. */
    backward->flops = of_x * (!!call->grad_in[TERN_SEQUENCE_X] +
                              !!call->grad_in[TERN_SEQUENCE_W_IH]) +
                      of_h * (1 + !!call->grad_in[TERN_SEQUENCE_W_HH]);
}
