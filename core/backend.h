/* Backends and plugins.
 *
 * A backend is a device's memory functions; what it computes is the set of
 * implementations registered under its name.  Built-in backends (ref, cpu, meta)
 * and plugins (cuda, cuda-sim, a user's own) come in through the same door: a
 * tern_host whose callbacks register backends and implementations.
 */
#ifndef TERN_CORE_BACKEND_H
#define TERN_CORE_BACKEND_H

#include "core/op.h"

TERN_API_BEGIN

typedef struct tern_backend {
    const char *name;  /* "cuda-sim"                                       */
    tern_dtype real;   /* type of TERN_REAL tensors: f64 on ref, f32 else  */
    bool host_memory;  /* data may be read with plain loads                */
    bool computes;     /* false on meta: shapes only                       */

    /* Open and close the device; state is passed to all other calls. */
    void *(*open)(tern_error *error);
    void (*close)(void *state);
    /* Reserve address space of which `commit` makes a prefix usable; addresses
     * never move.  commit may shrink (memory is then given back). */
    void *(*reserve)(void *state, size_t bytes, tern_error *error);
    bool (*commit)(void *state, void *base, size_t old_bytes, size_t new_bytes, tern_error *error);
    void (*release)(void *state, void *base, size_t bytes);
    bool (*copy_in)(void *state, void *device, const void *host, size_t bytes, tern_error *error);
    bool (*copy_out)(void *state, void *host, const void *device, size_t bytes, tern_error *error);
    bool (*fill)(void *state, void *device, int byte, size_t bytes, tern_error *error);
    bool (*copy)(void *state, void *to, const void *from, size_t bytes, tern_error *error);
    /* Wait for all work; report what went wrong in it (kernel errors, a
     * simulator's findings).  May be NULL. */
    bool (*synchronise)(void *state, tern_error *error);
    /* Give the whole pages inside of committed memory back, values lost; it stays usable,
     * and from then on comes in small pages.  Returns their bytes.  NULL: it cannot. */
    size_t (*discard)(void *state, void *base, size_t bytes);
} tern_backend;

/* What a plugin sees of its host. */
typedef struct tern_host {
    void *registry;
    void (*add_backend)(void *registry, const tern_backend *backend);
    void (*add_impl)(void *registry, const tern_impl *impl);
    void (*add_op)(void *registry, const tern_op *op); /* a new one, before its impls */
} tern_host;

/* Every plugin exports this one function, which refuses a version that it was not
 * built for.  The program itself has none. */
enum { TERN_PLUGIN_VERSION = 5 };
bool tern_plugin(int version, const tern_host *host, tern_error *error);
typedef bool (*tern_plugin_fn)(int version, const tern_host *host, tern_error *error);

/* The state that the context's backend returned from open.  Kernels that fail at run
 * time say so with tern_call_fail(call, TERN_ERR_DEVICE, ...). */
void *tern_backend_state(tern_ctx *ctx);

TERN_API_END

#endif
