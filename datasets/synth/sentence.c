/* See sentence.h. */
#include "datasets/synth/sentence.h"

#include <string.h>

enum { LONGEST_WORD = 12 };

/* Eight words with a space or the final NUL behind each fit. */
_Static_assert(TERN_SYNTH_SLOTS * (LONGEST_WORD + 1) <= TERN_SYNTH_SENTENCE_BYTES, "sentence");

static const char things_of_mood[TERN_SYNTH_EMOTIONS][TERN_SYNTH_SYNONYMS][LONGEST_WORD + 1] = {
    { "insult", "betrayal", "fight" },   { "filth", "slime", "stench" },
    { "shadow", "scream", "danger" },    { "party", "sunshine", "laughter" },
    { "table", "number", "paper" },      { "funeral", "tears", "goodbye" },
};
static const char qualifiers[TERN_SYNTH_QUALIFIERS][LONGEST_WORD + 1] = {
    "so", "very", "really", "quite", "always", "truly",
};

/* Half of the time the favourite, else any. */
static int draw_word(tern_rng *rng, int favourite, uint32_t count)
{
    return tern_rng_uniform(rng) < 0.5 ? favourite : (int)tern_rng_below(rng, count);
}

void tern_synth_write_sentence(const tern_synth_actor *actor, int text, uint8_t things,
                               tern_rng *rng, char sentence[TERN_SYNTH_SENTENCE_BYTES])
{
    sentence[0] = 0;
    for (int slot = 0; slot < TERN_SYNTH_SLOTS; slot++) {
        int thing = draw_word(rng, actor->favourite_thing[text], TERN_SYNTH_SYNONYMS);
        int qualifier = draw_word(rng, actor->favourite_qualifier, TERN_SYNTH_QUALIFIERS);
        if (slot > 0)
            strcat(sentence, " ");
        strcat(sentence, things >> slot & 1 ? things_of_mood[text][thing] : qualifiers[qualifier]);
    }
}
