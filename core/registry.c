/* Lists of backends and implementations, and plugins that add to them. */
#include "core/registry.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void tern_registry_add_backend(tern_registry *registry, const tern_backend *backend)
{
    size_t bytes = (size_t)(registry->backend_count + 1) * sizeof *registry->backends;
    const tern_backend **grown = realloc(registry->backends, bytes);
    if (!grown) {
        registry->out_of_memory = true;
        return;
    }
    registry->backends = grown;
    registry->backends[registry->backend_count++] = backend;
}

void tern_registry_add_impl(tern_registry *registry, const tern_impl *impl)
{
    if (registry->impl_count == registry->impl_capacity) {
        int capacity = registry->impl_capacity ? 2 * registry->impl_capacity : 128;
        const tern_impl **grown =
            realloc(registry->impls, (size_t)capacity * sizeof *registry->impls);
        if (!grown) {
            registry->out_of_memory = true;
            return;
        }
        registry->impls = grown;
        registry->impl_capacity = capacity;
    }
    registry->impls[registry->impl_count++] = impl;
}

static bool has_op(const tern_registry *registry, const char *name)
{
    for (int i = 0; i < registry->impl_count; i++)
        if (strcmp(registry->impls[i]->op, name) == 0)
            return true;
    for (int i = 0; i < registry->op_count; i++)
        if (strcmp(registry->ops[i]->name, name) == 0)
            return true;
    return false;
}

void tern_registry_add_op(tern_registry *registry, const tern_op *op)
{
    if (has_op(registry, op->name)) {
        registry->taken = op->name;
        return;
    }
    const tern_op **grown =
        realloc(registry->ops, (size_t)(registry->op_count + 1) * sizeof *registry->ops);
    if (!grown) {
        registry->out_of_memory = true;
        return;
    }
    registry->ops = grown;
    registry->ops[registry->op_count++] = op;
}

const tern_backend *tern_registry_backend(const tern_registry *registry, const char *name)
{
    for (int i = 0; i < registry->backend_count; i++)
        if (strcmp(registry->backends[i]->name, name) == 0)
            return registry->backends[i];
    return NULL;
}

const tern_impl *tern_registry_impl(const tern_registry *registry, const char *op,
                                    const char *backend, const char *provider)
{
    /* Newest first, so that a user's implementation may replace a built-in one. */
    for (int i = registry->impl_count - 1; i >= 0; i--) {
        const tern_impl *impl = registry->impls[i];
        if (strcmp(impl->op, op) == 0 && strcmp(impl->backend, backend) == 0 &&
            strcmp(impl->provider, provider) == 0)
            return impl;
    }
    return NULL;
}

static void host_add_backend(void *registry, const tern_backend *backend)
{
    tern_registry_add_backend(registry, backend);
}

static void host_add_impl(void *registry, const tern_impl *impl)
{
    tern_registry_add_impl(registry, impl);
}

static void host_add_op(void *registry, const tern_op *op)
{
    tern_registry_add_op(registry, op);
}

/* A name without a slash is dlopen's to look for where libraries lie, unless there is such a
 * file here. */
static void *open_library(const char *path)
{
    char here[2 + NAME_MAX + 1];
    if (!strchr(path, '/') && strlen(path) <= NAME_MAX && access(path, F_OK) == 0) {
        snprintf(here, sizeof here, "./%s", path);
        path = here;
    }
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

bool tern_registry_load(tern_registry *registry, const char *path, tern_error *error)
{
    void *library = open_library(path);
    if (!library)
        return tern_error_set(error, TERN_ERR_MISSING, "plugin %s: %s", path, dlerror());
    void **grown = realloc(registry->libraries,
                           (size_t)(registry->library_count + 1) * sizeof *registry->libraries);
    if (!grown) {
        dlclose(library);
        return tern_error_set(error, TERN_ERR_MEMORY, "plugin %s: out of memory", path);
    }
    registry->libraries = grown;
    registry->libraries[registry->library_count++] = library;

    tern_plugin_fn entry;
    void *symbol = dlsym(library, "tern_plugin");
    if (!symbol)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "plugin %s: it exports no function tern_plugin", path);
    memcpy(&entry, &symbol, sizeof entry); /* object to function pointer, as POSIX allows */
    const tern_host host = { registry, host_add_backend, host_add_impl, host_add_op };
    if (!entry(TERN_PLUGIN_VERSION, &host, error)) {
        tern_error_set(error, TERN_ERR_MISSING, "it refused plugin interface version %d",
                       TERN_PLUGIN_VERSION);
        tern_error_prefix(error, "plugin %s", path);
        return false;
    }
    if (registry->out_of_memory)
        return tern_error_set(error, TERN_ERR_MEMORY, "plugin %s: out of memory", path);
    if (registry->taken)
        return tern_error_set(error, TERN_ERR_ARGUMENT,
                              "plugin %s: there is an op %s already; give yours another name", path,
                              registry->taken);
    return true;
}

void tern_registry_free(tern_registry *registry)
{
    for (int i = 0; i < registry->library_count; i++)
        dlclose(registry->libraries[i]);
    free(registry->libraries);
    free(registry->impls);
    free(registry->ops);
    free(registry->backends);
    *registry = (tern_registry){ 0 };
}
