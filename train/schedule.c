#include "train/schedule.h"

#include <math.h>
#include <stddef.h>

static const double PI = 3.14159265358979323846;

static const double ONE_CYCLE_START = 25, ONE_CYCLE_END = 1e4; /* PyTorch's defaults */
static const double PLATEAU_THRESHOLD = 1e-4;

const char *const tern_schedule_names[] = { "cosine", "constant", "step", "one_cycle", "plateau",
                                            NULL };

static double cosine_rate(const tern_schedule *s, int64_t step)
{
    int64_t steps = s->total > s->warmup ? s->total - s->warmup : 1;
    double done = (double)(step - s->warmup) / (double)steps;
    return s->peak * 0.5 * (1 + cos(PI * (done < 1 ? done : 1)));
}

/* Half a cosine between two rates. */
static double between(double from, double to, double done)
{
    return to + (from - to) / 2 * (1 + cos(PI * (done < 1 ? done : 1)));
}

static double one_cycle_rate(const tern_schedule *s, int64_t step)
{
    double start = s->peak / ONE_CYCLE_START;
    if (step <= s->warmup)
        return s->warmup > 1 ? between(start, s->peak, (double)(step - 1) / (double)(s->warmup - 1))
                             : s->peak;
    int64_t steps = s->total > s->warmup ? s->total - s->warmup : 1;
    return between(s->peak, start / ONE_CYCLE_END, (double)(step - s->warmup) / (double)steps);
}

double tern_schedule_rate(const tern_schedule *s, int64_t step)
{
    double rate = s->peak;
    if (s->kind == TERN_SCHEDULE_ONE_CYCLE)
        return one_cycle_rate(s, step);
    if (s->kind == TERN_SCHEDULE_COSINE && step > s->warmup)
        return cosine_rate(s, step);
    if (s->kind == TERN_SCHEDULE_STEP) {
        int64_t falls = (step - 1) / s->every;
        rate *= pow(s->factor, (double)falls);
    }
    return step <= s->warmup ? rate * (double)step / (double)s->warmup : rate;
}

tern_plateau tern_plateau_begin(double factor, int64_t patience)
{
    return (tern_plateau){ .factor = factor, .patience = patience, .best = INFINITY, .scale = 1 };
}

void tern_plateau_see(tern_plateau *plateau, double loss)
{
    if (loss < plateau->best * (1 - PLATEAU_THRESHOLD)) { /* NaN is not */
        plateau->best = loss;
        plateau->worse = 0;
    } else if (++plateau->worse > plateau->patience) {
        plateau->scale *= plateau->factor;
        plateau->worse = 0;
    }
}
