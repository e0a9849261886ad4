#include "core/plugin_path.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const beside_program[] = { "", "../", "../lib/tern/" };

/* The folder is first + second and ends with a slash. */
static bool in_folder(const char *device, const char *first, const char *second, char *path,
                      size_t bytes)
{
    int length = snprintf(path, bytes, "%s%stern_%s.so", first, second, device);
    if (length < 0 || (size_t)length >= bytes)
        return false;
    for (char *c = path + strlen(first) + strlen(second); *c; c++)
        if (*c == '-')
            *c = '_';
    return access(path, R_OK) == 0;
}

/* The folder of the running program, with a slash at its end; "" if the system does not say. */
static void program_folder(char *folder, size_t bytes)
{
    ssize_t length = readlink("/proc/self/exe", folder, bytes - 1);
    while (length > 0 && folder[length - 1] != '/')
        length--;
    folder[length > 0 ? length : 0] = '\0';
}

bool tern_plugin_path(const char *device, const char *folder, char *path, size_t bytes)
{
    char program[2048];
    if (folder)
        return in_folder(device, folder, "/", path, bytes);
    program_folder(program, sizeof program);
    for (size_t i = 0; i < sizeof beside_program / sizeof *beside_program; i++)
        if (in_folder(device, program, beside_program[i], path, bytes))
            return true;
    return in_folder(device, program, "", path, bytes);
}
