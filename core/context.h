/* The context: one device, one memory plan, one tape, one sticky status.
 *
 * There is no global mutable state; two contexts in one process do not know of
 * each other.  A context is used from one thread at a time.
 *
 * Life of a program:
 *     tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "cpu" }, &error);
 *     ... declare parameters (layers do), tern_params_freeze(ctx) ...
 *     for each batch:
 *         tern_step_begin(ctx, 0);
 *         ... inputs, forward, tern_backward, optimiser, tern_read ...
 *     tern_ctx_free(ctx);
 * tern_open (kernels/table.h) gives a context with all ops; examples/00_xor.c is a whole
 * program.  After an error every call returns at once with a harmless empty tensor: write
 * a model without an `if` after each line and check tern_ok once.
 */
#ifndef TERN_CORE_CONTEXT_H
#define TERN_CORE_CONTEXT_H

#include "core/error.h"
#include "core/tensor.h"

TERN_API_BEGIN

typedef struct tern_ctx_opts {
    const char *device; /* "cpu" (default), "ref", "meta", "cuda", "cuda-sim" */
    int threads;        /* cpu: 0 = one per core                              */
    uint64_t seed;      /* of every random stream of this context             */
    const char *simd;   /* cpu: force a level: "avx512", "avx2", "base"       */
    const char *plugins; /* folder of device plugins; NULL: beside the program */
    bool poison;         /* fill fresh step memory with NaN: finds reads of
                            memory that was never written or is dead          */
} tern_ctx_opts;

/* A context without implementations of ops, which tern_add_impl and plugins bring: for
 * tests of single ops.  Programs call tern_open.  NULL and an error if the device cannot be
 * opened. */
tern_ctx *tern_ctx_new(tern_ctx_opts opts, tern_error *error);
void tern_ctx_free(tern_ctx *ctx);

/* ------------------------------------------------------------- status -- */

bool tern_ok(const tern_ctx *ctx);
const tern_error *tern_ctx_error(const tern_ctx *ctx);
/* Forget the error, so that the context can be used again from the next
 * tern_step_begin on. */
void tern_clear_error(tern_ctx *ctx);
/* Record an error (first one wins) with the scope path before it. */
void tern_fail(tern_ctx *ctx, tern_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for an error that somebody else reported; returns tern_ok. */
bool tern_fail_with(tern_ctx *ctx, const tern_error *error);
/* Called with the context's error the moment it is set; for a breakpoint. */
void tern_on_error(tern_ctx *ctx, void (*callback)(const tern_error *error, void *user), void *user);

/* A scope is one part of a layer path: push "model", "face", "conv1" and an
 * error inside says model.face.conv1; parameters take their names from it. */
void tern_scope_push(tern_ctx *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tern_scope_pop(tern_ctx *ctx);
const char *tern_scope_path(const tern_ctx *ctx);

/* -------------------------------------------------------------- steps -- */

/* End the previous step and begin the next.  Every tensor of the previous step
 * is gone; using one is an error.  (Headers of steps before that are reused: a pointer
 * that is kept so long is not seen through.)  signature tells steps of
 * different shapes apart: a step whose signature was seen before takes its
 * addresses from that plan.  0 is a fine signature when shapes never change.
 * See core/plan.h. */
void tern_step_begin(tern_ctx *ctx, uint64_t signature);

/* The same, but nothing is computed: the ops that follow only declare shapes, so
 * that the plan is known before any memory is used.  Reads return zeros. */
void tern_step_begin_dry(tern_ctx *ctx, uint64_t signature);
bool tern_step_is_planned(const tern_ctx *ctx, uint64_t signature);

/* The memory that steps use, so that a benchmark can take it out of the caches. */
const void *tern_step_memory(const tern_ctx *ctx, size_t *bytes);

/* Right after tern_step_begin: fill the memory of steps with NaN at once, so that what a
 * kernel leaves unwritten shows.  (tern_ctx_opts.poison does so tensor by tensor, which
 * counts in the time of an op.) */
void tern_step_poison(tern_ctx *ctx);

/* Training mode: ops are recorded on the tape, dropout drops, batch norm uses
 * batch statistics.  A new context is NOT in training mode. */
void tern_set_training(tern_ctx *ctx, bool training);
bool tern_is_training(const tern_ctx *ctx);
/* Record on the tape without training behaviour (gradient checks). */
void tern_set_recording(tern_ctx *ctx, bool recording);
/* This context will only infer: to be called before tern_params_freeze, there is no way
 * back.  Parameters then have no gradients, moments or average, training and recording are
 * errors; and where a kernel keeps a parameter in an order of its own (core/packing.h), the
 * values themselves are discarded as soon as it has that copy, so that weights lie in memory
 * once.  Whatever else reads such a parameter later - tern_read, a checkpoint that is
 * saved, an op that does not pack it or packs it in another order, another provider - is
 * TERN_ERR_STATE.  tern_write, and so loading a checkpoint, gives it new values. */
void tern_set_inference_only(tern_ctx *ctx);
/* Keep declared mutations (running statistics) from happening. */
void tern_set_frozen_state(tern_ctx *ctx, bool frozen);
/* The step number that random streams see: counted up by every step that is not dry, until
 * it is set here.  From then on it stays what it was set to: to continue a run exactly,
 * set it in every step, after tern_step_begin. */
void tern_set_rng_step(tern_ctx *ctx, uint32_t step);

/* ------------------------------------------------------------ tensors -- */

/* A step tensor with a copy of host values.  Reals (f64, f32, bf16) are converted to the
 * device's real type, i64 indices become i32: see core/convert.h.  On `meta` and in a dry
 * step host is not read and may be NULL. */
tern_tensor *tern_input(tern_ctx *ctx, const char *name, tern_dtype host_dtype, int rank,
                        const int64_t *shape, const void *host);
/* Zeroed host memory that lasts as long as the step, to put an input's values
 * together in; nothing to free.  NULL and an error when there is none. */
void *tern_step_scratch(tern_ctx *ctx, size_t bytes);
/* A step tensor of the device's real type filled with one value. */
tern_tensor *tern_full(tern_ctx *ctx, int rank, const int64_t *shape, double value);
/* Copy tensor->count elements to host memory, converted to host_dtype.  After an error
 * nothing is read and those elements are zero; the nil tensor, which failed calls return,
 * has none, so `host` is then left as it was: check tern_ok before its values are used. */
void tern_read(tern_ctx *ctx, const tern_tensor *tensor, tern_dtype host_dtype, void *host);
/* The value of a tensor of one element; 0 after an error. */
double tern_read_scalar(tern_ctx *ctx, const tern_tensor *tensor);
/* Overwrite a persistent tensor (a parameter, state, a kept tensor). */
void tern_write(tern_ctx *ctx, tern_tensor *tensor, tern_dtype host_dtype, const void *host);
/* A copy that outlives the step; it lives until the context is freed. */
tern_tensor *tern_keep(tern_ctx *ctx, const tern_tensor *tensor);
/* The harmless empty tensor that calls return after an error. */
tern_tensor *tern_nil(tern_ctx *ctx);

/* ----------------------------------------------------------- autograd -- */

/* Gradients of a one-element tensor with respect to everything that requires
 * one; they are found in tensor->grad.  Calling it twice in a step is an error.
 * loss == NULL starts from the gradients given with tern_seed_grad. */
void tern_backward(tern_ctx *ctx, tern_tensor *loss);
/* Give an output's gradient by hand, for vector-Jacobian products. */
void tern_seed_grad(tern_ctx *ctx, tern_tensor *tensor, tern_dtype host_dtype, const void *host);
/* Make an input tensor a leaf that receives a gradient. */
tern_tensor *tern_require_grad(tern_ctx *ctx, tern_tensor *tensor);

/* ------------------------------------------------------------ choices -- */

const char *tern_device(const tern_ctx *ctx);
/* The type of its reals: f64 on ref, f32 elsewhere. */
tern_dtype tern_real_type(const tern_ctx *ctx);
const char *tern_simd_level(const tern_ctx *ctx);
/* Use another provider of an op: tern_set_provider(ctx, "matmul", "openblas"). */
void tern_set_provider(tern_ctx *ctx, const char *op, const char *provider);

typedef struct tern_memory_report {
    size_t arena_bytes;     /* the current step's plan, peak              */
    size_t unplanned_bytes; /* what it would be without reuse             */
    size_t param_bytes;     /* all parameter blocks and state, less what
                               tern_set_inference_only has discarded      */
    size_t kept_bytes;
    size_t packed_bytes; /* weights in the order in which kernels read them */
    uint64_t host_allocations; /* made by the context since it was created */
} tern_memory_report;
tern_memory_report tern_memory(const tern_ctx *ctx);

/* Sum of the contracts' costs of the ops applied in this step so far, and of those whose
 * backward has run (each as if all its inputs' gradients were wanted). */
double tern_step_flops(const tern_ctx *ctx);
double tern_step_backward_flops(const tern_ctx *ctx);
/* The same of the bytes that must at least be read and written. */
double tern_step_bytes(const tern_ctx *ctx);
double tern_step_backward_bytes(const tern_ctx *ctx);
/* FLOPs that the implementations execute, where they know how to do with fewer. */
double tern_step_executed_flops(const tern_ctx *ctx);
double tern_step_backward_executed_flops(const tern_ctx *ctx);

TERN_API_END

#endif
