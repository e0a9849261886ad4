/* Sentences: eight words, one for each slot. */
#ifndef TERN_DATASETS_SYNTH_SENTENCE_H
#define TERN_DATASETS_SYNTH_SENTENCE_H

#include "datasets/synth/actors.h"

enum { TERN_SYNTH_SENTENCE_BYTES = 128 };

/* The things are of the mood `text`, the qualifiers of none; an actor has a
 * favourite among the synonyms. */
void tern_synth_write_sentence(const tern_synth_actor *actor, int text, uint8_t things,
                               tern_rng *rng, char sentence[TERN_SYNTH_SENTENCE_BYTES]);

#endif
