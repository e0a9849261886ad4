/* GEMM against plain float64 sums, at every SIMD level of the machine: awkward sizes,
 * all flags, and the same bits for any number of threads. */
#include "tests/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "kernels/matmul/gemm.h"
#include "kernels/table.h"

typedef struct level {
    const char *name;
    size_t (*scratch)(const tern_gemm *gemm, int threads);
    size_t (*scratch_up_to)(const tern_gemm *gemm, int threads);
    void (*run)(tern_pool *pool, const tern_gemm *gemm);
    size_t (*packed_bytes)(int64_t k, int64_t n);
    void (*pack_b)(tern_pool *pool, int64_t k, int64_t n, const float *b, int64_t b_stride,
                   bool b_transposed, float *packed);
} level;

size_t tern_gemm_scratch_avx2(const tern_gemm *gemm, int threads);
size_t tern_gemm_scratch_avx512(const tern_gemm *gemm, int threads);
size_t tern_gemm_scratch_up_to_avx2(const tern_gemm *gemm, int threads);
size_t tern_gemm_scratch_up_to_avx512(const tern_gemm *gemm, int threads);
void tern_gemm_run_avx2(tern_pool *pool, const tern_gemm *gemm);
void tern_gemm_run_avx512(tern_pool *pool, const tern_gemm *gemm);
size_t tern_gemm_packed_bytes_avx2(int64_t k, int64_t n);
size_t tern_gemm_packed_bytes_avx512(int64_t k, int64_t n);
void tern_gemm_pack_b_avx2(tern_pool *pool, int64_t k, int64_t n, const float *b, int64_t b_stride,
                           bool b_transposed, float *packed);
void tern_gemm_pack_b_avx512(tern_pool *pool, int64_t k, int64_t n, const float *b,
                             int64_t b_stride, bool b_transposed, float *packed);

static const level levels[] = {
    { "base", tern_gemm_scratch_base, tern_gemm_scratch_up_to_base, tern_gemm_run_base,
      tern_gemm_packed_bytes_base, tern_gemm_pack_b_base },
    { "avx2", tern_gemm_scratch_avx2, tern_gemm_scratch_up_to_avx2, tern_gemm_run_avx2,
      tern_gemm_packed_bytes_avx2, tern_gemm_pack_b_avx2 },
    { "avx512", tern_gemm_scratch_avx512, tern_gemm_scratch_up_to_avx512, tern_gemm_run_avx512,
      tern_gemm_packed_bytes_avx512, tern_gemm_pack_b_avx512 },
};

enum { POOLS = 3, UNUSED = 12345 /* what lies between the rows of C */ };
static tern_pool *pools[POOLS]; /* of 1, 2 and 3 threads */

static int open_pools(void **state)
{
    (void)state;
    for (int i = 0; i < POOLS; i++)
        if (!(pools[i] = tern_pool_new(i + 1, NULL)))
            return -1;
    return 0;
}

static int close_pools(void **state)
{
    (void)state;
    for (int i = 0; i < POOLS; i++)
        tern_pool_free(pools[i]);
    return 0;
}

/* Memory whose last byte is the last one allocated, so that sanitizers and valgrind see
 * a read beyond the end; filled with NaN, so that reading what was not written shows. */
static void *poisoned(size_t bytes)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 64, bytes > 0 ? bytes : 1) != 0)
        fail_msg("out of memory");
    memset(memory, 0xFF, bytes);
    return memory;
}

/* A stored matrix with gaps between its rows, in a batch with gaps between matrices. */
typedef struct matrix {
    int64_t stride, batch, count;
    float *data;
} matrix;

static matrix random_matrix(tern_rng *rng, int64_t rows, int64_t columns, int64_t batch, int gap)
{
    matrix x = { .stride = columns + gap, .batch = rows * (columns + gap) + 3 * gap };
    if (rows > 0 && columns > 0)
        x.count = (batch - 1) * x.batch + (rows - 1) * x.stride + columns;
    x.data = poisoned((size_t)x.count * sizeof(float));
    for (int64_t i = 0; i < x.count; i++)
        x.data[i] = UNUSED;
    for (int64_t b = 0; b < batch; b++)
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < columns; c++)
                x.data[b * x.batch + r * x.stride + c] = (float)tern_rng_normal(rng);
    return x;
}

/* sum_p A[i,p] B[p,j] in float64, and the sum of the terms' magnitudes. */
static double exact_sum(const tern_gemm *g, int64_t batch, int64_t i, int64_t j, double *magnitude)
{
    const float *a = g->a + batch * g->a_batch, *b = g->b + batch * g->b_batch;
    double sum = 0;
    for (int64_t p = 0; p < g->k; p++) {
        double term = (double)(g->a_transposed ? a[p * g->a_stride + i] : a[i * g->a_stride + p]) *
                      (g->b_transposed ? b[j * g->b_stride + p] : b[p * g->b_stride + j]);
        sum += term;
        *magnitude += fabs(term);
    }
    return sum;
}

/* C, and the value before the activation, against float64; `old` is C before the call. */
static void check_values(const level *l, const tern_gemm *g, const float *old, const char *what)
{
    for (int64_t batch = 0; batch < (g->batch > 0 ? g->batch : 1); batch++)
        for (int64_t i = 0; i < g->m; i++)
            for (int64_t j = 0; j < g->n; j++) {
                int64_t at = batch * g->c_batch + i * g->c_stride + j;
                double magnitude = 0, sum = exact_sum(g, batch, i, j, &magnitude);
                double bias = g->bias ? g->bias[j] : 0, start = g->accumulate ? old[at] : 0;
                sum += bias + start;
                magnitude += fabs(bias) + fabs(start);
                double bound = 8 * 0x1p-24 * sqrt((double)g->k + 2) * magnitude;
                if (g->before && !(fabs(g->before[at] - sum) <= bound))
                    fail_msg("%s %s: before[%lld,%lld] is %g, not %g", l->name, what, (long long)i,
                             (long long)j, (double)g->before[at], sum);
                /* No activation's slope is above 1.13; its own error is a few ulp. */
                double y = tern_activate_ref(g->activation, sum);
                bound = 1.13 * bound + 8 * 0x1p-24 * fabs(y);
                if (!(fabs(g->c[at] - y) <= bound))
                    fail_msg("%s %s: C[%lld,%lld] of batch %lld is %.9g, not %.9g", l->name, what,
                             (long long)i, (long long)j, (long long)batch, (double)g->c[at], y);
            }
}

static void check_gaps(const tern_gemm *g, int64_t count, const char *what)
{
    for (int64_t at = 0; at < count; at++)
        if (at % g->c_batch % g->c_stride >= g->n && g->c[at] != UNUSED)
            fail_msg("%s: wrote between the rows of C", what);
}

static void run_with_threads(const level *l, tern_gemm *g, int threads, int64_t count,
                             const float *old)
{
    memcpy(g->c, old, (size_t)count * sizeof(float));
    g->scratch = poisoned(l->scratch(g, threads));
    l->run(pools[threads - 1], g);
    free(g->scratch);
}

typedef struct problem {
    int64_t m, n, k, batch;
    bool a_transposed, b_transposed, b_packed, accumulate, bias, before, shared_a, shared_b;
    tern_activation activation;
    int gap;
} problem;

static void check_problem(const level *l, problem s)
{
    int64_t batch = s.batch > 0 ? s.batch : 1;
    tern_rng rng = tern_rng_make(7, TERN_STREAM_TEST, 0);
    char what[160];
    snprintf(what, sizeof what, "%lldx%lldx%lld batch %lld%s%s%s%s%s%s activation %d gap %d",
             (long long)s.m, (long long)s.n, (long long)s.k, (long long)batch,
             s.a_transposed ? " A^T" : "", s.b_transposed ? " B^T" : "", s.b_packed ? " packed" : "",
             s.accumulate ? " +=" : "", s.bias ? " bias" : "", s.before ? " before" : "",
             (int)s.activation, s.gap);

    matrix a = s.a_transposed ? random_matrix(&rng, s.k, s.m, batch, s.gap)
                              : random_matrix(&rng, s.m, s.k, batch, s.gap);
    matrix b = s.b_transposed ? random_matrix(&rng, s.n, s.k, batch, s.gap)
                              : random_matrix(&rng, s.k, s.n, batch, s.gap);
    matrix c = random_matrix(&rng, s.m, s.n, batch, s.gap);
    matrix bias = random_matrix(&rng, 1, s.n, 1, 0);
    float *old = poisoned((size_t)c.count * sizeof(float));
    float *one_thread = poisoned((size_t)c.count * sizeof(float));
    float *before = poisoned((size_t)c.count * sizeof(float));
    float *packed = poisoned(l->packed_bytes(s.k, s.n));
    memcpy(old, c.data, (size_t)c.count * sizeof(float));

    tern_gemm g = {
        .m = s.m, .n = s.n, .k = s.k, .a = a.data, .b = b.data, .c = c.data,
        .a_stride = a.stride, .b_stride = b.stride, .c_stride = c.stride,
        .a_transposed = s.a_transposed, .b_transposed = s.b_transposed,
        .accumulate = s.accumulate, .bias = s.bias ? bias.data : NULL,
        .activation = s.activation, .before = s.before ? before : NULL, .batch = s.batch,
        .a_batch = s.shared_a ? 0 : a.batch, .b_batch = s.shared_b ? 0 : b.batch,
        .c_batch = c.batch,
    };
    tern_gemm plain = g;
    if (s.b_packed) {
        l->pack_b(pools[1], s.k, s.n, b.data, b.stride, s.b_transposed, packed);
        g.b = packed;
        g.b_packed = true;
        g.b_batch = 0;
    }
    for (int threads = 1; threads <= POOLS; threads++) {
        run_with_threads(l, &g, threads, c.count, old);
        if (threads == 1) {
            check_values(l, &plain, old, what);
            if (s.gap > 0)
                check_gaps(&g, c.count, what);
            memcpy(one_thread, c.data, (size_t)c.count * sizeof(float));
        } else if (memcmp(one_thread, c.data, (size_t)c.count * sizeof(float)) != 0) {
            fail_msg("%s %s: %d threads give other bits than one", l->name, what, threads);
        }
    }
    free(a.data), free(b.data), free(c.data), free(bias.data);
    free(old), free(one_thread), free(before), free(packed);
}

static void check_on_every_level(problem s)
{
    const char *names[8];
    int count = tern_simd_levels(names);
    for (int i = 0; i < count; i++)
        for (size_t j = 0; j < sizeof levels / sizeof *levels; j++)
            if (strcmp(levels[j].name, names[i]) == 0)
                check_problem(&levels[j], s);
}

static void every_size_of_tile_is_right(void **state)
{
    (void)state;
    for (int64_t m = 1; m <= 17; m++)
        for (int64_t n = 1; n <= 50; n += n < 3 ? 1 : 6)
            check_on_every_level((problem){ .m = m, .n = n, .k = 5, .gap = (int)(m % 2) });
}

static void awkward_sizes_in_every_layout(void **state)
{
    const int64_t sizes[][3] = { { 1, 1, 1 },    { 31, 31, 31 },  { 1, 97, 131 },   { 97, 1, 131 },
                                 { 67, 129, 1 }, { 13, 113, 300 }, { 130, 53, 257 }, { 7, 400, 64 },
                                 { 64, 96, 128 }, { 200, 7, 19 } };
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int layout = 0; layout < 4; layout++)
            for (int gap = 0; gap <= 5; gap += 5)
                check_on_every_level((problem){ .m = sizes[i][0], .n = sizes[i][1],
                                                .k = sizes[i][2], .a_transposed = layout & 1,
                                                .b_transposed = layout & 2, .gap = gap });
}

static void empty_sums_leave_bias_or_zero(void **state)
{
    (void)state;
    for (int layout = 0; layout < 4; layout++) {
        problem s = { .m = 5, .n = 19, .a_transposed = layout & 1, .b_transposed = layout & 2 };
        check_on_every_level(s);
        s.bias = true;
        check_on_every_level(s);
        s.accumulate = true;
        check_on_every_level(s);
        check_on_every_level((problem){ .m = 0, .n = 19, .k = 7, .b_transposed = layout & 2 });
        check_on_every_level((problem){ .m = 19, .n = 0, .k = 7, .b_transposed = layout & 2 });
    }
}

static void bias_activation_and_accumulation_in_every_layout(void **state)
{
    (void)state;
    for (int flags = 0; flags < 32; flags++)
        for (tern_activation activation = TERN_ACT_NONE; activation <= TERN_ACT_TANH; activation++) {
            problem s = { .m = 11, .n = 61, .k = 37, .a_transposed = flags & 1,
                          .b_transposed = flags & 2, .accumulate = flags & 4, .bias = flags & 8,
                          .before = flags & 16, .activation = activation, .gap = 1 };
            check_on_every_level(s);
            s.m = 90, s.n = 48, s.gap = 0;
            check_on_every_level(s);
        }
}

static void packed_b_gives_the_same(void **state)
{
    (void)state;
    for (int64_t m = 1; m <= 64; m += 21)
        for (int transposed = 0; transposed < 2; transposed++) {
            problem s = { .m = m, .n = 73, .k = 300, .b_packed = true, .b_transposed = transposed,
                          .accumulate = transposed, .bias = true, .gap = 2 };
            check_on_every_level(s);
            s.n = 128;
            check_on_every_level(s);
        }
}

static void batches_with_gaps_and_shared_operands(void **state)
{
    (void)state;
    for (int flags = 0; flags < 16; flags++) {
        problem s = { .m = 9, .n = 33, .k = 20, .batch = 7, .a_transposed = flags & 1,
                      .b_transposed = flags & 2, .shared_a = flags & 4, .shared_b = flags & 8,
                      .gap = 1 };
        check_on_every_level(s);
        s.m = 50, s.n = 16, s.batch = 3;
        check_on_every_level(s);
    }
}

/* Few elements of C, many terms: k is cut into chunks for the threads. */
static void long_sums_are_cut_and_added_in_order(void **state)
{
    (void)state;
    for (int flags = 0; flags < 8; flags++)
        check_on_every_level((problem){ .m = 10, .n = 35, .k = 9001, .a_transposed = flags & 1,
                                        .b_transposed = flags & 2, .accumulate = flags & 4,
                                        .bias = flags & 4, .before = flags & 1,
                                        .activation = flags & 2 ? TERN_ACT_GELU : TERN_ACT_NONE,
                                        .gap = flags % 3 });
    check_on_every_level((problem){ .m = 64, .n = 64, .k = 4099, .a_transposed = true });
}

/* Several tasks in every direction and several steps along k. */
static void large_products_in_every_layout(void **state)
{
    (void)state;
    for (int layout = 0; layout < 4; layout++)
        check_on_every_level((problem){ .m = 139, .n = 411, .k = 523, .a_transposed = layout & 1,
                                        .b_transposed = layout & 2, .accumulate = layout & 1,
                                        .bias = layout & 2, .gap = 1,
                                        .activation = layout & 1 ? TERN_ACT_RELU : TERN_ACT_NONE });
}

/* Sizes that are known only when the kernel runs: none needs more than was asked for. */
static void scratch_for_a_size_is_enough_for_smaller_ones(void **state)
{
    static const int64_t sizes[] = { 0, 1, 7, 24, 25, 63, 65, 130, 513, 1030, 5000 };
    enum { SIZES = sizeof sizes / sizeof *sizes };
    (void)state;
    for (int l = 0; l < 3; l++)
        for (int layout = 0; layout < 4; layout++)
            for (int m = 0; m < SIZES; m++)
                for (int n = 0; n < SIZES; n++)
                    for (int k = 0; k < SIZES; k++) {
                        tern_gemm g = { .m = sizes[m], .n = sizes[n], .k = sizes[k],
                                        .a_transposed = layout & 1, .b_transposed = layout & 2 };
                        size_t needed = levels[l].scratch(&g, 2);
                        if (m + 1 < SIZES)
                            g.m = sizes[m + 1];
                        if (n + 1 < SIZES)
                            g.n = sizes[n + 1];
                        if (k + 1 < SIZES)
                            g.k = sizes[k + 1];
                        assert_true(levels[l].scratch_up_to(&g, 2) >= needed);
                    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_of_tile_is_right),
        cmocka_unit_test(awkward_sizes_in_every_layout),
        cmocka_unit_test(empty_sums_leave_bias_or_zero),
        cmocka_unit_test(bias_activation_and_accumulation_in_every_layout),
        cmocka_unit_test(packed_b_gives_the_same),
        cmocka_unit_test(batches_with_gaps_and_shared_operands),
        cmocka_unit_test(long_sums_are_cut_and_added_in_order),
        cmocka_unit_test(large_products_in_every_layout),
        cmocka_unit_test(scratch_for_a_size_is_enough_for_smaller_ones),
    };
    return cmocka_run_group_tests(tests, open_pools, close_pools);
}
