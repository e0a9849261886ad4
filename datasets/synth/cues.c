/* See cues.h. */
#include "datasets/synth/cues.h"

const char *const tern_synth_emotions[TERN_SYNTH_EMOTIONS] = { "anger", "disgust", "fear",
                                                               "happy", "neutral", "sad" };

/* Rows are labels, columns codes, both in the order above.  Every modality takes
 * an emotion for its neighbour in a third of the clips, and the neighbours are
 * chosen so that a stress on things or on qualifiers tells all of them apart.
 * Face: anger-disgust, fear-sad, happy-neutral. */
const double tern_synth_face_given[TERN_SYNTH_EMOTIONS][TERN_SYNTH_EMOTIONS] = {
    { 0.580, 0.320, 0.025, 0.025, 0.025, 0.025 },
    { 0.320, 0.580, 0.025, 0.025, 0.025, 0.025 },
    { 0.025, 0.025, 0.580, 0.025, 0.025, 0.320 },
    { 0.025, 0.025, 0.025, 0.580, 0.320, 0.025 },
    { 0.025, 0.025, 0.025, 0.320, 0.580, 0.025 },
    { 0.025, 0.025, 0.320, 0.025, 0.025, 0.580 },
};

/* Voice: anger-disgust, fear-happy (both excited), neutral-sad (both calm). */
const double tern_synth_voice_given[TERN_SYNTH_EMOTIONS][TERN_SYNTH_EMOTIONS] = {
    { 0.54, 0.34, 0.03, 0.03, 0.03, 0.03 },
    { 0.34, 0.54, 0.03, 0.03, 0.03, 0.03 },
    { 0.03, 0.03, 0.54, 0.34, 0.03, 0.03 },
    { 0.03, 0.03, 0.34, 0.54, 0.03, 0.03 },
    { 0.03, 0.03, 0.03, 0.03, 0.54, 0.34 },
    { 0.03, 0.03, 0.03, 0.03, 0.34, 0.54 },
};

/* Text: as the face. */
const double tern_synth_text_given[TERN_SYNTH_EMOTIONS][TERN_SYNTH_EMOTIONS] = {
    { 0.560, 0.340, 0.025, 0.025, 0.025, 0.025 },
    { 0.340, 0.560, 0.025, 0.025, 0.025, 0.025 },
    { 0.025, 0.025, 0.560, 0.025, 0.025, 0.340 },
    { 0.025, 0.025, 0.025, 0.560, 0.340, 0.025 },
    { 0.025, 0.025, 0.025, 0.340, 0.560, 0.025 },
    { 0.025, 0.025, 0.340, 0.025, 0.025, 0.560 },
};

const double tern_synth_qualifier_given[TERN_SYNTH_EMOTIONS] = { 0.97, 0.03, 0.97,
                                                                 0.03, 0.97, 0.03 };

static int draw_code(tern_rng *rng, const double probability[TERN_SYNTH_EMOTIONS])
{
    double left = tern_rng_uniform(rng);
    for (int code = 0; code < TERN_SYNTH_EMOTIONS - 1; code++) {
        left -= probability[code];
        if (left < 0)
            return code;
    }
    return TERN_SYNTH_EMOTIONS - 1;
}

static tern_synth_kind draw_kind(tern_rng *rng, double qualifier)
{
    return tern_rng_uniform(rng) < qualifier ? TERN_SYNTH_QUALIFIER : TERN_SYNTH_THING;
}

tern_synth_cues tern_synth_draw_cues(tern_rng *rng)
{
    tern_synth_cues cues;
    cues.label = (int)tern_rng_below(rng, TERN_SYNTH_EMOTIONS);
    cues.face = draw_code(rng, tern_synth_face_given[cues.label]);
    cues.voice = draw_code(rng, tern_synth_voice_given[cues.label]);
    cues.text = draw_code(rng, tern_synth_text_given[cues.label]);
    cues.things = tern_synth_pattern((int)tern_rng_below(rng, TERN_SYNTH_PATTERNS));
    cues.stressed = draw_kind(rng, tern_synth_qualifier_given[cues.label]);
    cues.flashed = draw_kind(rng, tern_synth_qualifier_given[cues.label]);
    return cues;
}

double tern_synth_probability(const tern_synth_cues *cues)
{
    double qualifier = tern_synth_qualifier_given[cues->label];
    return 1.0 / TERN_SYNTH_EMOTIONS / TERN_SYNTH_PATTERNS *
           tern_synth_face_given[cues->label][cues->face] *
           tern_synth_voice_given[cues->label][cues->voice] *
           tern_synth_text_given[cues->label][cues->text] *
           (cues->stressed == TERN_SYNTH_QUALIFIER ? qualifier : 1 - qualifier) *
           (cues->flashed == TERN_SYNTH_QUALIFIER ? qualifier : 1 - qualifier);
}

uint8_t tern_synth_marked_slots(const tern_synth_cues *cues, tern_synth_kind marked)
{
    return marked == TERN_SYNTH_THING ? cues->things : (uint8_t)~cues->things;
}

uint8_t tern_synth_pattern(int number)
{
    for (int pattern = 0; pattern < 1 << TERN_SYNTH_SLOTS; pattern++) {
        int bits = 0;
        for (int slot = 0; slot < TERN_SYNTH_SLOTS; slot++)
            bits += pattern >> slot & 1;
        if (bits == TERN_SYNTH_THINGS && number-- == 0)
            return (uint8_t)pattern;
    }
    return 0;
}
