#include "train/schedule.h"

#include <math.h>

double tern_warmup_cosine(double peak, int64_t step, int64_t warmup, int64_t total)
{
    if (step <= warmup)
        return peak * (double)step / (double)warmup;
    double done = (double)(step - warmup) / (double)(total > warmup ? total - warmup : 1);
    return peak * 0.5 * (1 + cos(3.14159265358979323846 * (done < 1 ? done : 1)));
}
