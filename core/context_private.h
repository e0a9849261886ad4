/* The context's inside; for core's own files only. */
#ifndef TERN_CORE_CONTEXT_PRIVATE_H
#define TERN_CORE_CONTEXT_PRIVATE_H

#include "core/bump.h"
#include "core/context.h"
#include "core/observer.h"
#include "core/params.h"
#include "core/plan.h"
#include "core/registry.h"
#include "core/threads.h"

enum { TERN_SCOPE_BYTES = 256, TERN_SCOPE_DEPTH = 24 };
enum { TERN_PARAM_NAME_BYTES = TERN_SCOPE_BYTES + 128 };

/* One region of device address space. */
typedef struct tern_region {
    void *base;
    size_t reserved, committed;
} tern_region;

typedef struct tern_record {
    tern_call call;
    const tern_impl *impl; /* NULL on meta */
    const char *scope;
} tern_record;

typedef struct tern_provider_choice {
    const char *op, *provider;
} tern_provider_choice;

/* Cache of tern_find_impl, keyed by the contract's address. */
enum { TERN_IMPL_CACHE = 256 };
typedef struct tern_impl_slot {
    const tern_op *op;
    const tern_impl *impl;
} tern_impl_slot;

typedef struct tern_param_slot {
    tern_tensor *tensor;
    tern_param_opts opts;  /* parameters */
    tern_group_opts group; /* parameters: how they are trained */
    double initial;        /* state      */
    size_t offset;         /* elements into the block; of parameters once they are laid out */
    size_t given_back;     /* bytes of it while its values are discarded */
} tern_param_slot;

/* A weight as some kernel reads it; see packing.h. */
typedef struct tern_packing_slot {
    const tern_tensor *weight;
    const char *order;
    tern_region memory;
    uint64_t version; /* of the parameters, from which it was made; 0: of none there are */
} tern_packing_slot;

typedef struct tern_param_store {
    tern_param_slot *params, *states;
    int param_count, param_capacity, state_count, state_capacity;
    size_t elements, trained; /* of the values, and of the other blocks; padding included */
    size_t state_elements;
    tern_region region;         /* value [elements], grad, moment1, moment2 [trained]       */
    tern_region state_region;
    tern_region average_region; /* [trained], then [state_elements]                         */
    uint64_t *discarded; /* bits of segments without values; NULL: see param_discard.c */
    size_t given_back;   /* bytes of all of them                                       */
    bool laid_out, averaged;    /* averaged: tensors hold their averages                    */
    size_t *group_ends;         /* [blocks.group_count] elements into the blocks            */
    tern_param_blocks blocks;
} tern_param_store;

struct tern_ctx {
    tern_error error;
    void (*on_error)(const tern_error *error, void *user);
    void *on_error_user;
    const tern_observer *observer; /* NULL: nobody */

    const tern_backend *backend;
    void *backend_state;
    tern_pool *pool;
    const char *simd;
    uint64_t seed;
    bool poison;

    tern_registry registry;
    tern_impl_slot impl_cache[TERN_IMPL_CACHE];
    tern_provider_choice *providers;
    int provider_count;

    /* The op that is being applied or gone back through, for messages, and in backward
     * the scope in which it was applied; else NULL. */
    const char *op, *op_scope;

    char scope[TERN_SCOPE_BYTES];
    int scope_ends[TERN_SCOPE_DEPTH];
    int scope_depth, scope_overflow;

    bool training, recording, frozen_state, dry;
    bool inference_only;
    uint64_t step;         /* serial number of the step in progress, from 1 */
    uint32_t rng_step, position;
    bool rng_step_given;
    bool backward_done, seeded;
    bool step_failed;      /* what it asked for is no plan */
    tern_cost step_cost, backward_cost; /* of the step so far */

    tern_region arena;
    tern_trace trace;
    uint64_t signature;
    tern_plan *plans;
    int plan_count;

    tern_bump step_memory;    /* headers, options, scope texts of this step */
    tern_bump older_step_memory;
    tern_bump lasting_memory; /* parameter headers, names                   */
    const char *step_scope;   /* scope path as a text of this step          */
    tern_record *tape;
    int tape_count, tape_capacity;

    tern_region *kept;
    int kept_count;
    size_t kept_bytes;

    tern_param_store store;
    uint64_t param_version; /* grows with every write to parameters; from 1 */
    tern_packing_slot *packings;
    int packing_count;
    void *staging; /* conversions on the way to and from the device */
    size_t staging_bytes;
    uint64_t allocations;
    tern_tensor nil;
};

/* Does nothing on this device compute (meta, or a dry step)? */
static inline bool tern_is_idle(const tern_ctx *ctx)
{
    return ctx->dry || !ctx->backend->computes;
}

/* --- step.c --- */
tern_tensor *tern_new_header(tern_ctx *ctx, const char *name, tern_dtype dtype, int rank,
                             const int64_t *shape);
/* Fill in count from rank and shape; false and an error if it overflows. */
bool tern_count_elements(tern_ctx *ctx, tern_tensor *tensor);
/* Give a header storage in the step's plan; poisoned when the context asks for it. */
bool tern_allocate(tern_ctx *ctx, tern_tensor *tensor);
void *tern_allocate_workspace(tern_ctx *ctx, size_t bytes);
/* A tensor is used now: check that it lives and tell the plan. */
bool tern_touch(tern_ctx *ctx, const tern_tensor *tensor);
/* The same for what a public function was given to overwrite or, if it has values, to read;
 * false after an earlier error too. */
bool tern_touch_to_write(tern_ctx *ctx, const char *function, const tern_tensor *tensor);
bool tern_touch_given(tern_ctx *ctx, const char *function, const tern_tensor *tensor);
void tern_fill_bytes(tern_ctx *ctx, tern_tensor *tensor, int byte);
const char *tern_step_scope(tern_ctx *ctx);

/* --- transfer.c --- */
bool tern_upload(tern_ctx *ctx, tern_tensor *tensor, tern_dtype host_dtype, const void *host);

/* --- apply.c --- */
void tern_add_cost(tern_call *call, bool in_backward);
size_t tern_call_workspace(const tern_call *call, size_t (*bytes)(const tern_call *call));

/* --- observer.c --- */
void tern_observe_kernel(tern_kernel kernel, tern_call *call, const tern_observed_op *op);
void tern_observe_step_end(tern_ctx *ctx);
void tern_observe_step_begin(tern_ctx *ctx);
void tern_observe_context_end(tern_ctx *ctx);

/* The one way in which kernels are called. */
static inline void tern_run_kernel(tern_kernel kernel, tern_call *call, tern_observed_op op)
{
    if (!call->ctx->observer)
        kernel(call);
    else
        tern_observe_kernel(kernel, call, &op);
}

/* --- packing.c --- */
/* A tensor's values are about to change, or have: if they are parameters', what was made
 * from them is out of date. */
void tern_note_write(tern_ctx *ctx, const tern_tensor *tensor);
void tern_note_param_change(tern_ctx *ctx);
/* Is the weight kept packed as it is now?  Then only what was made from these values
 * counts from now on. */
bool tern_packings_are_made(tern_ctx *ctx, const tern_tensor *weight);
void tern_packings_close(tern_ctx *ctx);

/* --- param_discard.c --- */
/* What discarding needs, when the blocks have their memory. */
bool tern_discard_prepare(tern_ctx *ctx);
/* Does the tensor begin where a discarded parameter does? */
bool tern_is_discarded(const tern_ctx *ctx, const tern_tensor *tensor);
/* False and an error if so. */
bool tern_has_values(tern_ctx *ctx, const tern_tensor *tensor);
/* Inputs, as bits, that forward reads through packings that are kept and may therefore do
 * without their values; 0 where nothing is ever discarded. */
uint32_t tern_packed_inputs(const tern_call *call, const tern_impl *impl);
/* Discard the values of those of them that are packed now. */
void tern_discard_packed(tern_call *call, uint32_t packed);
/* New values for a discarded parameter. */
bool tern_overwrite_discarded(tern_ctx *ctx, tern_tensor *tensor, tern_dtype host_dtype,
                              const void *host);

/* --- params.c --- */
void tern_params_close(tern_ctx *ctx);

/* --- param_groups.c --- */
/* Elements that a segment takes.  It begins on a 64-byte boundary for the narrowest real
 * type, so that offsets are the same on every backend. */
static inline size_t tern_padded(int64_t count)
{
    return ((size_t)count + 15) / 16 * 16;
}
/* Choose each parameter's offset, and with them the groups. */
bool tern_groups_lay_out(tern_ctx *ctx);

/* --- param_blocks.c --- */
bool tern_blocks_reserve(tern_ctx *ctx);
void tern_blocks_make(tern_ctx *ctx);
void *tern_block_address(const tern_ctx *ctx, tern_block block, size_t offset);
void *tern_state_address(const tern_ctx *ctx, size_t offset);

/* --- device.c --- */
bool tern_region_reserve(tern_ctx *ctx, tern_region *region, size_t bytes);
bool tern_region_commit(tern_ctx *ctx, tern_region *region, size_t bytes);
void tern_region_release(tern_ctx *ctx, tern_region *region);
/* On a device that computes. */
bool tern_device_fill(tern_ctx *ctx, void *device, int byte, size_t bytes);
bool tern_device_copy(tern_ctx *ctx, void *to, const void *from, size_t bytes);
bool tern_device_copy_in(tern_ctx *ctx, void *device, const void *host, size_t bytes);
bool tern_device_copy_out(tern_ctx *ctx, void *host, const void *device, size_t bytes);
bool tern_device_synchronise(tern_ctx *ctx);

#endif
