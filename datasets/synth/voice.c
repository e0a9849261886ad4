/* See voice.h. */
#include "datasets/synth/voice.h"

#include <math.h>

static const double TURN = 6.283185307179586476925;

/* How a voice code sounds. */
typedef struct manner {
    double duration;     /* of a syllable, in slots                             */
    double semitones;    /* against the actor's own pitch                       */
    double glide;        /* semitones from the start of a syllable to its end   */
    double cutoff_hz;    /* of the low-pass: dark or bright                     */
    double breath;       /* noise against pulses, 0 .. 1                        */
    double tremble;      /* semitones up and down, nine times a second          */
    double beat, beat_hz; /* depth, 0 .. 1, and rate of changes of the loudness */
} manner;

/* In the order of tern_synth_emotions. */
static const manner manners[TERN_SYNTH_EMOTIONS] = {
    { .duration = 0.62, .semitones = 1, .glide = -7, .cutoff_hz = 4000, .breath = 0.05,
      .beat = 0.8, .beat_hz = 70 },
    { .duration = 0.80, .semitones = -3, .glide = -2, .cutoff_hz = 900, .breath = 0.02,
      .beat = 0.9, .beat_hz = 24 },
    { .duration = 0.50, .semitones = 4, .glide = 1, .cutoff_hz = 2200, .breath = 0.55,
      .tremble = 1.5 },
    { .duration = 0.58, .semitones = 2, .glide = 9, .cutoff_hz = 4000, .breath = 0.03 },
    { .duration = 0.70, .semitones = 0, .glide = 0, .cutoff_hz = 1500, .breath = 0.05 },
    { .duration = 0.82, .semitones = -2, .glide = -5, .cutoff_hz = 600, .breath = 0.3 },
};

static const int NEUTRAL = 4;
static const double UNSTRESSED_STRENGTH = 0.2; /* of the manner between stresses */
static const double STRESS_SEMITONES = 7, STRESS_LOUDNESS = 2.5, TREMBLE_HZ = 9;

/* Centres of the first three formants of a, e, i, o, u, in Hz, for a throat of
 * middle length (Peterson and Barney 1952, rounded), and their bandwidths. */
enum { VOWELS = 5, FORMANTS = 3 };
static const double formant_hz[VOWELS][FORMANTS] = {
    { 780, 1250, 2600 }, { 560, 1900, 2600 }, { 300, 2400, 3100 },
    { 570, 880, 2500 },  { 330, 940, 2350 },
};
static const double bandwidth_hz[FORMANTS] = { 90, 120, 180 };

static double mix(double from, double to, double part)
{
    return from + (to - from) * part;
}

/* The manner of an unstressed syllable: almost neutral. */
static manner relax(const manner *full)
{
    const manner *rest = &manners[NEUTRAL];
    return (manner){
        .duration = mix(rest->duration, full->duration, UNSTRESSED_STRENGTH),
        .semitones = mix(rest->semitones, full->semitones, UNSTRESSED_STRENGTH),
        .glide = mix(rest->glide, full->glide, UNSTRESSED_STRENGTH),
        .cutoff_hz = mix(rest->cutoff_hz, full->cutoff_hz, UNSTRESSED_STRENGTH),
        .breath = mix(rest->breath, full->breath, UNSTRESSED_STRENGTH),
        .tremble = mix(rest->tremble, full->tremble, UNSTRESSED_STRENGTH),
        .beat = mix(rest->beat, full->beat, UNSTRESSED_STRENGTH),
        .beat_hz = full->beat_hz,
    };
}

/* One syllable to be spoken; times in samples. */
typedef struct syllable {
    int64_t start, length;
    double loudness; /* root mean square of its samples */
    double stress;   /* 0 or 1                          */
    double pitch_hz; /* its middle, without stress      */
    const double *formant;
    double burst;    /* loudness of the consonant before the vowel */
} syllable;

/* A resonance: y[n] = gain x[n] + a y[n-1] + b y[n-2], gain one at its centre or
 * nearly so. */
typedef struct resonance {
    double gain, a, b, last, before_last;
} resonance;

static resonance make_resonance(double centre_hz, double width_hz)
{
    double radius = exp(-TURN / 2 * width_hz / TERN_SYNTH_RATE);
    double angle = TURN * fmin(centre_hz, 0.45 * TERN_SYNTH_RATE) / TERN_SYNTH_RATE;
    return (resonance){ .gain = (1 - radius) * sqrt(1 - 2 * radius * cos(2 * angle) +
                                                    radius * radius),
                        .a = 2 * radius * cos(angle), .b = -radius * radius };
}

static double resonate(resonance *r, double x)
{
    double y = r->gain * x + r->a * r->last + r->b * r->before_last;
    r->before_last = r->last;
    r->last = y;
    return y;
}

static double between(tern_rng *rng, double low, double high)
{
    return low + (high - low) * tern_rng_uniform(rng);
}

/* One draw, -1 .. 1. */
static double draw_noise(tern_rng *rng)
{
    return 2 * (double)tern_uniform(tern_rng_bits(rng)) - 1;
}

/* Pitch at a moment of the syllable; part goes from 0 to 1. */
static double pitch_at(const syllable *s, const manner *m, double part, double seconds)
{
    double semitones = m->glide * (part - 0.5) + m->tremble * sin(TURN * TREMBLE_HZ * seconds) +
                       s->stress * STRESS_SEMITONES * sin(TURN / 2 * part);
    return s->pitch_hz * exp2(semitones / 12);
}

/* Loudness at a moment of the syllable: a fast rise, a slower fall, and beats. */
static double envelope_at(const manner *m, double part, double seconds)
{
    double rise = fmin(part / 0.12, 1), fall = fmin((1 - part) / 0.3, 1);
    double beat = 1 - m->beat * (0.5 + 0.5 * sin(TURN * m->beat_hz * seconds));
    return rise * fall * beat;
}

/* The vowel, unscaled.  Returns its energy. */
static double speak_vowel(const syllable *s, const manner *m, double breath, tern_rng *rng,
                          float *samples)
{
    resonance formants[FORMANTS];
    for (int i = 0; i < FORMANTS; i++)
        formants[i] = make_resonance(s->formant[i], bandwidth_hz[i]);
    double smoothing = 1 - exp(-TURN * m->cutoff_hz / TERN_SYNTH_RATE);
    double phase = 0, smooth = 0, smoother = 0, energy = 0, carried = 0;

    for (int64_t i = 0; i < s->length; i++) {
        double part = (double)i / (double)s->length, seconds = (double)i / TERN_SYNTH_RATE;
        double step = pitch_at(s, m, part, seconds) / TERN_SYNTH_RATE;
        double source = carried + breath * 0.25 * draw_noise(rng);
        carried = 0;
        phase += step;
        if (phase >= 1) {
            /* A pulse between two samples is shared among them. */
            phase -= 1;
            double late = phase / step;
            source += (1 - breath) * late;
            carried = (1 - breath) * (1 - late);
        }
        smooth += smoothing * (source - smooth);
        smoother += smoothing * (smooth - smoother);
        double sound = 0;
        for (int f = 0; f < FORMANTS; f++)
            sound += resonate(&formants[f], smoother) * (f == 1 ? -1 : 1);
        sound *= envelope_at(m, part, seconds);
        samples[i] = (float)sound;
        energy += sound * sound;
    }
    return energy;
}

/* A short hiss at the start: every other syllable begins with one. */
static void add_burst(const syllable *s, tern_rng *rng, float *samples)
{
    int64_t length = TERN_SYNTH_RATE * 25 / 1000;
    double before = 0;
    for (int64_t i = 0; i < length && i < s->length; i++) {
        double noise = draw_noise(rng);
        double fade = 1 - (double)i / (double)length;
        samples[i] += (float)(s->burst * fade * (noise - before));
        before = noise;
    }
}

static void speak_syllable(const syllable *s, const manner *m, double breath, tern_rng *rng,
                           float *samples)
{
    double energy = speak_vowel(s, m, breath, rng, samples);
    double scale = energy > 0 ? s->loudness / sqrt(energy / (double)s->length) : 0;
    for (int64_t i = 0; i < s->length; i++)
        samples[i] = (float)(samples[i] * scale);
    add_burst(s, rng, samples);
}

void tern_synth_speak(const tern_synth_actor *actor, int voice, uint8_t stressed, tern_rng *rng,
                      tern_audio *sound)
{
    const manner relaxed = relax(&manners[voice]);
    int64_t slot_length = sound->count / TERN_SYNTH_SLOTS;
    double volume = 0.028 * pow(10, between(rng, -4, 4) / 20);
    double tempo = between(rng, 0.95, 1.05), semitones = between(rng, -1, 1);
    double background = volume * pow(10, between(rng, -40, -28) / 20);

    for (int64_t i = 0; i < sound->count; i++)
        sound->samples[i] = 0;
    for (int slot = 0; slot < TERN_SYNTH_SLOTS; slot++) {
        const double *vowel = formant_hz[tern_rng_below(rng, VOWELS)];
        double formants[FORMANTS];
        for (int i = 0; i < FORMANTS; i++)
            formants[i] = vowel[i] * actor->formant_scale;
        double stress = stressed >> slot & 1;
        const manner *m = stress > 0 ? &manners[voice] : &relaxed;
        /* At most 0.08 + 0.82 * 1.05 * 1.05 slots: a syllable ends in its own slot. */
        double late = between(rng, 0.02, 0.08);
        double duration = m->duration * tempo * between(rng, 0.95, 1.05);
        syllable s = {
            .start = slot * slot_length + (int64_t)(late * (double)slot_length),
            .length = (int64_t)(duration * (double)slot_length),
            .loudness = volume * (stress > 0 ? STRESS_LOUDNESS : 1) *
                        pow(10, between(rng, -1, 1) / 20),
            .stress = stress,
            .pitch_hz = actor->pitch_hz * exp2((m->semitones + semitones + between(rng, -1, 1)) / 12),
            .formant = formants,
            .burst = tern_rng_below(rng, 2) ? volume * between(rng, 0.3, 0.8) : 0,
        };
        speak_syllable(&s, m, fmin(m->breath + actor->breath, 1), rng, sound->samples + s.start);
    }
    for (int64_t i = 0; i < sound->count; i++)
        sound->samples[i] += (float)(background * 1.7 * draw_noise(rng)); /* 1.7: deviation 1 */
}
