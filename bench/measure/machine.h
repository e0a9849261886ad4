/* What a report says about the machine it was made on. */
#ifndef TERN_BENCH_MEASURE_MACHINE_H
#define TERN_BENCH_MEASURE_MACHINE_H

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

#endif
