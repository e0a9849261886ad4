/* Sums and maxima over some axes of tensors, in a fixed order: reductions, and the gradients of
 * operands that were broadcast.
 *
 * The axes of the walk are those that the result keeps and those that are reduced.  An op says
 * what one term is, by a structure of pointers that the kernels are made for:
 *
 *   struct product_term {
 *       const float *a, *b;
 *       __device__ float operator()(int64_t result, const int64_t *at) const
 *       {
 *           return a[at[0]] * b[at[1]];
 *       }
 *   };
 *
 * result is the number of the element that the term goes into, at[i] its place in tensor i, by
 * the strides that the axes were given.
 *
 * Where neighbours in memory belong to neighbouring results (a bias: down columns), a thread has
 * a result; where they belong to the same (along lines), a warp has.  Many terms are cut into
 * chunks, by the shapes alone, whose results are joined in their order:
 *
 *        columns            lines
 *        t t t t            w -> -> ->
 *        | | | |            w -> -> ->
 *        v v v v            w -> -> ->
 *
 * Cost: memory traffic, and an integer division for each axis beyond the first.
 */
#ifndef TERN_KERNELS_CUDA_AXES_CUH
#define TERN_KERNELS_CUDA_AXES_CUH

#include "kernels/cuda/reduce.cuh"

constexpr int AXES_PLACES = 4, AXES_THREADS = 128, AXES_WARPS = AXES_THREADS / TERN_WARP;
/* Threads that occupy a chip, and how many terms a chunk has at least: a thread's, a warp's. */
constexpr int64_t AXES_ENOUGH_THREADS = 65536, AXES_MOST_CHUNKS = 1024;
constexpr int64_t AXES_THREAD_TERMS = 32, AXES_WARP_TERMS = 256;

struct tern_axes {
    int axes;
    int64_t count; /* product of the extents */
    int64_t extent[TERN_MAX_RANK];
    int64_t stride[AXES_PLACES][TERN_MAX_RANK];
};

static inline tern_axes tern_no_axes()
{
    tern_axes none = {};
    none.count = 1;
    return none;
}

/* The next axis inwards; strides are set by the caller. */
static inline int tern_add_axis(tern_axes *axes, int64_t extent)
{
    axes->extent[axes->axes] = extent;
    axes->count *= extent;
    return axes->axes++;
}

/* Element number `index`, the last axis fastest: its place is added to places. */
static __device__ __forceinline__ void tern_add_places(const tern_axes &axes, int places,
                                                       int64_t index, int64_t *place)
{
    for (int axis = axes.axes - 1; axis >= 0; axis--) {
        int64_t along = axis > 0 ? index % axes.extent[axis] : index;
        index = axis > 0 ? index / axes.extent[axis] : 0;
        for (int i = 0; i < places; i++)
            place[i] += along * axes.stride[i][axis];
    }
}

/* -------------------------------------------------------------- kernels -- */

struct axes_plan {
    tern_axes kept, reduced;
    int places;
    bool lines;
    int64_t chunks, chunk_terms;
};

/* lines: the last axis of the walk is reduced. */
static inline axes_plan tern_plan_axes(const tern_axes &kept, const tern_axes &reduced, int places,
                                       bool lines)
{
    axes_plan plan = { kept, reduced, places, lines, 1, reduced.count };
    int64_t threads = (kept.count ? kept.count : 1) * (lines ? TERN_WARP : 1);
    int64_t least = lines ? AXES_WARP_TERMS : AXES_THREAD_TERMS;
    int64_t most = (reduced.count + least - 1) / least, wanted = AXES_ENOUGH_THREADS / threads;
    most = most < AXES_MOST_CHUNKS ? most : AXES_MOST_CHUNKS;
    wanted = wanted < most ? wanted : most;
    if (wanted > 1) {
        plan.chunks = wanted;
        plan.chunk_terms = (reduced.count + wanted - 1) / wanted;
    }
    return plan;
}

/* The terms of one result in the block's chunk, from `lane` on in steps. */
template <typename Join, typename Term>
static __device__ __forceinline__ float join_terms(const axes_plan &plan, const Term &term,
                                                   int64_t result, int64_t lane, int64_t step)
{
    int64_t first = blockIdx.y * plan.chunk_terms, last = first + plan.chunk_terms;
    int64_t base[AXES_PLACES] = { 0 };
    float total = Join::start();
    last = last < plan.reduced.count ? last : plan.reduced.count;
    tern_add_places(plan.kept, plan.places, result, base);
    for (int64_t r = first + lane; r < last; r += step) {
        int64_t place[AXES_PLACES];
        for (int i = 0; i < AXES_PLACES; i++)
            place[i] = base[i];
        tern_add_places(plan.reduced, plan.places, r, place);
        total = Join::join(total, term(result, place));
    }
    return total;
}

/* What becomes of a total. */
struct axes_result {
    float *to;
    float scale;
    bool accumulate;
};

static __device__ __forceinline__ void put_result(const axes_result &result, int64_t at,
                                                  float total)
{
    total *= result.scale;
    result.to[at] = result.accumulate ? result.to[at] + total : total;
}

template <typename Join, typename Term>
static __global__ void axes_columns_kernel(const axes_plan plan, const Term term,
                                           const axes_result result)
{
    int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= plan.kept.count)
        return;
    float total = join_terms<Join>(plan, term, at, 0, 1);
    put_result(result, blockIdx.y * plan.kept.count + at, total);
}

template <typename Join, typename Term>
static __global__ void axes_lines_kernel(const axes_plan plan, const Term term,
                                         const axes_result result)
{
    int64_t at = (int64_t)blockIdx.x * blockDim.y + threadIdx.y;
    if (at >= plan.kept.count)
        return; /* with all of its warp */
    float total = tern_warp_join<Join>(join_terms<Join>(plan, term, at, threadIdx.x, TERN_WARP));
    if (threadIdx.x == 0)
        put_result(result, blockIdx.y * plan.kept.count + at, total);
}

template <typename Join>
static __global__ void axes_chunks_kernel(const float *partial, int64_t chunks, int64_t results,
                                          const axes_result result)
{
    int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= results)
        return;
    float total = Join::start();
    for (int64_t chunk = 0; chunk < chunks; chunk++)
        total = Join::join(total, partial[chunk * results + at]);
    put_result(result, at, total);
}

/* ---------------------------------------------------------------- calls -- */

/* Floats of workspace. */
static inline int64_t tern_axes_floats(const axes_plan &plan)
{
    return plan.chunks > 1 ? plan.chunks * plan.kept.count : 0;
}

/* to[result] (+)= scale * its terms, joined. */
template <typename Join, typename Term>
static void tern_join_axes(tern_call *call, const char *name, const axes_plan &plan,
                           const Term &term, float *workspace, const axes_result &result)
{
    const axes_result partial = { workspace, 1, false };
    const axes_result &first = plan.chunks > 1 ? partial : result;
    const unsigned chunks = (unsigned)plan.chunks;
    if (plan.lines)
        tern_launch(call, name, axes_lines_kernel<Join, Term>,
                    { dim3(tern_blocks(plan.kept.count, AXES_WARPS), chunks),
                      dim3(TERN_WARP, AXES_WARPS) },
                    plan, term, first);
    else
        tern_launch(call, name, axes_columns_kernel<Join, Term>,
                    { dim3(tern_blocks(plan.kept.count, AXES_THREADS), chunks), AXES_THREADS },
                    plan, term, first);
    if (plan.chunks > 1)
        tern_launch(call, "axes_chunks", axes_chunks_kernel<Join>,
                    { tern_blocks(plan.kept.count, AXES_THREADS), AXES_THREADS }, workspace,
                    plan.chunks, plan.kept.count, result);
}

#endif
