/* The stopping rule; see stopping.h. */
#include "bench/measure/stopping.h"

#include "bench/measure/statistics.h"

bench_stop_rule bench_stop_rule_default(void)
{
    return (bench_stop_rule){ .warm_up_calls = 3, .warm_up_seconds = 0.05, .least = 20,
                              .most = 1000, .goal = 0.01, .seconds = 3 };
}

const char *bench_stop_name(bench_stop stop)
{
    static const char *const names[] = { [BENCH_GO_ON] = "going on", [BENCH_STOP_MET] = "met",
                                         [BENCH_STOP_ROUNDS] = "rounds", [BENCH_STOP_TIME] = "time",
                                         [BENCH_STOP_INTERRUPTED] = "interrupted" };
    return names[stop];
}

bool bench_is_warm(const bench_stop_rule *rule, int calls, double seconds)
{
    return calls >= rule->warm_up_calls && seconds >= rule->warm_up_seconds;
}

/* Is this one of the counts at which the error is looked at? */
static bool is_look(int least, int count)
{
    int look = least > 1 ? least : 1;
    while (look < count)
        look += look / 6 + 1;
    return look == count;
}

bench_stop bench_should_stop(const bench_stop_rule *rule, const double *samples, int count,
                             double seconds, double *scratch)
{
    if (count < rule->least)
        return BENCH_GO_ON;
    bool over = rule->seconds > 0 && seconds >= rule->seconds;
    if (over || count >= rule->most || is_look(rule->least, count))
        if (bench_summarise(samples, count, scratch).relative_error < rule->goal)
            return BENCH_STOP_MET;
    if (count >= rule->most)
        return BENCH_STOP_ROUNDS;
    return over ? BENCH_STOP_TIME : BENCH_GO_ON;
}
