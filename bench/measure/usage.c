/* Who used the cores between two moments. */
#include "bench/measure/machine.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

static double used_by(int who)
{
    struct rusage usage;
    return getrusage(who, &usage) == 0 ? seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime)
                                       : 0;
}

bench_usage bench_usage_now(void)
{
    bench_usage now = { .at = bench_seconds(),
                        .busy = -1,
                        .stolen = -1,
                        .ours = used_by(RUSAGE_SELF) + used_by(RUSAGE_CHILDREN),
                        .load = bench_load(),
                        .involuntary = bench_involuntary_switches() };
    /* cpu  user nice system idle iowait irq softirq steal ...: ticks of all cores */
    double user, nice, system, irq, softirq, steal, hertz = (double)sysconf(_SC_CLK_TCK);
    FILE *file = fopen("/proc/stat", "r");
    if (file && fscanf(file, "cpu %lf %lf %lf %*f %*f %lf %lf %lf", &user, &nice, &system, &irq,
                       &softirq, &steal) == 6) {
        now.busy = (user + nice + system + irq + softirq) / hertz;
        now.stolen = steal / hertz;
    }
    if (file)
        fclose(file);
    return now;
}

/* Ticks and the process's own clock are not read at the same moment, so a part may come out a
 * little below 0 or above everything. */
static double percent(double part, double whole)
{
    double result = whole > 0 ? 100 * part / whole : 0;
    return result < 0 ? 0 : result > 100 ? 100 : result;
}

bench_disturbance bench_usage_between(const bench_usage *before, const bench_usage *after)
{
    bench_disturbance found = { .seconds = after->at - before->at,
                                .load_before = before->load,
                                .load_after = after->load,
                                .steal_percent = -1,
                                .other_percent = -1,
                                .involuntary_switches = -1 };
    double whole = found.seconds * (double)sysconf(_SC_NPROCESSORS_ONLN);
    if (before->busy >= 0 && after->busy >= 0) {
        double ours = after->ours - before->ours;
        found.other_percent = percent(after->busy - before->busy - ours, whole);
        found.steal_percent = percent(after->stolen - before->stolen, whole);
    }
    if (before->involuntary >= 0 && after->involuntary >= 0)
        found.involuntary_switches = after->involuntary - before->involuntary;
    return found;
}
