/* Actors: what stays the same from clip to clip of one speaker. */
#ifndef TERN_DATASETS_SYNTH_ACTORS_H
#define TERN_DATASETS_SYNTH_ACTORS_H

#include "datasets/synth/cues.h"

enum { TERN_SYNTH_SYNONYMS = 3, TERN_SYNTH_QUALIFIERS = 6 };

typedef enum tern_synth_hair { TERN_SYNTH_BALD, TERN_SYNTH_SHORT, TERN_SYNTH_LONG } tern_synth_hair;

/* Lengths of the face are in halves of the head's height. */
typedef struct tern_synth_actor {
    /* face */
    float head_width, eye_spacing, eye_size, brow_height, brow_width, nose_length, mouth_height,
        mouth_width, hairline;
    tern_synth_hair hair;
    float skin[3], hair_colour[3], iris[3], shirt[3]; /* RGB, 0 .. 1 */
    float stubble;                                    /* darkness of the chin, 0 .. 1 */
    bool glasses;
    /* voice */
    double pitch_hz;
    double formant_scale; /* a shorter throat scales all formants up */
    double breath;        /* added to the voice, 0 .. 1              */
    /* sentences */
    int favourite_thing[TERN_SYNTH_EMOTIONS]; /* of the synonyms for each mood */
    int favourite_qualifier;
} tern_synth_actor;

tern_synth_actor tern_synth_draw_actor(tern_rng *rng);

#endif
