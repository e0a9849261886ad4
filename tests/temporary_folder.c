/* See temporary_folder.h. */
#include "temporary_folder.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool temporary_folder_make(char folder[TEMPORARY_PATH_BYTES])
{
    const char *base = getenv("TMPDIR");
    snprintf(folder, TEMPORARY_PATH_BYTES, "%s/tern-test-XXXXXX", base && *base ? base : "/tmp");
    return mkdtemp(folder) != NULL;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

void temporary_folder_remove(const char *folder)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

char test_folder[TEMPORARY_PATH_BYTES];

int test_folder_make(void **state)
{
    (void)state;
    return temporary_folder_make(test_folder) ? 0 : -1;
}

int test_folder_remove(void **state)
{
    (void)state;
    temporary_folder_remove(test_folder);
    return 0;
}

const char *temporary_path(char path[TEMPORARY_PATH_BYTES], const char *folder, const char *name)
{
    snprintf(path, TEMPORARY_PATH_BYTES, "%s/%s", folder, name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(path, 0777);
        *slash = '/';
    }
    return path;
}

bool temporary_file(char path[TEMPORARY_PATH_BYTES], const char *folder, const char *name,
                    const void *bytes, size_t size)
{
    FILE *file = fopen(temporary_path(path, folder, name), "wb");
    if (!file)
        return false;
    bool ok = fwrite(bytes, 1, size, file) == size;
    return fclose(file) == 0 && ok;
}

bool shared_data(char path[TEMPORARY_PATH_BYTES], const char *name)
{
    snprintf(path, TEMPORARY_PATH_BYTES, "../shared/data/%s", name);
    return access(path, R_OK) == 0;
}
