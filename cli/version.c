/* tern --version: what is built in, and what was found beside the program. */
#include "cli/commands.h"

#include "bench/report/cairo.h"
#include "core/plugin_path.h"
#include "kernels/matmul/openblas.h"
#include "kernels/table.h"

#include <jansson.h>
#include <png.h>
#include <sndfile.h>
#include <soxr.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>
#include <zip.h>
#include <zlib.h>

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

static const cli_command command = {
    "--version", "[--json]",
    "What this program was built with and found on this machine: compiler, SIMD level, OpenBLAS\n"
    "and its kernels, libraries for media, files and plots, CUDA.",
    "  tern --version",
    .least = 0, .most = 0,
};

typedef struct library {
    const char *name, *use, *version;
} library;

enum { LIBRARIES = 7 };

/* Those that the program is linked with; there is no program without them. */
static void find_libraries(library list[LIBRARIES])
{
    const library found[LIBRARIES] = {
        { "libsndfile", "sound files", sf_version_string() },
        { "libsoxr", "resampling", soxr_version() },
        { "libpng", "images", png_get_libpng_ver(NULL) },
        { "zlib", "images", zlibVersion() },
        { "libzip", ".npz files", zip_libzip_version() },
        { "jansson", "JSON", jansson_version_str() },
        { "utf8proc", "text", utf8proc_version() },
    };
    memcpy(list, found, sizeof found);
    for (int i = 0; i < LIBRARIES; i++) { /* "libsoxr-0.1.3" */
        const char *dash = strchr(list[i].version, '-');
        if (dash && strncmp(list[i].version, list[i].name, strlen(list[i].name)) == 0)
            list[i].version = dash + 1;
    }
}

static const struct { const char *device, *target; } plugins[] = {
    { "cuda", "cuda" },
    { "cuda-sim", "sim" },
};
enum { PLUGINS = sizeof plugins / sizeof plugins[0], PATH_BYTES = 4096 };

static void print_text(const library *libraries)
{
    const char *levels[4];
    char path[PATH_BYTES];
    tern_error error = { 0 }, no_cairo = { 0 };
    int count = tern_simd_levels(levels);
    printf("tern %s\ncompiler    %s\nSIMD        %s (of", TERN_VERSION, COMPILER, levels[0]);
    for (int i = 0; i < count; i++)
        printf(" %s", levels[i]);
    printf(")\n");
    if (tern_openblas_sgemm(&error))
        printf("OpenBLAS    %s kernels\n", tern_openblas_corename());
    else
        printf("OpenBLAS    none: %s\n", error.message);
    for (int i = 0; i < PLUGINS; i++)
        if (tern_plugin_path(plugins[i].device, NULL, path, sizeof path))
            printf("%-11s %s\n", plugins[i].device, path);
        else
            printf("%-11s no plugin (make %s)\n", plugins[i].device, plugins[i].target);
    for (int i = 0; i < LIBRARIES; i++)
        printf("%-11s %s (%s)\n", libraries[i].name, libraries[i].version, libraries[i].use);
    if (bench_cairo_load(&no_cairo))
        printf("cairo       %s (plots)\n", bench_cairo.version_string());
    else
        printf("cairo       none: %s\n", no_cairo.message);
}

static void print_json(const library *libraries)
{
    const char *levels[4];
    char path[PATH_BYTES];
    tern_error error = { 0 };
    int count = tern_simd_levels(levels);
    json_t *simd = json_array(), *paths = json_object(), *linked = json_object();
    for (int i = 0; i < count; i++)
        json_array_append_new(simd, json_string(levels[i]));
    for (int i = 0; i < PLUGINS; i++) {
        bool found = tern_plugin_path(plugins[i].device, NULL, path, sizeof path);
        json_object_set_new(paths, plugins[i].device, found ? json_string(path) : json_null());
    }
    for (int i = 0; i < LIBRARIES; i++)
        json_object_set_new(linked, libraries[i].name, json_string(libraries[i].version));
    bool plots = bench_cairo_load(&error);
    json_object_set_new(linked, "cairo", plots ? json_string(bench_cairo.version_string())
                                               : json_null());
    const char *core = tern_openblas_sgemm(&error) ? tern_openblas_corename() : NULL;
    json_t *json = json_pack("{s:s, s:s, s:s, s:o, s:s?, s:o, s:o}", "tern", TERN_VERSION,
                             "compiler", COMPILER, "simd", levels[0], "simd_levels", simd,
                             "openblas_core", core, "plugins", paths, "libraries", linked);
    json_dumpf(json, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(json);
}

int cmd_version(int argc, char **argv)
{
    bool json = false;
    cli_list words;
    library libraries[LIBRARIES];
    const cli_flag flags[] = { { "--json", CLI_FLAG, &json, NULL, "the same as JSON" }, { 0 } };
    int status = cli_parse(&command, flags, argc, argv, &words);
    if (status >= 0)
        return status;
    find_libraries(libraries);
    if (json)
        print_json(libraries);
    else
        print_text(libraries);
    return CLI_OK;
}
