/* See augment.h.
 *
 * Every change draws its numbers whether it is switched on or not, and always in
 * the same order: switching one on leaves the others as they were. */
#include "datasets/augment.h"

#include <math.h>
#include <string.h>

static const double PI = 3.14159265358979323846;

tern_augment tern_augment_standard(void)
{
    return (tern_augment){
        .flip = 0.5, .shift = 0.1, .rotate = 10, .zoom = 0.1,
        .brightness = 0.1, .contrast = 0.2, .erase = 0.25,
        .gain_db = 6, .speed = 0.1, .noise = 0.5, .noise_snr_low_db = 10, .noise_snr_high_db = 30,
        .time_shift = 0.25, .crop = true,
        .word_drop = 0.1,
    };
}

static double uniform_between(tern_rng *rng, double low, double high)
{
    return low + (high - low) * tern_rng_uniform(rng);
}

/* ---------------------------------------------------------------- faces -- */

/* What is done to all frames of one clip. */
typedef struct face_change {
    bool moves;          /* source = affine(output) is not the identity     */
    double affine[2][3]; /* source x, y from output x, y, 1                 */
    float gain, offset;  /* of values in -1 .. 1                            */
    int erase_top, erase_bottom, erase_left, erase_right; /* empty: no erase */
} face_change;

/* Mean of all frames, in -1 .. 1. */
static double mean_value(const uint8_t *frames, int64_t count)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += frames[i];
    return (double)sum / (double)count / 127.5 - 1;
}

/* Output pixel (x, y) shows the source at
 *   centre + rotation(-angle) ((x, y) - centre - shift) / zoom
 * mirrored if flipped. */
static void draw_affine(const tern_augment *augment, tern_rng *rng, int height, int width,
                        face_change *change)
{
    double flip = tern_rng_uniform(rng) < augment->flip ? -1 : 1;
    double shift_x = uniform_between(rng, -augment->shift, augment->shift) * width;
    double shift_y = uniform_between(rng, -augment->shift, augment->shift) * height;
    double angle = uniform_between(rng, -augment->rotate, augment->rotate) * PI / 180;
    double zoom = uniform_between(rng, 1 - augment->zoom, 1 + augment->zoom);
    double cosine = cos(angle) / zoom, sine = sin(angle) / zoom;
    double centre_x = (width - 1) / 2.0, centre_y = (height - 1) / 2.0;
    double from_x = centre_x + shift_x, from_y = centre_y + shift_y;

    change->moves = flip < 0 || shift_x != 0 || shift_y != 0 || angle != 0 || zoom != 1;
    change->affine[0][0] = flip * cosine;
    change->affine[0][1] = flip * sine;
    change->affine[0][2] = centre_x - flip * (cosine * from_x + sine * from_y);
    change->affine[1][0] = -sine;
    change->affine[1][1] = cosine;
    change->affine[1][2] = centre_y + sine * from_x - cosine * from_y;
}

/* A rectangle of 2 to 20 % of the image, up to three times as high as wide or as
 * wide as high. */
static void draw_erase(const tern_augment *augment, tern_rng *rng, int height, int width,
                       face_change *change)
{
    bool erases = tern_rng_uniform(rng) < augment->erase;
    double area = uniform_between(rng, 0.02, 0.2);
    double aspect = exp(uniform_between(rng, -log(3), log(3)));
    double high = fmin(sqrt(area * aspect), 1) * height;
    double wide = fmin(sqrt(area / aspect), 1) * width;
    double top = uniform_between(rng, 0, height - high);
    double left = uniform_between(rng, 0, width - wide);
    if (!erases)
        return;
    change->erase_top = (int)top;
    change->erase_bottom = (int)(top + high);
    change->erase_left = (int)left;
    change->erase_right = (int)(left + wide);
}

/* The value at (x, y) between pixels; outside, the edge goes on. */
static float sample_bilinear(const uint8_t *frame, int height, int width, int channels, int channel,
                             float x, float y)
{
    x = x < 0 ? 0 : x > (float)(width - 1) ? (float)(width - 1) : x;
    y = y < 0 ? 0 : y > (float)(height - 1) ? (float)(height - 1) : y;
    int left = (int)x, top = (int)y;
    int right = left + (left < width - 1), bottom = top + (top < height - 1);
    float along = x - (float)left, down = y - (float)top;
    const uint8_t *upper = frame + (size_t)top * (size_t)width * (size_t)channels + channel;
    const uint8_t *lower = frame + (size_t)bottom * (size_t)width * (size_t)channels + channel;
    float a = upper[left * channels], b = upper[right * channels];
    float c = lower[left * channels], d = lower[right * channels];
    float above = a + (b - a) * along, below = c + (d - c) * along;
    return above + (below - above) * down;
}

static void change_frame(const face_change *change, const uint8_t *frame, int height, int width,
                         int channels, float *values)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            float from_x = (float)(change->affine[0][0] * x + change->affine[0][1] * y +
                                   change->affine[0][2]);
            float from_y = (float)(change->affine[1][0] * x + change->affine[1][1] * y +
                                   change->affine[1][2]);
            bool erased = y >= change->erase_top && y < change->erase_bottom &&
                          x >= change->erase_left && x < change->erase_right;
            for (int c = 0; c < channels; c++) {
                int64_t at = ((int64_t)y * width + x) * channels + c;
                float value = change->moves ? sample_bilinear(frame, height, width, channels, c,
                                                              from_x, from_y)
                                            : (float)frame[at];
                value = (value / 127.5f - 1) * change->gain + change->offset;
                values[at] = erased ? 0 : value < -1 ? -1 : value > 1 ? 1 : value;
            }
        }
}

void tern_augment_face(const tern_augment *augment, tern_rng rng, const uint8_t *frames,
                       int frame_count, int height, int width, int channels, float *values)
{
    int64_t frame_values = (int64_t)height * width * channels;
    int64_t count = frame_values * frame_count;
    if (!augment) {
        for (int64_t i = 0; i < count; i++)
            values[i] = ((float)frames[i] / 255 - 0.5f) / 0.5f;
        return;
    }
    face_change change = { 0 };
    draw_affine(augment, &rng, height, width, &change);
    double brighter = 2 * uniform_between(&rng, -augment->brightness, augment->brightness);
    double gain = uniform_between(&rng, 1 - augment->contrast, 1 + augment->contrast);
    double mean = mean_value(frames, count);
    change.gain = (float)gain;
    change.offset = (float)(mean - mean * gain + brighter);
    draw_erase(augment, &rng, height, width, &change);
    for (int f = 0; f < frame_count; f++)
        change_frame(&change, frames + f * frame_values, height, width, channels,
                     values + f * frame_values);
}

/* ---------------------------------------------------------------- sound -- */

/* White noise, uniform in +-amplitude: four values from each Philox block, since
 * a clip takes many thousands. */
static void add_noise(const tern_rng *rng, float amplitude, float *samples, int64_t count)
{
    uint64_t first = (rng->next + 3) / 4;
    uint32_t word[4];
    for (int64_t i = 0; i < count; i++) {
        if (i % 4 == 0) {
            uint64_t block = first + (uint64_t)i / 4;
            uint32_t counter[4] = { (uint32_t)block, (uint32_t)(block >> 32), rng->position,
                                    rng->step };
            tern_philox(rng->seed, counter, word);
        }
        samples[i] += amplitude * (2 * tern_uniform(word[i % 4]) - 1);
    }
}

static double root_mean_square(const float *samples, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += (double)samples[i] * samples[i];
    return count > 0 ? sqrt(sum / (double)count) : 0;
}

static float sample_or_edge(const float *samples, int64_t count, int64_t i)
{
    return samples[i < 0 ? 0 : i < count ? i : count - 1];
}

/* Between the samples: the cubic through two neighbours with the slopes of theirs
 * (Catmull-Rom). */
static float sample_between(const float *samples, int64_t count, double at)
{
    int64_t i = (int64_t)floor(at);
    float t = (float)(at - (double)i);
    float before = sample_or_edge(samples, count, i - 1), from = sample_or_edge(samples, count, i);
    float to = sample_or_edge(samples, count, i + 1), after = sample_or_edge(samples, count, i + 2);
    float slope = (to - before) / 2, next_slope = (after - from) / 2, rise = to - from;
    float cubic = slope + next_slope - 2 * rise, square = 3 * rise - 2 * slope - next_slope;
    return from + t * (slope + t * (square + t * cubic));
}

int32_t tern_augment_audio(const tern_augment *augment, tern_rng rng, const float *samples,
                           int64_t count, int rate, float *window, int64_t length)
{
    static const tern_augment none;
    const tern_augment *a = augment ? augment : &none;
    double where = tern_rng_uniform(&rng);
    double decibels = uniform_between(&rng, -a->gain_db, a->gain_db);
    bool noisy = tern_rng_uniform(&rng) < a->noise;
    double ratio_db = uniform_between(&rng, a->noise_snr_low_db, a->noise_snr_high_db);
    double speed = uniform_between(&rng, 1 - a->speed, 1 + a->speed);
    int64_t heard = (int64_t)ceil((double)count / speed);
    int64_t kept = heard < length ? heard : length;

    /* A longer sound: from where in it; a shorter one: silence before it. */
    int64_t skipped = (heard - kept) / 2, silence = 0;
    if (a->crop && heard > length)
        skipped = (int64_t)(where * (double)(heard - kept + 1));
    if (heard < length)
        silence = (int64_t)(where * fmin(a->time_shift * rate + 1, (double)(length - kept + 1)));

    memset(window, 0, (size_t)length * sizeof *window);
    float gain = augment ? (float)pow(10, decibels / 20) : 1;
    for (int64_t i = 0; i < kept; i++)
        window[silence + i] =
            gain * sample_between(samples, count, (double)(skipped + i) * speed);
    if (noisy) {
        double loudness = root_mean_square(window + silence, kept) * pow(10, -ratio_db / 20);
        /* A uniform variable in +-1 has root mean square 1/sqrt(3). */
        add_noise(&rng, (float)(loudness * sqrt(3)), window, silence + kept);
    }
    return (int32_t)(silence + kept);
}

/* ----------------------------------------------------------------- text -- */

enum { FIRST_WORD = 1, UNKNOWN_WORD = 1 }; /* [CLS] stands at 0; text.h's ids */

void tern_augment_text(const tern_augment *augment, tern_rng rng, int32_t *ids,
                       const uint8_t *mask, int length)
{
    if (!augment)
        return;
    for (int i = FIRST_WORD; i < length && mask[i]; i++)
        if (tern_rng_uniform(&rng) < augment->word_drop)
            ids[i] = UNKNOWN_WORD;
}
