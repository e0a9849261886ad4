/* The op table and the opening of a context with everything in it. */
#include "kernels/table.h"

#include "core/registry.h"

#include <stdio.h>
#include <string.h>

#define TERN_OP(name, folder, cuda)                                                               \
    extern const tern_op tern_op_##name;                                                          \
    extern const tern_impl tern_##name##_ref, tern_##name##_cpu_base, tern_##name##_cpu_avx2,     \
        tern_##name##_cpu_avx512;
#define TERN_PROVIDER(op, provider)                                                               \
    extern const tern_impl tern_##op##_##provider##_cpu_base,                                     \
        tern_##op##_##provider##_cpu_avx2, tern_##op##_##provider##_cpu_avx512;
#include "kernels/table.def"
#undef TERN_OP
#undef TERN_PROVIDER

static const tern_op *const table[] = {
#define TERN_OP(name, folder, cuda) &tern_op_##name,
#include "kernels/table.def"
#undef TERN_OP
#undef TERN_PROVIDER
    NULL,
};

static const char *const folders[] = {
#define TERN_OP(name, folder, cuda) #folder,
#include "kernels/table.def"
#undef TERN_OP
#undef TERN_PROVIDER
};

static const tern_impl *const ref_impls[] = {
#define TERN_OP(name, folder, cuda) &tern_##name##_ref,
#include "kernels/table.def"
#undef TERN_OP
#undef TERN_PROVIDER
    NULL,
};

static const tern_impl *const base_impls[] = {
#define TERN_OP(name, folder, cuda) &tern_##name##_cpu_base,
#define TERN_PROVIDER(op, provider) &tern_##op##_##provider##_cpu_base,
#include "kernels/table.def"
#undef TERN_OP
#undef TERN_PROVIDER
    NULL,
};

static const tern_impl *const avx2_impls[] = {
#define TERN_OP(name, folder, cuda) &tern_##name##_cpu_avx2,
#define TERN_PROVIDER(op, provider) &tern_##op##_##provider##_cpu_avx2,
#include "kernels/table.def"
#undef TERN_OP
#undef TERN_PROVIDER
    NULL,
};

static const tern_impl *const avx512_impls[] = {
#define TERN_OP(name, folder, cuda) &tern_##name##_cpu_avx512,
#define TERN_PROVIDER(op, provider) &tern_##op##_##provider##_cpu_avx512,
#include "kernels/table.def"
#undef TERN_OP
#undef TERN_PROVIDER
    NULL,
};

const tern_op *const *tern_op_table(void)
{
    return table;
}

const char *tern_op_folder(const tern_op *op)
{
    for (int i = 0; table[i]; i++)
        if (table[i] == op)
            return folders[i];
    return NULL;
}

/* The op of this number: the table's, then those of ctx's plugins; NULL after the last. */
static const tern_op *op_at(const tern_ctx *ctx, int index)
{
    enum { BUILT_IN = sizeof table / sizeof table[0] - 1 };
    if (index < BUILT_IN)
        return table[index];
    return ctx ? tern_plugin_op(ctx, index - BUILT_IN) : NULL;
}

const tern_op *tern_ctx_op_find(const tern_ctx *ctx, const char *name, tern_error *error)
{
    enum { MOST_SUGGESTED = 512 };
    const char *names[MOST_SUGGESTED];
    int count = 0;
    const tern_op *op;
    for (int i = 0; (op = op_at(ctx, i)); i++) {
        if (strcmp(op->name, name) == 0)
            return op;
        if (count < MOST_SUGGESTED)
            names[count++] = op->name;
    }
    const char *nearest = tern_nearest_name(name, names, count);
    tern_error_set(error, TERN_ERR_ARGUMENT, "there is no op %s%s%s%s", name,
                   nearest ? ", did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    return NULL;
}

const tern_op *tern_op_find(const char *name, tern_error *error)
{
    return tern_ctx_op_find(NULL, name, error);
}

/* ------------------------------------------------------- SIMD levels -- */

typedef struct simd_level {
    const char *name;
    const tern_impl *const *impls;
} simd_level;

/* Best first. */
static const simd_level levels[] = {
    { "avx512", avx512_impls },
    { "avx2", avx2_impls },
    { "base", base_impls },
};
enum { LEVEL_COUNT = sizeof levels / sizeof levels[0] };

static bool machine_has(const char *level)
{
    __builtin_cpu_init();
    if (strcmp(level, "avx512") == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("fma");
    if (strcmp(level, "avx2") == 0)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return true;
}

static const simd_level *choose_level(const char *asked, tern_error *error)
{
    for (int i = 0; i < LEVEL_COUNT; i++) {
        if (asked && strcmp(asked, levels[i].name) != 0)
            continue;
        if (machine_has(levels[i].name))
            return &levels[i];
        if (asked) {
            tern_error_set(error, TERN_ERR_MISSING, "this CPU has no %s", asked);
            return NULL;
        }
    }
    tern_error_set(error, TERN_ERR_ARGUMENT, "no SIMD level %s: there are avx512, avx2, base",
                   asked);
    return NULL;
}

int tern_simd_levels(const char **names)
{
    int count = 0;
    for (int i = 0; i < LEVEL_COUNT; i++)
        if (machine_has(levels[i].name))
            names[count++] = levels[i].name;
    return count;
}

tern_ctx *tern_open(tern_ctx_opts opts, tern_error *error)
{
    const simd_level *level = choose_level(opts.simd, error);
    if (!level)
        return NULL;
    opts.simd = level->name;
    tern_ctx *ctx = tern_ctx_new(opts, error);
    for (const tern_impl *const *impl = ref_impls; ctx && *impl; impl++)
        tern_add_impl(ctx, *impl);
    for (const tern_impl *const *impl = level->impls; ctx && *impl; impl++)
        tern_add_impl(ctx, *impl);
    if (ctx && !tern_ok(ctx)) {
        tern_error_set(error, tern_ctx_error(ctx)->code, "%s", tern_ctx_error(ctx)->message);
        tern_ctx_free(ctx);
        return NULL;
    }
    return ctx;
}
