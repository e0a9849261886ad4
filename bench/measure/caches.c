/* Cache sizes as the system tells them, in one of two ways. */
#include "bench/measure/caches.h"

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MOST_CACHES = 16, DEFAULT_LINE_BYTES = 64 };

static const size_t default_bytes[BENCH_MEMORY] = { 32u << 10, 512u << 10, 8u << 20 };

static int first_cpu(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set))
            return cpu;
    return 0;
}

/* The first line of a file about one cache; false if there is none. */
static bool read_line(int cpu, int index, const char *name, char *line, int size)
{
    char path[128];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cache/index%d/%s", cpu, index, name);
    FILE *file = fopen(path, "r");
    bool read = file && fgets(line, size, file);
    if (file)
        fclose(file);
    return read;
}

/* "48K" or "32M". */
static size_t parse_bytes(const char *text)
{
    unsigned long long number = 0;
    char unit = ' ';
    if (sscanf(text, "%llu%c", &number, &unit) < 1)
        return 0;
    return (size_t)number << (unit == 'K' ? 10 : unit == 'M' ? 20 : unit == 'G' ? 30 : 0);
}

/* CPUs in a list such as "0-3,8-11"; at least 1. */
static int count_cpus(const char *list)
{
    int count = 0, first, last, used;
    while (sscanf(list, "%d%n", &first, &used) == 1) {
        last = first;
        list += used;
        if (sscanf(list, "-%d%n", &last, &used) == 1)
            list += used;
        count += last - first + 1;
        if (*list != ',')
            break;
        list++;
    }
    return count > 0 ? count : 1;
}

static void read_files(bench_caches *caches)
{
    char line[256];
    int cpu = first_cpu(), level;
    for (int index = 0; index < MOST_CACHES; index++) {
        if (!read_line(cpu, index, "type", line, sizeof line))
            break;
        if (line[0] == 'I') /* instructions */
            continue;
        if (!read_line(cpu, index, "level", line, sizeof line) ||
            sscanf(line, "%d", &level) != 1 || level < 1 || level > BENCH_MEMORY)
            continue;
        bench_cache *cache = &caches->level[level - 1];
        cache->bytes = read_line(cpu, index, "size", line, sizeof line) ? parse_bytes(line) : 0;
        if (read_line(cpu, index, "shared_cpu_list", line, sizeof line))
            cache->sharers = count_cpus(line);
        if (read_line(cpu, index, "coherency_line_size", line, sizeof line))
            caches->line_bytes = parse_bytes(line);
    }
}

static void ask_sysconf(bench_caches *caches)
{
    static const int names[BENCH_MEMORY] = { _SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE,
                                             _SC_LEVEL3_CACHE_SIZE };
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    for (int i = 0; i < BENCH_MEMORY; i++) {
        long bytes = sysconf(names[i]);
        caches->level[i].bytes = bytes > 0 ? (size_t)bytes : 0;
    }
    if (cores > 0)
        caches->level[BENCH_L3].sharers = (int)cores;
}

bench_caches bench_caches_read(void)
{
    bench_caches caches = { .line_bytes = 0 };
    for (int i = 0; i < BENCH_MEMORY; i++)
        caches.level[i].sharers = 1;
    read_files(&caches);
    if (caches.level[BENCH_L1].bytes == 0)
        ask_sysconf(&caches);
    if (caches.level[BENCH_L1].bytes == 0)
        for (int i = 0; i < BENCH_MEMORY; i++)
            caches.level[i].bytes = default_bytes[i];
    if (caches.line_bytes < 16 || caches.line_bytes > 4096)
        caches.line_bytes = DEFAULT_LINE_BYTES;
    return caches;
}

const char *bench_level_name(bench_level level)
{
    static const char *const names[BENCH_LEVELS] = { "L1", "L2", "L3", "memory" };
    return names[level];
}

size_t bench_cache_bytes(const bench_caches *caches, bench_level level, int threads)
{
    if (level == BENCH_MEMORY)
        return SIZE_MAX;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int sharers = caches->level[level].sharers > 0 ? caches->level[level].sharers : 1;
    /* A cache that every core has is not shared by threads on cores of their own. */
    long instances = cores > sharers ? (cores + sharers - 1) / sharers : 1;
    return caches->level[level].bytes * (size_t)(threads < instances ? threads : instances);
}

bench_level bench_level_of(const bench_caches *caches, size_t bytes_a_thread, int threads)
{
    for (int level = BENCH_L1; level < BENCH_MEMORY; level++)
        if (bytes_a_thread <= bench_cache_bytes(caches, (bench_level)level, threads) / (size_t)threads)
            return (bench_level)level;
    return BENCH_MEMORY;
}
