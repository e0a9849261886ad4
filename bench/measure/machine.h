/* What a report says about the machine it was made on, and about what else ran there. */
#ifndef TERN_BENCH_MEASURE_MACHINE_H
#define TERN_BENCH_MEASURE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

/* Seconds of a clock that only goes forward. */
double bench_seconds(void);

/* "AMD EPYC, family 26 model 2", and cores that this process may use. */
void bench_cpu_name(char *name, size_t size);
int bench_cores(void);

/* Processes that wanted to run in the last minute, on average; -1 if unknown. */
double bench_load(void);

/* Times that this process was put off a core against its will so far. */
long bench_involuntary_switches(void);

/* ---------------------------------------------------- what does not change -- */

/* Texts are empty where the system does not say.  In a virtual machine the CPU's name is what
 * the host wants it to be, and the governor is the host's alone. */
typedef struct bench_host {
    char cpu[192];
    char kernel[160];     /* "Linux 6.18.5"                                              */
    char governor[64];    /* of frequency; of several kinds "performance/powersave"      */
    char huge_pages[16];  /* transparent ones: "always", "madvise" or "never"            */
    int cores;            /* that this process may use                                   */
    int cores_online;     /* of the machine                                              */
    long page_bytes;
    bool virtual_machine; /* the CPU says that a hypervisor runs beneath this system     */
} bench_host;

bench_host bench_host_read(void);

/* ------------------------------------------------ what happened meanwhile -- */

/* Counts since the system or the process began, at one moment. */
typedef struct bench_usage {
    double at;             /* bench_seconds()                                          */
    double busy, stolen;   /* seconds of all cores together; -1 if not said            */
    double ours;           /* of them by this process and its ended children           */
    double load;           /* bench_load()                                             */
    long involuntary;      /* bench_involuntary_switches()                             */
} bench_usage;

/* Between two moments.  Parts are of the time of all cores that are online, in percent; -1
 * where unknown. */
typedef struct bench_disturbance {
    double seconds;
    double load_before, load_after;
    double steal_percent; /* taken by the host: a core wanted to run and was not let      */
    double other_percent; /* used by other processes, and by the kernel for nobody        */
    long involuntary_switches;
} bench_disturbance;

/* From /proc/stat, whose unit is a tick of 10 ms on each core: less than a second apart, the
 * parts are coarse.  What could fool it: a container may be shown its host's cores; a guest
 * whose host does not report stolen time sees 0; children that still run count as others. */
bench_usage bench_usage_now(void);
bench_disturbance bench_usage_between(const bench_usage *before, const bench_usage *after);

#endif
