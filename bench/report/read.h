/* A report of `tern bench --out`, read back: what `tern bench compare` and the plots work on.
 *
 * Every value that they use is checked when the file is read, and an error names the file
 * and the place in it:
 *
 *   b.json: rows[3].samples[7]: a time from 1e-12 to 1e+09 seconds wanted, not -1
 *
 * Statistics are made anew from the samples, which are what was measured; a file in which
 * its own median is another is refused.
 */
#ifndef TERN_BENCH_REPORT_READ_H
#define TERN_BENCH_REPORT_READ_H

#include "bench/measure/core_to_core.h"
#include "bench/measure/statistics.h"
#include "core/error.h"

#include <stddef.h>

/* Texts that a report may lack are "" and numbers 0. */
typedef struct bench_recorded_host {
    const char *cpu, *kernel, *governor, *compiler, *simd, *openblas_core;
    int cores;
    double load_before, steal_percent, other_percent;
    bench_core_to_core core_to_core;
} bench_recorded_host;

typedef struct bench_recorded_ceiling {
    const char *kind;  /* "fma", "read", "copy"                            */
    const char *simd;  /* of fma                                           */
    const char *level; /* of read and copy: "L1", "L2", "L3", "memory"     */
    int threads;
    double bytes;      /* of read and copy: working set of a thread        */
    double per_second; /* FLOPs or bytes                                   */
    double worst;      /* of fma, the least of the run; 0: not told        */
} bench_recorded_ceiling;

typedef struct bench_recorded_row {
    const char *op, *inputs, *options, *pass, *provider, *device, *dtype, *simd, *cache;
    const char *gradients;  /* of backward, the inputs that want one; "": all       */
    const char *tags;       /* as JSON with sorted names, "{}" without any          */
    int threads;
    double flops, bytes;    /* by the contract                                      */
    double executed;        /* FLOPs of the implementation; if not told, flops      */
    double *samples;        /* [time.count] seconds, in the order measured          */
    bench_summary time;     /* count 0: skipped                                     */
    const char *verdict;    /* "ok" or why the row is not to be trusted             */
    const char *command;    /* that repeats it                                      */
    double of_fma, of_bandwidth; /* parts of the ceilings                           */
    const char *level;      /* that of_bandwidth is of                              */
    double count;           /* of a model's step, how often; else 1                 */
    const char *ratio_to;   /* the fastest other provider; "": there was none       */
    double ratio, ratio_low, ratio_high; /* its time over this one's; high 0: no end */
} bench_recorded_row;

typedef struct bench_recorded {
    const char *file, *date, *version, *git, *command;
    bench_recorded_host host;
    bench_recorded_ceiling *ceilings;
    bench_recorded_row *rows;
    int ceiling_count, row_count;
    struct bench_recorded_memory *memory; /* the JSON, to which all texts belong */
} bench_recorded;

/* NULL and TERN_ERR_IO, TERN_ERR_FORMAT or TERN_ERR_MEMORY. */
bench_recorded *bench_recorded_read(const char *path, tern_error *error);
/* The same of a text in memory; `name` stands for the file. */
bench_recorded *bench_recorded_parse(const char *name, const char *text, size_t size,
                                     tern_error *error);
void bench_recorded_free(bench_recorded *report);

/* Was it measured, with values that are right and a time that can be? */
bool bench_row_counts(const bench_recorded_row *row);

/* "matmul a=[512,512] b=[512,512] fwd hand f32 avx512 2 threads hot": all that tells a row
 * from others; device only if it is not cpu, tags only if there are any.  Returns name. */
enum { BENCH_ROW_NAME_BYTES = 512 };
char *bench_row_name(const bench_recorded_row *row, char name[BENCH_ROW_NAME_BYTES]);

#endif
