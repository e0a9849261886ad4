/* What `tern bench` was asked for by name, held against what this program and its plugins have. */
#include "cli/bench_flags.h"
#include "cli/open.h"

#include "core/registry.h"

#include <stdio.h>
#include <string.h>

enum { MOST_NAMES = 64, LIST_BYTES = 512 };

/* One type of reals a device. */
static bool check_dtype(const bench_flags *flags, const tern_ctx *ctx, tern_error *error)
{
    const char *wanted = flags->dtype, *is = tern_dtype_name(tern_real_type(ctx));
    if (!wanted || strcmp(wanted, is) == 0)
        return true;
    const char *nearest = tern_nearest_name(wanted, &is, 1);
    return tern_error_set(error, TERN_ERR_ARGUMENT,
                          "--dtype: %s computes in %s alone, not in %s%s%s%s",
                          tern_device(ctx), is, wanted, nearest ? ", did you mean " : "",
                          nearest ? nearest : "", nearest ? "?" : "");
}

static bool is_among(const char *name, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Providers on the device, each once, of the problems' ops, and peers. */
static int find_providers(const bench_flags *flags, const tern_ctx *ctx,
                          const bench_cases *cases, const char *names[MOST_NAMES])
{
    const tern_impl *impl;
    int count = 0;
    for (int i = 0; (impl = tern_impl_at(ctx, i)); i++) {
        bool wanted = false;
        for (int j = 0; j < cases->count && !wanted; j++)
            wanted = strcmp(impl->backend, tern_device(ctx)) == 0 && cases->of[j].op &&
                     strcmp(impl->op, cases->of[j].op->name) == 0;
        if (wanted && !is_among(impl->provider, names, count) && count < MOST_NAMES)
            names[count++] = impl->provider;
    }
    for (int i = 0; i < flags->settings.peer_count && count < MOST_NAMES; i++)
        names[count++] = flags->settings.peers[i].name;
    if (count < MOST_NAMES && flags->models && !is_among("hand", names, count))
        names[count++] = "hand";
    return count;
}

/* Libraries that only a device brings along, which is not the one in use. */
static const struct { const char *provider, *comes_with; } elsewhere[] = {
    { "cublas", "it is NVIDIA's library of products and comes with device cuda" },
    { "cudnn", "it is NVIDIA's library of convolutions and the like and comes with device cuda" },
};

static bool fail_provider(const char *wanted, const tern_ctx *ctx, const char *const *names,
                          int count, tern_error *error)
{
    char list[LIST_BYTES] = "";
    size_t used = 0;
    for (int i = 0; i < count && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    bool is_cuda = strcmp(tern_device(ctx), "cuda") == 0;
    for (size_t i = 0; !is_cuda && i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (strcmp(wanted, elsewhere[i].provider) == 0)
            return tern_error_set(error, TERN_ERR_MISSING,
                                  "no provider %s on %s: %s (make cuda, then --device cuda); "
                                  "providers here: %s", wanted, tern_device(ctx),
                                  elsewhere[i].comes_with, list);
    const char *nearest = tern_nearest_name(wanted, names, count);
    return tern_error_set(error, TERN_ERR_MISSING,
                          "these problems have no provider %s on %s%s%s%s; providers here: %s",
                          wanted, tern_device(ctx), nearest ? ", did you mean " : "",
                          nearest ? nearest : "", nearest ? "?" : "", list);
}

bool bench_flags_check(const bench_flags *flags, const bench_cases *cases, tern_error *error)
{
    const char *names[MOST_NAMES];
    tern_ctx *ctx = cli_open((tern_ctx_opts){ .device = flags->settings.device, .threads = 1 },
                             &flags->plugins, error);
    bool ok = ctx && check_dtype(flags, ctx, error);
    int count = ok ? find_providers(flags, ctx, cases, names) : 0;
    for (int i = 0; ok && i < BENCH_LIST && flags->settings.providers[i]; i++) {
        const char *wanted = flags->settings.providers[i];
        ok = is_among(wanted, names, count) || fail_provider(wanted, ctx, names, count, error);
    }
    tern_ctx_free(ctx);
    return ok;
}
