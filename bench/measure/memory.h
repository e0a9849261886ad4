/* What memory a program takes, as the system sees it. */
#ifndef TERN_BENCH_MEASURE_MEMORY_H
#define TERN_BENCH_MEASURE_MEMORY_H

#include <stdint.h>

/* Bytes of this process in memory now (VmRSS), and the most there ever were (VmHWM);
 * -1 if the system does not say. */
int64_t bench_resident_bytes(void);
int64_t bench_peak_resident_bytes(void);
/* What is freed goes back to the system, and the most that there ever were begins anew from now
 * on, if the system can do that. */
void bench_forget_peak(void);

/* Bytes that can be had without swapping, those that hold files' contents included; -1 if the
 * system does not say. */
int64_t bench_available_bytes(void);

/* Bring the program's own code into memory, so that what is executed for the first time
 * later does not count as memory of what is measured. */
void bench_load_code(void);

#endif
