/* concat on cuda: one copy for each input, a piece of y's rows (move.cuh). */
#include "kernels/shape/concat.h"

#include "kernels/shape/move.cuh"

/* Input i seen as rows of `length`, its piece of y's rows from `offset` on. */
struct concat_piece {
    int64_t rows, length, offset, length_y;
};

static concat_piece piece_of(const tern_call *call, int input)
{
    const tern_tensor *y = call->out[0];
    const tern_concat_opts *opts = static_cast<const tern_concat_opts *>(call->options);
    int axis = (int)(opts->axis < 0 ? opts->axis + y->rank : opts->axis);
    concat_piece piece = {};
    for (int i = 0; i < input; i++)
        piece.offset += tern_extent(call->in[i], axis, call->in[i]->rank);
    piece.length = tern_extent(call->in[input], axis, call->in[input]->rank);
    piece.length_y = tern_extent(y, axis, y->rank);
    piece.rows = tern_extent(y, 0, axis);
    return piece;
}

static void concat_forward(tern_call *call)
{
    const tern_tensor *y = call->out[0];
    for (int i = 0; i < call->inputs; i++) {
        concat_piece piece = piece_of(call, i);
        tern_move(call, "concat",
                  move_rows(piece.rows, piece.length, piece.length_y, piece.length),
                  call->in[i]->data, move_at(y, piece.offset), tern_dtype_size(y->dtype));
    }
}

static void concat_backward(tern_call *call)
{
    for (int i = 0; i < call->inputs; i++) {
        concat_piece piece = piece_of(call, i);
        if (call->grad_in[i])
            tern_move_grad(call, "concat_grad",
                           move_rows(piece.rows, piece.length, piece.length, piece.length_y),
                           call->grad_out[0], piece.offset, call->grad_in[i], 0,
                           call->accumulate[i]);
    }
}

TERN_CUDA_IMPL(concat, concat_forward, concat_backward)
