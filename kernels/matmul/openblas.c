/* Loading OpenBLAS.
 *
 * It chooses its kernels when it is loaded: by CPUID, where it knows the processor, else
 * it falls back to its oldest ones (30 GFLOP/s instead of 150 were measured).  So the
 * type is chosen here, from what the processor can do, and given in OPENBLAS_CORETYPE
 * while the library loads, whatever the environment says: machines are set up with a wrong
 * type for the sake of other programs.  TERN_OPENBLAS_CORETYPE asks for another.
 * Version 0.3.21 on an AMD processor with AVX-512 and bf16 (family 26): SkylakeX and
 * Cooperlake 215 to 235 GFLOP/s, Zen and Haswell 110.
 *
 * The library is one per process, and so is what is remembered of it here.
 */
#include "kernels/matmul/openblas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char LIBRARY[] = "libopenblas.so.0";

static struct {
    pthread_once_t once;
    tern_sgemm_fn sgemm;
    char *(*corename)(void);
    char why[256]; /* it could not be loaded */
} library = { .once = PTHREAD_ONCE_INIT };

static const char *core_type(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
        return __builtin_cpu_supports("avx512bf16") ? "Cooperlake" : "SkylakeX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "Haswell";
#endif
    return NULL;
}

/* A function of the library; memcpy, since ISO C does not convert object pointers. */
static bool find_function(void *handle, const char *name, void *function)
{
    void *symbol = dlsym(handle, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

/* dlopen with OPENBLAS_CORETYPE set, and the environment as before afterwards. */
static void *open_library(void)
{
    const char *variable = "OPENBLAS_CORETYPE", *asked = getenv("TERN_OPENBLAS_CORETYPE");
    const char *core = asked ? asked : core_type(), *old = getenv(variable);
    char *kept = old ? strdup(old) : NULL;

    if (core)
        setenv(variable, core, 1);
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (kept)
        setenv(variable, kept, 1);
    else
        unsetenv(variable);
    free(kept);
    return handle;
}

static void load(void)
{
    void (*set_threads)(int) = NULL;
    void *handle = open_library();

    if (!handle) {
        snprintf(library.why, sizeof library.why, "%s", dlerror());
    } else if (!find_function(handle, "openblas_get_corename", &library.corename) ||
               !find_function(handle, "openblas_set_num_threads", &set_threads) ||
               !find_function(handle, "cblas_sgemm", &library.sgemm)) {
        snprintf(library.why, sizeof library.why, "%s lacks functions of OpenBLAS",
                 LIBRARY);
        library.sgemm = NULL;
    } else {
        set_threads(1);
    }
}

tern_sgemm_fn tern_openblas_sgemm(tern_error *error)
{
    pthread_once(&library.once, load);
    if (!library.sgemm)
        tern_error_set(error, TERN_ERR_MISSING,
                       "OpenBLAS cannot be loaded (%s); install libopenblas0-pthread", library.why);
    return library.sgemm;
}

const char *tern_openblas_corename(void)
{
    return library.sgemm ? library.corename() : NULL;
}

static bool fits(tern_call *call, const tern_tensor *tensor)
{
    char text[TERN_SHAPE_TEXT];
    if (!tensor || tensor->count <= INT32_MAX)
        return true;
    tern_call_fail(call, TERN_ERR_SHAPE, "%s has more elements than OpenBLAS can count (2^31)",
                   tern_shape_text(tensor, text));
    return false;
}

bool tern_openblas_ready(tern_call *call)
{
    tern_error error = { 0 };
    if (!tern_openblas_sgemm(&error)) {
        tern_call_fail(call, error.code, "%s", error.message);
        return false;
    }
    return fits(call, call->in[0]) && fits(call, call->in[1]) && fits(call, call->out[0]);
}
