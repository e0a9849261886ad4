#include "kernels/lstm/sequence.h"

bool tern_sequence_check_shape(tern_call *call, int input, int rank, int64_t rows,
                               int64_t columns, const char *why)
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
