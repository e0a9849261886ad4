/* The files of the synthetic set. */
#ifndef TERN_DATASETS_SYNTH_WRITE_H
#define TERN_DATASETS_SYNTH_WRITE_H

#include "datasets/synth/synth.h"

/* Every clip and actor draws from streams of its own, so that none depends on
 * another: added to TERN_STREAM_SYNTH. */
typedef enum tern_synth_streams {
    TERN_SYNTH_STREAM_CUES,
    TERN_SYNTH_STREAM_ACTOR,
    TERN_SYNTH_STREAM_FACE,
    TERN_SYNTH_STREAM_VOICE,
    TERN_SYNTH_STREAM_SENTENCE
} tern_synth_streams;

/* number is of a clip or an actor in its split. */
tern_rng tern_synth_stream(const tern_synth_opts *opts, tern_synth_streams stream,
                           tern_split split, int number);

/* The report's opts are complete and checked; fills in was_there, stopped, clips_written. */
bool tern_synth_write_files(const char *dir, tern_synth_report *report, tern_error *error);

#endif
