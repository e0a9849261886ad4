/* Facts about the machine that stay as they are. */
#include "bench/measure/machine.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The first line of a file without its end; empty if there is none. */
static bool read_line(const char *path, char *line, int size)
{
    FILE *file = fopen(path, "r");
    line[0] = '\0';
    if (!file)
        return false;
    if (!fgets(line, size, file))
        line[0] = '\0';
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    return line[0] != '\0';
}

/* All governors that there are, in the order of the cores, each once. */
static void read_governors(char *governor, size_t size)
{
    char path[96], line[32];
    long cores = sysconf(_SC_NPROCESSORS_CONF);
    governor[0] = '\0';
    for (long core = 0; core < cores; core++) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%ld/cpufreq/scaling_governor",
                 core);
        size_t used = strlen(governor);
        if (read_line(path, line, sizeof line) && !strstr(governor, line))
            snprintf(governor + used, size - used, "%s%s", used > 0 ? "/" : "", line);
    }
}

/* "always [madvise] never": the one in brackets. */
static void read_huge_pages(char *setting, size_t size)
{
    char line[128];
    setting[0] = '\0';
    if (!read_line("/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof line))
        return;
    const char *open = strchr(line, '['), *close = open ? strchr(open, ']') : NULL;
    if (close)
        snprintf(setting, size, "%.*s", (int)(close - open - 1), open + 1);
}

/* Among the CPU's flags; it is bit 31 of CPUID 1 ECX, which only hypervisors set. */
static bool in_virtual_machine(void)
{
    char line[8192];
    bool found = false;
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && !found && fgets(line, sizeof line, file) && line[0] != '\n')
        found = strncmp(line, "flags", 5) == 0 && strstr(line, " hypervisor");
    if (file)
        fclose(file);
    return found;
}

bench_host bench_host_read(void)
{
    bench_host host = { .cores = bench_cores(),
                        .cores_online = (int)sysconf(_SC_NPROCESSORS_ONLN),
                        .page_bytes = sysconf(_SC_PAGESIZE),
                        .virtual_machine = in_virtual_machine() };
    struct utsname system;
    bench_cpu_name(host.cpu, sizeof host.cpu);
    if (uname(&system) == 0)
        snprintf(host.kernel, sizeof host.kernel, "%s %s", system.sysname, system.release);
    read_governors(host.governor, sizeof host.governor);
    read_huge_pages(host.huge_pages, sizeof host.huge_pages);
    return host;
}
