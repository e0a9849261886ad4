#include "models/stream.h"

#include <math.h>

void tern_time_code(double r, int64_t size, float *code)
{
    const double lowest = 0.25, highest = 16, two_pi = 6.28318530717958647692;
    int64_t pairs = size / 2;
    for (int64_t j = 0; j < pairs; j++) {
        double step = pairs > 1 ? (double)j / (double)(pairs - 1) : 0;
        double angle = two_pi * lowest * pow(highest / lowest, step) * r;
        code[2 * j] = (float)sin(angle);
        code[2 * j + 1] = (float)cos(angle);
    }
}
