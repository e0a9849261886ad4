/* The tables of a transform; see fft.h. */
#include "kernels/log_mel/fft.h"

#include <math.h>

#define TWO_PI 6.28318530717958647692

static size_t turn_bytes(int64_t points)
{
    return ((size_t)points * 2 * sizeof(float) + 63) / 64 * 64;
}

size_t tern_fft_bytes(int64_t points)
{
    return turn_bytes(points) + ((size_t)(points / 2) * sizeof(int32_t) + 63) / 64 * 64;
}

/* Each turn is the one before turned by one step.  In double precision the error of many steps is
 * still far below that of a float, and cosines would cost more than the transform of a clip. */
static void make_turns(float *turn, int64_t points)
{
    double step_cosine = cos(TWO_PI / (double)points), step_sine = -sin(TWO_PI / (double)points);
    double cosine = 1, sine = 0;
    for (int64_t t = 0; t < points; t++) {
        double next = cosine * step_cosine - sine * step_sine;
        turn[2 * t] = (float)cosine;
        turn[2 * t + 1] = (float)sine;
        sine = cosine * step_sine + sine * step_cosine;
        cosine = next;
    }
}

/* Fours first, since they cost the least; then what is left. */
static void choose_stages(tern_fft *fft)
{
    static const int radices[] = { 4, 2, 3, 5 };
    int64_t left = fft->points / 2;
    fft->stages = 0;
    for (int i = 0; i < 4; i++)
        for (; left % radices[i] == 0; left /= radices[i])
            fft->radix[fft->stages++] = radices[i];
}

/* k = q1 + r1 (q2 + r2 (q3 + ...)) lies at q1 m1 + q2 m2 + ..., m being what a stage leaves. */
static void find_places(const tern_fft *fft)
{
    int64_t length = fft->points / 2;
    for (int64_t k = 0; k < length; k++) {
        int64_t rest = k, left = length, place = 0;
        for (int s = 0; s < fft->stages; s++) {
            left /= fft->radix[s];
            place += rest % fft->radix[s] * left;
            rest /= fft->radix[s];
        }
        fft->place[k] = (int32_t)place;
    }
}

void tern_fft_plan(tern_fft *fft, int64_t points, void *memory)
{
    *fft = (tern_fft){ .points = points, .turn = memory,
                       .place = (int32_t *)((char *)memory + turn_bytes(points)) };
    make_turns(fft->turn, points);
    choose_stages(fft);
    find_places(fft);
}
