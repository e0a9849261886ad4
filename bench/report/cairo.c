/* Loading cairo; see cairo.h. */
#include "bench/report/cairo.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

bench_cairo_functions bench_cairo;

static const struct {
    const char *name;
    size_t offset;
} places[] = {
#define PLACE(name) { "cairo_" #name, offsetof(bench_cairo_functions, name) },
    BENCH_CAIRO_FUNCTIONS(PLACE)
#undef PLACE
};

bool bench_cairo_load_from(const char *library, bench_cairo_functions *functions,
                           tern_error *error)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return tern_error_set(error, TERN_ERR_MISSING,
                              "plots are drawn with cairo, which cannot be loaded (%s); install "
                              "libcairo2", dlerror());
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        void *symbol = dlsym(handle, places[i].name);
        if (!symbol) {
            dlclose(handle);
            return tern_error_set(error, TERN_ERR_MISSING,
                                  "plots are drawn with cairo, but %s has no %s; install a newer "
                                  "libcairo2", library, places[i].name);
        }
        /* ISO C does not convert pointers to objects into such to functions. */
        memcpy((char *)functions + places[i].offset, &symbol, sizeof symbol);
    }
    return true;
}

static tern_error failed;

static void load(void)
{
    bench_cairo_load_from("libcairo.so.2", &bench_cairo, &failed);
}

bool bench_cairo_load(tern_error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return !failed.code || tern_error_set(error, failed.code, "%s", failed.message);
}
