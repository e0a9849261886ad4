/* matmul on cpu: y and both gradients by whatever GEMM the provider brings, float32.
 *
 *   y      [M,N] = A B         A and B are a and b, transposed where the options say so
 *   grad_A [M,K] = grad_y B^T
 *   grad_B [K,N] = A^T grad_y
 *
 * The gradient of a transposed operand is computed transposed, (X Y)^T = Y^T X^T.  A plain
 * matrix b under a batch of a makes one tall product of the batch; the gradient of any
 * other plain matrix is summed over the batch one product after the other.
 */
#include "kernels/matmul/matmul_gemm.h"

/* The sizes with the batch laid into M where that is the same product. */
static tern_matmul_sizes folded_sizes(const tern_call *call)
{
    tern_matmul_sizes s = tern_matmul_sizes_of(call);
    if (s.b_batch == 0 && !s.transpose_a) {
        s.m *= s.batch;
        s.batch = 1;
        s.a_batch = 0;
    }
    return s;
}

/* The product without its pointers: what tern_gemm_scratch looks at. */
static tern_gemm y_product(const tern_call *call)
{
    tern_matmul_sizes s = folded_sizes(call);
    return (tern_gemm){ .m = s.m, .n = s.n, .k = s.k, .a_stride = s.transpose_a ? s.m : s.k,
                        .b_stride = s.transpose_b ? s.k : s.n, .c_stride = s.n,
                        .a_transposed = s.transpose_a, .b_transposed = s.transpose_b,
                        .batch = s.batch, .a_batch = s.a_batch, .b_batch = s.b_batch,
                        .c_batch = s.m * s.n };
}

/* grad_a from (grad_y, b), or with transpose_a from (b, grad_y). */
static tern_gemm grad_a_product(const tern_call *call)
{
    tern_matmul_sizes s = folded_sizes(call);
    int64_t b_stride = s.transpose_b ? s.k : s.n;
    tern_gemm g = { .batch = s.batch, .c_batch = s.a_batch, .accumulate = call->accumulate[0] };

    if (s.transpose_a) {
        g.m = s.k, g.n = s.m, g.k = s.n;
        g.a_stride = b_stride, g.a_batch = s.b_batch, g.a_transposed = s.transpose_b;
        g.b_stride = s.n, g.b_batch = s.m * s.n, g.b_transposed = true;
    } else {
        g.m = s.m, g.n = s.k, g.k = s.n;
        g.a_stride = s.n, g.a_batch = s.m * s.n;
        g.b_stride = b_stride, g.b_batch = s.b_batch, g.b_transposed = !s.transpose_b;
    }
    g.c_stride = g.n;
    return g;
}

/* grad_b from (a, grad_y), or with transpose_b from (grad_y, a). */
static tern_gemm grad_b_product(const tern_call *call)
{
    tern_matmul_sizes s = folded_sizes(call);
    int64_t a_stride = s.transpose_a ? s.m : s.k;
    tern_gemm g = { .batch = s.batch, .c_batch = s.b_batch, .accumulate = call->accumulate[1] };

    if (s.transpose_b) {
        g.m = s.n, g.n = s.k, g.k = s.m;
        g.a_stride = s.n, g.a_batch = s.m * s.n, g.a_transposed = true;
        g.b_stride = a_stride, g.b_batch = s.a_batch, g.b_transposed = s.transpose_a;
    } else {
        g.m = s.k, g.n = s.n, g.k = s.m;
        g.a_stride = a_stride, g.a_batch = s.a_batch, g.a_transposed = !s.transpose_a;
        g.b_stride = s.n, g.b_batch = s.m * s.n;
    }
    g.c_stride = g.n;
    return g;
}

/* Run the product; when its C is one for all of the batch, add up. */
static void run_product(tern_call *call, const tern_gemm_provider *gemm, tern_gemm g,
                        const void *a, const void *b, void *c)
{
    tern_pool *pool = tern_ctx_pool(call->ctx);
    int64_t batch = g.batch;

    g.a = a, g.b = b, g.c = c, g.scratch = call->workspace;
    if (g.c_batch != 0 || batch == 1) {
        if (batch > 0)
            gemm->run(pool, &g);
        return;
    }
    g.batch = 1;
    if (batch == 0) {
        g.k = 0; /* the sum of nothing */
        gemm->run(pool, &g);
    }
    for (int64_t t = 0; t < batch; t++, g.a += g.a_batch, g.b += g.b_batch) {
        gemm->run(pool, &g);
        g.accumulate = true;
    }
}

static size_t scratch_of(const tern_call *call, const tern_gemm_provider *gemm, tern_gemm g)
{
    if (g.c_batch == 0)
        g.batch = 1;
    return gemm->scratch(&g, tern_pool_threads(tern_ctx_pool(call->ctx)));
}

size_t TERN_LEVEL(tern_matmul_forward_bytes)(const tern_call *call, const tern_gemm_provider *gemm)
{
    return scratch_of(call, gemm, y_product(call));
}

size_t TERN_LEVEL(tern_matmul_backward_bytes)(const tern_call *call,
                                              const tern_gemm_provider *gemm)
{
    size_t a = call->grad_in[0] ? scratch_of(call, gemm, grad_a_product(call)) : 0;
    size_t b = call->grad_in[1] ? scratch_of(call, gemm, grad_b_product(call)) : 0;
    return a > b ? a : b;
}

void TERN_LEVEL(tern_matmul_forward)(tern_call *call, const tern_gemm_provider *gemm)
{
    run_product(call, gemm, y_product(call), call->in[0]->data, call->in[1]->data,
                call->out[0]->data);
}

void TERN_LEVEL(tern_matmul_backward)(tern_call *call, const tern_gemm_provider *gemm)
{
    const tern_matmul_opts *opts = call->options;
    const void *a = call->in[0]->data, *b = call->in[1]->data, *grad_y = call->grad_out[0]->data;

    if (call->grad_in[0])
        run_product(call, gemm, grad_a_product(call), opts->transpose_a ? b : grad_y,
                    opts->transpose_a ? grad_y : b, call->grad_in[0]->data);
    if (call->grad_in[1])
        run_product(call, gemm, grad_b_product(call), opts->transpose_b ? grad_y : a,
                    opts->transpose_b ? a : grad_y, call->grad_in[1]->data);
}
