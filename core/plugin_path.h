/* Where the plugin of a device lies: cuda-sim's is tern_cuda_sim.so, in the folder that the
 * context's options name or else in the first of
 *
 *   the program's folder            as built
 *   the folder above it             test programs
 *   ../lib/tern beside it           as installed
 */
#ifndef TERN_CORE_PLUGIN_PATH_H
#define TERN_CORE_PLUGIN_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* False if there is none: path then says where it should be. */
bool tern_plugin_path(const char *device, const char *folder, char *path, size_t bytes);

#endif
