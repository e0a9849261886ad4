/* Kernels for the tests of the simulator: right ones, and ones with a planted fault
 * each.  They are providers of relu on cuda-sim, so a test chooses one with
 * tern_set_provider and sees what a user would see; what they compute is not relu.
 *
 * This file and the simulator make a plugin of their own, as a user's kernels would.
 */
#include "kernels/cuda/cuda.h"

static const float *input(const tern_call *call)
{
    return static_cast<const float *>(call->in[0]->data);
}

static float *output(const tern_call *call)
{
    return static_cast<float *>(call->out[0]->data);
}

static int count(const tern_call *call)
{
    return static_cast<int>(call->in[0]->count);
}

/* ------------------------------------------------ barriers in their place -- */

/* y = x backwards within blocks of 64, by way of shared memory. */
template <bool WAIT> static __global__ void reverse_kernel(float *y, const float *x, int n)
{
    TERN_SHARED(float, tile, [64]);
    int at = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    tile[threadIdx.x] = at < n ? x[at] : 0;
    if (WAIT)
        __syncthreads();
    if (at < n)
        y[at] = tile[63 - threadIdx.x];
}

static void reverse(tern_call *call)
{
    tern_launch(call, "reverse", reverse_kernel<true>, { tern_blocks(count(call), 64), 64 },
                output(call), input(call), count(call));
}

static void missing_barrier(tern_call *call)
{
    tern_launch(call, "missing_barrier", reverse_kernel<false>, { tern_blocks(count(call), 64), 64 },
                output(call), input(call), count(call));
}

/* Every block adds to what the block before it left in memory. */
static __global__ void block_order_kernel(float *y, int n)
{
    if (threadIdx.x == 0)
        y[blockIdx.x] = blockIdx.x == 0 ? 1 : y[(blockIdx.x + n - 1) % n] + 1;
}

static void block_order(tern_call *call)
{
    tern_launch(call, "block_order", block_order_kernel, { (unsigned)count(call), 32 },
                output(call), count(call));
}

/* Shared memory that nobody wrote, in the second block too. */
static __global__ void unwritten_kernel(float *y, const float *x, int n)
{
    TERN_SHARED(float, tile, [32]);
    TERN_DYNAMIC_SHARED(float, row);
    int at = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (at < n)
        y[at] = threadIdx.x % 2 ? tile[threadIdx.x] : row[threadIdx.x];
    tile[threadIdx.x] = row[threadIdx.x] = x[0];
}

static void unwritten(tern_call *call)
{
    tern_launch(call, "unwritten", unwritten_kernel,
                { tern_blocks(count(call), 32), 32, 32 * sizeof(float) }, output(call), input(call),
                count(call));
}

/* -------------------------------------------------------------- shuffles -- */

/* Row s of y [6,32] is lane's number after shuffle s; 256 threads, of which the last
 * warp writes. */
static __global__ void shuffles_kernel(float *y)
{
    float lane = (float)(threadIdx.x % 32);
    const float taken[6] = { __shfl_xor_sync(0xFFFFFFFFu, lane, 5),
                             __shfl_down_sync(0xFFFFFFFFu, lane, 3),
                             __shfl_up_sync(0xFFFFFFFFu, lane, 3),
                             __shfl_sync(0xFFFFFFFFu, lane, 40),
                             __shfl_down_sync(0xFFFFFFFFu, lane, 3, 8),
                             __shfl_xor_sync(0xFFFFFFFFu, lane, 9, 8) };
    for (int s = 0; s < 6 && threadIdx.x >= 224; s++)
        y[s * 32 + threadIdx.x % 32] = taken[s];
}

static void shuffles(tern_call *call)
{
    tern_launch(call, "shuffles", shuffles_kernel, { 1, 256 }, output(call));
}

static __global__ void partial_mask_kernel(float *y)
{
    y[threadIdx.x] = __shfl_xor_sync(0x0000FFFFu, 1.0f, 1); /* partial_mask is here */
}

static void partial_mask(tern_call *call)
{
    tern_launch(call, "partial_mask", partial_mask_kernel, { 1, 32 }, output(call));
}

/* ------------------------------------------------------ divergent barriers -- */

static __global__ void early_exit_kernel(float *y, int n)
{
    if ((int)threadIdx.x >= n)
        return;
    __syncthreads(); /* early_exit waits here */
    y[threadIdx.x] = 1;
}

static void early_exit(tern_call *call)
{
    tern_launch(call, "early_exit", early_exit_kernel, { dim3(1, 2), 64 }, output(call), 40);
}

static __global__ void two_places_kernel(float *y)
{
    if (threadIdx.y == 0)
        __syncthreads(); /* two_places waits here */
    else
        __syncthreads(); /* two_places waits there */
    y[threadIdx.x] = 1;
}

static void two_places(tern_call *call)
{
    tern_launch(call, "two_places", two_places_kernel, { 1, dim3(32, 2) }, output(call));
}

static __global__ void warp_and_block_kernel(float *y)
{
    if (threadIdx.x == 37)
        __syncwarp(); /* warp_and_block waits here */
    __syncthreads();  /* warp_and_block waits there */
    y[threadIdx.x] = 1;
}

static void warp_and_block(tern_call *call)
{
    tern_launch(call, "warp_and_block", warp_and_block_kernel, { 1, 64 }, output(call));
}

static __global__ void lane_left_kernel(float *y)
{
    if (threadIdx.x == 7)
        return;
    y[threadIdx.x] = __shfl_down_sync(0xFFFFFFFFu, 1.0f, 1); /* lane_left waits here */
}

static void lane_left(tern_call *call)
{
    tern_launch(call, "lane_left", lane_left_kernel, { 1, 32 }, output(call));
}

/* ---------------------------------------------------- limits of the chip -- */

static __global__ void one_kernel(float *y)
{
    TERN_DYNAMIC_SHARED(float, row);
    row[threadIdx.x % 32] = 1;
    if (threadIdx.x == 0)
        y[blockIdx.x] = row[0];
}

static void large_block(tern_call *call)
{
    tern_launch(call, "large_block", one_kernel, { 1, dim3(32, 33) }, output(call));
}

static void deep_block(tern_call *call)
{
    tern_launch(call, "deep_block", one_kernel, { 1, dim3(1, 1, 65) }, output(call));
}

static void empty_block(tern_call *call)
{
    tern_launch(call, "empty_block", one_kernel, { 1, dim3(0) }, output(call));
}

static void tall_grid(tern_call *call)
{
    tern_launch(call, "tall_grid", one_kernel, { dim3(1, 65536), 32 }, output(call));
}

static void dynamic_not_allowed(tern_call *call)
{
    tern_launch(call, "dynamic_not_allowed", one_kernel, { 1, 32, 49156 }, output(call));
}

static void dynamic_allowed(tern_call *call)
{
    if (tern_allow_shared(call, "dynamic_allowed", one_kernel, 227 * 1024))
        tern_launch(call, "dynamic_allowed", one_kernel, { 1, 32, 227 * 1024 }, output(call));
}

static void too_much_allowed(tern_call *call)
{
    tern_allow_shared(call, "too_much_allowed", one_kernel, 228 * 1024);
}

static __global__ void static_kernel(float *y)
{
    TERN_SHARED(float, first, [12000]);
    TERN_SHARED(float, second, [300]);
    first[0] = second[0] = 1;
    y[0] = first[0];
}

static void large_static(tern_call *call)
{
    tern_launch(call, "large_static", static_kernel, { 1, 32 }, output(call));
}

/* ---------------------------------------------------------------- plugin -- */

static tern_impl relu(const char *provider, tern_kernel forward)
{
    tern_impl impl = {};
    impl.op = "relu";
    impl.backend = TERN_CUDA_DEVICE;
    impl.provider = provider;
    impl.forward = forward;
    return impl;
}

static const tern_impl impls[] = {
    relu("reverse", reverse),
    relu("missing_barrier", missing_barrier),
    relu("block_order", block_order),
    relu("unwritten", unwritten),
    relu("shuffles", shuffles),
    relu("partial_mask", partial_mask),
    relu("early_exit", early_exit),
    relu("two_places", two_places),
    relu("warp_and_block", warp_and_block),
    relu("lane_left", lane_left),
    relu("large_block", large_block),
    relu("deep_block", deep_block),
    relu("empty_block", empty_block),
    relu("tall_grid", tall_grid),
    relu("dynamic_not_allowed", dynamic_not_allowed),
    relu("dynamic_allowed", dynamic_allowed),
    relu("too_much_allowed", too_much_allowed),
    relu("large_static", large_static),
};

bool tern_plugin(int version, const tern_host *host, tern_error *error)
{
    if (version != TERN_PLUGIN_VERSION)
        return tern_error_set(error, TERN_ERR_MISSING, "built for another plugin interface");
    for (const tern_impl &impl : impls)
        host->add_impl(host->registry, &impl);
    return true;
}
