/* tern --version: what is built in, and what was found beside the program. */
#include "cli/commands.h"

#include "kernels/matmul/openblas.h"
#include "kernels/table.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_levels(void)
{
    const char *levels[4];
    int count = tern_simd_levels(levels);
    printf("SIMD      %s (of", levels[0]);
    for (int i = 0; i < count; i++)
        printf(" %s", levels[i]);
    printf(")\n");
}

/* Device plugins, tern_DEVICE.so, lie beside the program. */
static void print_plugins(void)
{
    char pattern[4096 + 16];
    ssize_t length = readlink("/proc/self/exe", pattern, 4096);
    while (length > 0 && pattern[length - 1] != '/')
        length--;
    snprintf(pattern + (length > 0 ? length : 0), 16, "tern_*.so");
    glob_t found = { 0 };
    if (glob(pattern, 0, NULL, &found) != 0 || found.gl_pathc == 0)
        printf("plugins   none (make sim, make cuda)\n");
    for (size_t i = 0; i < found.gl_pathc; i++)
        printf("%-9s %s\n", i ? "" : "plugins", found.gl_pathv[i]);
    globfree(&found);
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
