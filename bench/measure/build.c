/* What the Makefile writes into built.h, which is made anew only when it differs. */
#include "bench/measure/build.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

/* GIT: the commit, or "";  COMPILE_FLAGS: { "avx2", "-O3 ..." }, for each SIMD level, ref and
 * cuda-sim. */
#include "built.h"

#define TEXT_OF(token) #token
#define TEXT(macro) TEXT_OF(macro)

const char *bench_git(void)
{
    return GIT[0] ? GIT : NULL;
}

const char *bench_compiler(void)
{
#ifdef __clang__
    return "clang " TEXT(__clang_major__) "." TEXT(__clang_minor__) "." TEXT(__clang_patchlevel__);
#else
    return "gcc " __VERSION__;
#endif
}

const char *bench_compile_flags(const char *device, const char *simd)
{
    static const struct {
        const char *name, *flags;
    } known[] = { COMPILE_FLAGS };
    const char *name = strcmp(device, "cpu") == 0 ? simd : device;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].flags;
    return NULL;
}

/* A plugin's lies in another object than what calls this. */
static bool is_of_program(const tern_impl *impl)
{
    static const char here;
    Dl_info of_impl, of_program;
    return dladdr(impl, &of_impl) && dladdr(&here, &of_program) &&
           of_impl.dli_fbase == of_program.dli_fbase;
}

const char *bench_impl_flags(const tern_impl *impl, const char *simd)
{
    bool is_sim = strcmp(impl->backend, "cuda-sim") == 0; /* a plugin of the Makefile's own */
    if (impl->flags)
        return impl->flags;
    /* Other providers are other people's libraries. */
    bool is_ours = strcmp(impl->provider, "hand") == 0 && (is_sim || is_of_program(impl));
    return is_ours ? bench_compile_flags(impl->backend, simd) : NULL;
}
