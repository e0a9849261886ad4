/* The simulated GPU: one per context, and what a launch looks like from inside.
 *
 *   tern_sim ── threads[1024]   one fiber each, used again by every block
 *            ├─ shared memory   static variables and the dynamic part of one block
 *            ├─ order           in which threads, warps and blocks take turns
 *            ├─ allowances      kernels that may use more than 48 KiB
 *            └─ memory          "device" memory (memory.h)
 *
 *   launch.cpp   limits of the chip, block after block
 *   block.cpp    turns of the threads of one block, and what is wrong when none can go on
 *   threads.cpp  what a thread calls: barriers and shuffles
 *   shared.cpp   shared memory
 */
#ifndef TERN_KERNELS_CUDA_SIM_MACHINE_H
#define TERN_KERNELS_CUDA_SIM_MACHINE_H

#include "core/error.h"
#include "kernels/cuda/sim/fiber.h"
#include "kernels/cuda/sim/memory.h"
#include "kernels/cuda/sim/order.h"
#include "kernels/cuda/sim/sim.h"

/* Limits of compute capability 9.0 (CUDA C++ Programming Guide, "Compute
 * Capabilities"). */
enum {
    TERN_SIM_WARP = 32,
    TERN_SIM_BLOCK_THREADS = 1024,
    TERN_SIM_BLOCK_X = 1024,
    TERN_SIM_BLOCK_Y = 1024,
    TERN_SIM_BLOCK_Z = 64,
    TERN_SIM_GRID_X = 2147483647,
    TERN_SIM_GRID_YZ = 65535,
    TERN_SIM_SHARED_BYTES = 48 * 1024,  /* static; and in all without being allowed more */
    TERN_SIM_SHARED_MOST = 227 * 1024   /* in all, when allowed                          */
};

enum tern_sim_state {
    TERN_SIM_READY,
    TERN_SIM_AT_WARP,  /* waits in __syncwarp or a shuffle */
    TERN_SIM_AT_BLOCK, /* waits in __syncthreads           */
    TERN_SIM_ENDED     /* has returned from the kernel     */
};

struct tern_sim;

struct tern_sim_thread : tern_sim_place {
    tern_sim *sim;
    int number; /* in the block, x fastest; its lane is number % 32 */
    tern_sim_state state;
    tern_sim_site site;   /* where it waits                             */
    uint64_t given, taken; /* what a shuffle exchanges                   */
    int source;           /* lane to take from; -1: nothing is exchanged */
    tern_fiber fiber;
};

struct tern_sim_launch {
    const char *kernel; /* name for messages */
    const void *function;
    dim3 grid, block;
    size_t shared_bytes; /* dynamic */
    void (*run)(const void *arguments); /* the kernel's body, called in each thread */
    const void *arguments;
};

struct tern_sim_shared_variable {
    const void *variable;
    size_t offset, bytes;
};

struct tern_sim_shared {
    enum { MOST_VARIABLES = 64 };
    char *fixed, *dynamic; /* arenas of TERN_SIM_SHARED_BYTES and TERN_SIM_SHARED_MOST */
    tern_sim_shared_variable variables[MOST_VARIABLES]; /* met so far in this launch */
    int variable_count;
    size_t fixed_bytes;
    size_t most_bytes; /* static and dynamic together, for the kernel that runs */
};

struct tern_sim_allowance {
    const void *function;
    size_t shared_bytes;
};

struct tern_sim {
    tern_sim_thread *threads; /* TERN_SIM_BLOCK_THREADS */
    tern_fiber scheduler;     /* the process's own stack */
    tern_sim_order order;
    tern_sim_shared shared;
    tern_sim_allowance *allowances;
    int allowance_count;
    tern_sim_memory memory;

    /* The launch in progress. */
    const tern_sim_launch *launch;
    int thread_count, alive;
    bool warp_ready[TERN_SIM_BLOCK_THREADS / TERN_SIM_WARP];
    tern_error error; /* the first thing that went wrong in it */
};

/* --- launch.cpp --- */
/* The order of turns is that of the environment variable TERN_SIM_ORDER. */
tern_sim *tern_sim_open(tern_error *error);
void tern_sim_close(tern_sim *sim);
bool tern_sim_set_order(tern_sim *sim, const char *order, tern_error *error);
/* Let a kernel have so much shared memory, if it is more than 48 KiB. */
bool tern_sim_allow_shared(tern_sim *sim, const void *function, size_t bytes, tern_error *error);
/* Run all blocks; on an error say where and leave the rest of the launch out. */
bool tern_sim_run(tern_sim *sim, const tern_sim_launch *launch, tern_error *error);

/* --- block.cpp --- */
/* False: sim->error is set, and the block's threads are where they were. */
bool tern_sim_run_block(tern_sim *sim, uint3 block);

/* --- threads.cpp --- */
void tern_sim_thread_main(void);
/* "block (0,0,0), thread (5,0,0)" of the thread that runs now. */
[[noreturn]] void tern_sim_fail(tern_sim_thread *thread, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --- shared.cpp --- */
bool tern_sim_shared_open(tern_sim_shared *shared, tern_error *error);
void tern_sim_shared_close(tern_sim_shared *shared);
void tern_sim_shared_begin_launch(tern_sim_shared *shared, size_t most_bytes);
/* Poison what the block is about to use. */
void tern_sim_shared_begin_block(tern_sim_shared *shared, size_t dynamic_bytes);

#endif
