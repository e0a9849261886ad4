#include "models/stream.h"

#include <math.h>

/* From step to step an angle grows by a fixed amount, so sine and cosine are turned by it
 * instead of being computed anew.  In double precision that is exact to more digits than
 * the code, a float, has. */
static void write_pair(double turn, int64_t steps, int64_t size, float *codes)
{
    double sine = sin(turn / 2), cosine = cos(turn / 2);
    const double turn_sine = sin(turn), turn_cosine = cos(turn);
    for (int64_t t = 0; t < steps; t++) {
        codes[t * size] = (float)sine;
        codes[t * size + 1] = (float)cosine;
        double next = sine * turn_cosine + cosine * turn_sine;
        cosine = cosine * turn_cosine - sine * turn_sine;
        sine = next;
    }
}

void tern_time_codes(int64_t count, int64_t steps, int64_t size, float *codes)
{
    const double lowest = 0.25, highest = 16, two_pi = 6.28318530717958647692;
    int64_t pairs = size / 2;
    for (int64_t j = 0; j < pairs; j++) {
        double place = pairs > 1 ? (double)j / (double)(pairs - 1) : 0;
        double frequency = lowest * pow(highest / lowest, place);
        write_pair(two_pi * frequency / (double)count, count < steps ? count : steps, size,
                   codes + 2 * j);
    }
}
