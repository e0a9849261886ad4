/* Facts about the machine from the system's files. */
#include "bench/measure/machine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

double bench_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* The value of "key : value" in a line of /proc/cpuinfo, without its end of line. */
static const char *value_of(char *line, const char *key)
{
    char *colon = strchr(line, ':');
    size_t length = strlen(key);
    if (!colon || strncmp(line, key, length) != 0 || !strchr("\t :", line[length]))
        return NULL;
    colon[strcspn(colon, "\n")] = '\0';
    return colon[1] == ' ' ? colon + 2 : colon + 1;
}

void bench_cpu_name(char *name, size_t size)
{
    char line[512], model_name[128] = "unknown CPU", family[16] = "?", model[16] = "?";
    FILE *file = fopen("/proc/cpuinfo", "r");
    const char *value;

    /* The first processor's lines; an empty line ends them. */
    while (file && fgets(line, sizeof line, file) && line[0] != '\n')
        if ((value = value_of(line, "model name")))
            snprintf(model_name, sizeof model_name, "%s", value);
        else if ((value = value_of(line, "cpu family")))
            snprintf(family, sizeof family, "%s", value);
        else if ((value = value_of(line, "model")))
            snprintf(model, sizeof model, "%s", value);
    if (file)
        fclose(file);
    snprintf(name, size, "%s, family %s model %s", model_name, family, model);
}

int bench_cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

double bench_load(void)
{
    double load;
    return getloadavg(&load, 1) == 1 ? load : -1;
}

long bench_involuntary_switches(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_nivcsw : -1;
}
