/* The probabilistic model behind the synthetic clips.
 *
 * A clip has eight SLOTS in time: slot i is word i of the sentence, syllable i of
 * the voice and frame i of the face.  Its hidden cues are drawn like this:
 *
 *   label     y          uniform over six emotions
 *   face      c_f | y    expression, six codes      read from flashed frames
 *   voice     c_v | y    manner of speaking, six    read from stressed syllables
 *   text      c_t | y    mood of the things named   read from any thing
 *   kinds     uniform over the 70 ways to make four of the eight words things and
 *             four qualifiers ("very", "quite")
 *   stressed  k_s | y    the voice stresses the four words of this kind
 *   flashed   k_b | y    the brows flash at the four words of this kind
 *
 * Each code alone is ambiguous.  The kind that is stressed (or flashed) cannot be
 * seen in one stream at all: the four stressed slots are uniform over the 70
 * patterns whatever y is, and so are the flashed ones and the kinds of the words,
 * and so are stresses and flashes together (they agree or are opposite with a
 * probability that does not depend on y).  Only holding the words against the
 * stresses or flashes AT THE SAME TIME tells it.  No single modality and no late
 * fusion of them can use it; tests/test_synth.c checks that by enumeration.
 *
 * The media are drawn from the cues and an actor, never from the label, so the
 * posterior given the cues is the best that any model of the media can know.
 */
#ifndef TERN_DATASETS_SYNTH_CUES_H
#define TERN_DATASETS_SYNTH_CUES_H

#include "core/rng.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    TERN_SYNTH_EMOTIONS = 6, /* and codes: each code is an emotion it looks like */
    TERN_SYNTH_SLOTS = 8,
    TERN_SYNTH_THINGS = 4,   /* words of each kind */
    TERN_SYNTH_PATTERNS = 70 /* 8 choose 4         */
};

typedef enum tern_synth_kind { TERN_SYNTH_THING = 0, TERN_SYNTH_QUALIFIER } tern_synth_kind;

typedef struct tern_synth_cues {
    int label;
    int face, voice, text;             /* codes                                   */
    uint8_t things;                    /* bit i: word i is a thing; four bits set */
    tern_synth_kind stressed, flashed;
} tern_synth_cues;

extern const char *const tern_synth_emotions[TERN_SYNTH_EMOTIONS];

/* The tables: p(code | label), and p(the stressed or flashed kind is QUALIFIER | label). */
extern const double tern_synth_face_given[TERN_SYNTH_EMOTIONS][TERN_SYNTH_EMOTIONS];
extern const double tern_synth_voice_given[TERN_SYNTH_EMOTIONS][TERN_SYNTH_EMOTIONS];
extern const double tern_synth_text_given[TERN_SYNTH_EMOTIONS][TERN_SYNTH_EMOTIONS];
extern const double tern_synth_qualifier_given[TERN_SYNTH_EMOTIONS];

tern_synth_cues tern_synth_draw_cues(tern_rng *rng);

/* Joint probability of label and cues. */
double tern_synth_probability(const tern_synth_cues *cues);

/* The slots that are stressed or flashed, as bits: things or their complement. */
uint8_t tern_synth_marked_slots(const tern_synth_cues *cues, tern_synth_kind marked);

/* The pattern of four of eight slots with this number, [0, TERN_SYNTH_PATTERNS). */
uint8_t tern_synth_pattern(int number);

#endif
