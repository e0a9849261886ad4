/* Which backends and implementations a context knows.
 *
 * Key of an implementation: (op, backend, provider).  The default provider is
 * "hand"; another one is used only when asked for by name.
 */
#ifndef TERN_CORE_REGISTRY_H
#define TERN_CORE_REGISTRY_H

#include "core/backend.h"
#include "core/context.h"

typedef struct tern_registry {
    const tern_backend **backends;
    int backend_count;
    const tern_impl **impls;
    int impl_count, impl_capacity;
    const tern_op **ops; /* those that plugins brought */
    int op_count;
    const char *taken; /* name of a plugin's op that there was already, or NULL */
    void **libraries; /* handles of loaded plugins */
    int library_count;
    bool out_of_memory;
} tern_registry;

void tern_registry_add_backend(tern_registry *registry, const tern_backend *backend);
void tern_registry_add_impl(tern_registry *registry, const tern_impl *impl);
void tern_registry_add_op(tern_registry *registry, const tern_op *op);
const tern_backend *tern_registry_backend(const tern_registry *registry, const char *name);
/* NULL if there is none. */
const tern_impl *tern_registry_impl(const tern_registry *registry, const char *op,
                                    const char *backend, const char *provider);
/* Open a shared object and let it register what it has. */
bool tern_registry_load(tern_registry *registry, const char *path, tern_error *error);
void tern_registry_free(tern_registry *registry);

/* The built-in backends: core/host_backend.c. */
extern const tern_backend tern_backend_ref, tern_backend_cpu, tern_backend_meta;

/* Register an implementation in a context (the built-in ops, a plugin in the
 * program itself, a test's own). */
void tern_add_impl(tern_ctx *ctx, const tern_impl *impl);
/* Add an op that the table does not have, before its implementations. */
void tern_add_op(tern_ctx *ctx, const tern_op *op);
/* Load a plugin that adds ops, implementations or providers. */
void tern_load_plugin(tern_ctx *ctx, const char *path);
/* The ops that plugins or tern_add_op brought; NULL from `index` = their number on. */
const tern_op *tern_plugin_op(const tern_ctx *ctx, int index);
/* All that are registered, of every op, backend and provider; NULL from their number on. */
const tern_impl *tern_impl_at(const tern_ctx *ctx, int index);
/* The implementation that tern_apply would use; NULL if there is none. */
const tern_impl *tern_find_impl(const tern_ctx *ctx, const tern_op *op);

#endif
