/* embedding on ref: copy rows; backward adds each token's gradient to its row. */
#include "kernels/embedding/embedding.h"

static void embedding_forward(tern_call *call)
{
    const double *table = call->in[0]->data;
    const int32_t *tokens = call->in[1]->data;
    double *y = call->out[0]->data;
    int64_t dim = call->in[0]->shape[1];

    if (!tern_embedding_check_tokens(call))
        return;
    for (int64_t i = 0; i < call->in[1]->count; i++)
        for (int64_t d = 0; d < dim; d++)
            y[i * dim + d] = table[tokens[i] * dim + d];
}

static void embedding_backward(tern_call *call)
{
    const tern_embedding_opts *opts = call->options;
    const double *grad_y = call->grad_out[0]->data;
    const int32_t *tokens = call->in[1]->data;
    double *grad_table = call->grad_in[0]->data;
    int64_t dim = call->in[0]->shape[1];

    if (!call->accumulate[0])
        for (int64_t i = 0; i < call->grad_in[0]->count; i++)
            grad_table[i] = 0;
    for (int64_t i = 0; i < call->in[1]->count; i++) {
        if (opts->has_padding && tokens[i] == opts->padding_index)
            continue;
        for (int64_t d = 0; d < dim; d++)
            grad_table[tokens[i] * dim + d] += grad_y[i * dim + d];
    }
}

const tern_impl tern_embedding_ref = {
    .op = "embedding", .backend = "ref", .provider = "hand",
    .forward = embedding_forward, .backward = embedding_backward,
};
