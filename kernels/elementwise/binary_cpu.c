/* add, sub, mul, div and pow on cpu: float32, by rows of the broadcast walk.
 *
 * The output is cut into tiles of TILE elements; a tile covers parts of rows (see
 * broadcast.h), so equal shapes are one long row and a vector over rows is read
 * again for each.  The gradient of an input that was not repeated is the same
 * walk; of one that was, a sum (broadcast_sum.h).
 *
 * An op is three functions of vectors, what y is and what each input gets, and the
 * tile in which they are inlined. */
#include "kernels/elementwise/binary.h"

#include "core/threads.h"
#include "core/vmath.h"
#include "kernels/elementwise/broadcast.h"
#include "kernels/elementwise/broadcast_sum.h"

enum { TILE = 16384 };

typedef tern_vf (*value_fn)(tern_vf a, tern_vf b);
typedef tern_vf (*share_fn)(tern_vf a, tern_vf b, tern_vf g); /* g: the gradient of y */

typedef enum walk_role { VALUE, TO_A, TO_B } walk_role;

typedef struct binary_task {
    walk_role role;
    tern_broadcast plan;
    const float *a, *b;
    const float *g; /* NULL for VALUE */
    float *to;
    int64_t count;
    bool accumulate;
} binary_task;

/* n elements of a row, by value or by share; a stride is 0 (one value repeated) or 1,
 * and a constant where this is inlined. */
static inline __attribute__((always_inline)) void
row(value_fn value, share_fn share, const float *a, int64_t stride_a, const float *b,
    int64_t stride_b, const float *g, float *to, int64_t n, bool accumulate)
{
    for (int64_t i = 0; i < n; i += TERN_LANES) {
        tern_vf u = stride_a ? tern_load_part(a + i, n - i) : tern_splat(*a);
        tern_vf v = stride_b ? tern_load_part(b + i, n - i) : tern_splat(*b);
        tern_vf result = value ? value(u, v) : share(u, v, tern_load_part(g + i, n - i));
        tern_store_grad(to + i, result, n - i, accumulate);
    }
}

static inline __attribute__((always_inline)) void rows(const binary_task *task, int64_t tile,
                                                       value_fn value, share_fn share)
{
    const tern_broadcast *plan = &task->plan;
    int64_t at = tile * TILE, end = at + TILE < task->count ? at + TILE : task->count;
    int64_t stride_a = plan->stride[0][plan->axes - 1];
    int64_t stride_b = plan->stride[1][plan->axes - 1];

    while (at < end) {
        tern_broadcast_piece piece = tern_broadcast_next(plan, at, end);
        const float *a = task->a + piece.offset[0], *b = task->b + piece.offset[1];
        const float *g = task->g ? task->g + at : NULL;
        float *to = task->to + at;
        if (stride_a && stride_b)
            row(value, share, a, 1, b, 1, g, to, piece.count, task->accumulate);
        else if (stride_a)
            row(value, share, a, 1, b, 0, g, to, piece.count, task->accumulate);
        else
            row(value, share, a, 0, b, 1, g, to, piece.count, task->accumulate);
        at += piece.count;
    }
}

static inline __attribute__((always_inline)) void run_tile(const binary_task *task, int64_t tile,
                                                           value_fn value, share_fn to_a,
                                                           share_fn to_b)
{
    switch (task->role) {
    case VALUE: rows(task, tile, value, NULL); break;
    case TO_A: rows(task, tile, NULL, to_a); break;
    case TO_B: rows(task, tile, NULL, to_b); break;
    }
}

/* Run a walk over y's shape.  An input that backward does not read has no data; the
 * gradient, whose shape fits, stands in for it. */
static void walk(tern_call *call, tern_tile_fn tile, walk_role role, float *to,
                 bool accumulate)
{
    const tern_tensor *g = role == VALUE ? NULL : call->grad_out[0], *operands[2];
    for (int i = 0; i < 2; i++)
        operands[i] = call->in[i]->data || !g ? call->in[i] : g;
    binary_task task = { .role = role, .plan = tern_broadcast_plan(call->out[0], operands, 2),
                         .a = operands[0]->data, .b = operands[1]->data,
                         .g = g ? g->data : NULL, .to = to, .count = call->out[0]->count,
                         .accumulate = accumulate };
    tern_parallel(tern_ctx_pool(call->ctx), (task.count + TILE - 1) / TILE, tile, &task);
}

static void forward(tern_call *call, tern_tile_fn tile)
{
    walk(call, tile, VALUE, call->out[0]->data, false);
}

/* ------------------------------------------------------------ gradients -- */

/* What the gradient of an input is, by element of y: grad_y times a factor, if the op
 * is linear in it; otherwise terms that have to be computed. */
typedef enum factor_kind { ONES, MINUS_ONES, OTHER_INPUT, TERMS } factor_kind;

static bool is_repeated(const tern_call *call, int which)
{
    return call->in[which]->count != call->out[0]->count;
}

static const tern_tensor *factor_of(const tern_call *call, factor_kind kind, int which)
{
    static const float minus_one = -1;
    static const tern_tensor minus_ones = { .dtype = TERN_F32, .count = 1,
                                            .data = (void *)&minus_one };
    return kind == OTHER_INPUT ? call->in[1 - which] : kind == MINUS_ONES ? &minus_ones : NULL;
}

/* Room for the terms, padded so that what follows is aligned. */
static size_t terms_bytes(const tern_call *call, factor_kind kind)
{
    return kind == TERMS ? ((size_t)call->out[0]->count * sizeof(float) + 63) & ~(size_t)63 : 0;
}

static size_t workspace(const tern_call *call, factor_kind kind_a, factor_kind kind_b)
{
    size_t most = 0;
    for (int which = 0; which < 2; which++) {
        factor_kind kind = which ? kind_b : kind_a;
        if (!call->grad_in[which] || !is_repeated(call, which))
            continue;
        size_t bytes = terms_bytes(call, kind) +
                       TERN_LEVEL(tern_broadcast_sum_bytes)(
                           call->out[0], factor_of(call, kind, which), call->in[which]);
        most = bytes > most ? bytes : most;
    }
    return most;
}

static void sum_gradient(tern_call *call, tern_tile_fn tile, factor_kind kind, int which)
{
    tern_tensor terms = *call->grad_out[0];
    char *sums = (char *)call->workspace + terms_bytes(call, kind);
    if (kind == TERMS) {
        terms.data = call->workspace;
        walk(call, tile, which ? TO_B : TO_A, terms.data, false);
    }
    TERN_LEVEL(tern_broadcast_sum)(call->ctx, &terms, factor_of(call, kind, which),
                                   call->grad_in[which], call->accumulate[which], sums);
}

static void backward(tern_call *call, tern_tile_fn tile, factor_kind kind_a, factor_kind kind_b)
{
    for (int which = 0; which < 2; which++) {
        if (!call->grad_in[which])
            continue;
        if (is_repeated(call, which))
            sum_gradient(call, tile, which ? kind_b : kind_a, which);
        else
            walk(call, tile, which ? TO_B : TO_A, call->grad_in[which]->data,
                 call->accumulate[which]);
    }
}

/* ------------------------------------------------------------------ add -- */

static tern_vf add_value(tern_vf a, tern_vf b)
{
    return a + b;
}

static tern_vf add_to_a(tern_vf a, tern_vf b, tern_vf g)
{
    (void)a, (void)b;
    return g;
}

static tern_vf add_to_b(tern_vf a, tern_vf b, tern_vf g)
{
    (void)a, (void)b;
    return g;
}

static void add_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    run_tile(task, tile, add_value, add_to_a, add_to_b);
}

static void add_forward(tern_call *call) { forward(call, add_tile); }
static void add_backward(tern_call *call) { backward(call, add_tile, ONES, ONES); }
static size_t add_workspace(const tern_call *call) { return workspace(call, ONES, ONES); }

const tern_impl TERN_LEVEL(tern_add_cpu) = {
    .op = "add", .backend = "cpu", .provider = "hand",
    .forward = add_forward, .backward = add_backward, .backward_workspace = add_workspace,
};

/* ------------------------------------------------------------------ sub -- */

static tern_vf sub_value(tern_vf a, tern_vf b)
{
    return a - b;
}

static tern_vf sub_to_a(tern_vf a, tern_vf b, tern_vf g)
{
    (void)a, (void)b;
    return g;
}

static tern_vf sub_to_b(tern_vf a, tern_vf b, tern_vf g)
{
    (void)a, (void)b;
    return -g;
}

static void sub_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    run_tile(task, tile, sub_value, sub_to_a, sub_to_b);
}

static void sub_forward(tern_call *call) { forward(call, sub_tile); }
static void sub_backward(tern_call *call) { backward(call, sub_tile, ONES, MINUS_ONES); }
static size_t sub_workspace(const tern_call *call) { return workspace(call, ONES, MINUS_ONES); }

const tern_impl TERN_LEVEL(tern_sub_cpu) = {
    .op = "sub", .backend = "cpu", .provider = "hand",
    .forward = sub_forward, .backward = sub_backward, .backward_workspace = sub_workspace,
};

/* ------------------------------------------------------------------ mul -- */

static tern_vf mul_value(tern_vf a, tern_vf b)
{
    return a * b;
}

static tern_vf mul_to_a(tern_vf a, tern_vf b, tern_vf g)
{
    (void)a;
    return g * b;
}

static tern_vf mul_to_b(tern_vf a, tern_vf b, tern_vf g)
{
    (void)b;
    return g * a;
}

static void mul_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    run_tile(task, tile, mul_value, mul_to_a, mul_to_b);
}

static void mul_forward(tern_call *call) { forward(call, mul_tile); }

static void mul_backward(tern_call *call)
{
    backward(call, mul_tile, OTHER_INPUT, OTHER_INPUT);
}

static size_t mul_workspace(const tern_call *call)
{
    return workspace(call, OTHER_INPUT, OTHER_INPUT);
}


const tern_impl TERN_LEVEL(tern_mul_cpu) = {
    .op = "mul", .backend = "cpu", .provider = "hand",
    .forward = mul_forward, .backward = mul_backward, .backward_workspace = mul_workspace,
};

/* ------------------------------------------------------------------ div -- */

static tern_vf div_value(tern_vf a, tern_vf b)
{
    return a / b;
}

static tern_vf div_to_a(tern_vf a, tern_vf b, tern_vf g)
{
    (void)a;
    return g / b;
}

static tern_vf div_to_b(tern_vf a, tern_vf b, tern_vf g)
{
    return -g * (a / b / b);
}

static void div_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    run_tile(task, tile, div_value, div_to_a, div_to_b);
}

static void div_forward(tern_call *call) { forward(call, div_tile); }
static void div_backward(tern_call *call) { backward(call, div_tile, TERMS, TERMS); }
static size_t div_workspace(const tern_call *call) { return workspace(call, TERMS, TERMS); }

const tern_impl TERN_LEVEL(tern_div_cpu) = {
    .op = "div", .backend = "cpu", .provider = "hand",
    .forward = div_forward, .backward = div_backward, .backward_workspace = div_workspace,
};

/* ------------------------------------------------------------------ pow -- */

static tern_vf pow_to_a(tern_vf a, tern_vf b, tern_vf g)
{
    return tern_select(b == 0, (tern_vf){ 0 }, g * (b * tern_vpow(a, b - 1.0f)));
}

static tern_vf pow_to_b(tern_vf a, tern_vf b, tern_vf g)
{
    tern_vi flat = (a == 0) & (b >= 0);
    return g * tern_select(flat, (tern_vf){ 0 }, tern_vpow(a, b) * tern_vlog(a));
}

static void pow_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    run_tile(task, tile, tern_vpow, pow_to_a, pow_to_b);
}

static void pow_forward(tern_call *call) { forward(call, pow_tile); }
static void pow_backward(tern_call *call) { backward(call, pow_tile, TERMS, TERMS); }
static size_t pow_workspace(const tern_call *call) { return workspace(call, TERMS, TERMS); }

const tern_impl TERN_LEVEL(tern_pow_cpu) = {
    .op = "pow", .backend = "cpu", .provider = "hand",
    .forward = pow_forward, .backward = pow_backward, .backward_workspace = pow_workspace,
};
