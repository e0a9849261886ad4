/* tern --version: what is built in, and what was found beside the program. */
#include "cli/commands.h"

#include "core/plugin_path.h"
#include "kernels/matmul/openblas.h"
#include "kernels/table.h"

#include <stdio.h>
#include <string.h>

static void print_levels(void)
{
    const char *levels[4];
    int count = tern_simd_levels(levels);
    printf("SIMD      %s (of", levels[0]);
    for (int i = 0; i < count; i++)
        printf(" %s", levels[i]);
    printf(")\n");
}

static void print_plugins(void)
{
    static const struct { const char *device, *target; } devices[] = {
        { "cuda", "cuda" }, { "cuda-sim", "sim" },
    };
    char path[4096];
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        if (tern_plugin_path(devices[i].device, NULL, path, sizeof path))
            printf("%-9s %s\n", devices[i].device, path);
        else
            printf("%-9s no plugin (make %s)\n", devices[i].device, devices[i].target);
}

/* Loading it takes a moment and starts its threads, so that is done only if asked for. */
static void print_openblas(bool load)
{
    char path[4096];
    tern_error error = { 0 };
    if (!load && tern_openblas_find(path, sizeof path))
        printf("OpenBLAS  %s (its kernels: tern --version openblas)\n", path);
    else if (!load)
        printf("OpenBLAS  not found (package libopenblas0-pthread)\n");
    else if (tern_openblas_sgemm(&error))
        printf("OpenBLAS  %s kernels\n", tern_openblas_corename());
    else
        printf("OpenBLAS  %s\n", error.message);
}

int cmd_version(int argc, char **argv)
{
    bool load = argc == 2 && strcmp(argv[1], "openblas") == 0;
    if (argc > 1 && !load) {
        fprintf(stderr, "tern: unexpected argument %s\n", argv[1]);
        return CLI_USAGE;
    }
    printf("tern %s\ncompiler  %s\n", TERN_VERSION, __VERSION__);
    print_levels();
    print_plugins();
    print_openblas(load);
    return CLI_OK;
}
