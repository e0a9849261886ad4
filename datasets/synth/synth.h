/* The synthetic data set: `tern data synth`.
 *
 * Procedural actors act six emotions in eight face frames, two seconds of
 * speech-like sound and a sentence of eight words.  Each modality alone is
 * ambiguous; together they are clearer; and part of the label is told only by
 * what happens at the same time in two of them.  The best possible accuracy is
 * known exactly: cues.h has the model, posterior.h the ceilings, docs/synthetic.md
 * both in words.
 *
 * In the folder:
 *   synth.txt             how it was made
 *   faces/ID/1.png ...    frames
 *   voices/ID.wav         16 kHz, 16 bits
 *   cues.tsv              the hidden cues and their posterior, clip by clip: for
 *                         those who check the ceilings, not for models
 *   manifest.tsv          the data set (docs/data.md), written last: while it is
 *                         missing the set is not finished
 */
#ifndef TERN_DATASETS_SYNTH_SYNTH_H
#define TERN_DATASETS_SYNTH_SYNTH_H

#include "datasets/clips.h"
#include "datasets/synth/posterior.h"

#include <stdint.h>

/* Zero stands for the default of every field. */
typedef struct tern_synth_opts {
    int clips[TERN_SPLIT_COUNT];  /* of train, valid, test                            */
    int actors[TERN_SPLIT_COUNT]; /* no actor is in two splits: 48, 12, 24, or fewer if
                                     there are fewer clips                            */
    uint64_t seed;
    int frames;     /* in a clip, at least one for each slot: 8 .. 64                */
    int size;       /* height and width of a frame: 16 .. 512                        */
    double seconds; /* of sound: 1 .. 30                                             */
    int threads;    /* 0: one per core; the files do not depend on it                */
    /* Called now and then from the calling thread; may be NULL. */
    void (*progress)(int64_t done, int64_t total, void *user);
    bool (*stop)(void *user); /* asked as often: true leaves an unfinished set; may be NULL */
    void *user;
} tern_synth_opts;

/* The defaults; those of the actors, which depend on the clips, are left zero. */
tern_synth_opts tern_synth_opts_default(void);

typedef struct tern_synth_ceiling {
    const char *name;
    unsigned parts;  /* the evidence: TERN_SYNTH_FACE | ...                          */
    double expected; /* best accuracy over all clips that could be drawn             */
    double realised[TERN_SPLIT_COUNT]; /* the same best guesses on the clips drawn   */
} tern_synth_ceiling;

typedef struct tern_synth_report {
    tern_synth_opts opts;  /* with the defaults filled in                            */
    bool was_there;        /* the folder held this very set: nothing was written     */
    bool stopped;          /* opts.stop said so: the set is not finished ...         */
    int64_t clips_written; /* ... but these clips' media are there                   */
    tern_synth_ceiling ceiling[TERN_SYNTH_EVIDENCES]; /* as tern_synth_evidences     */
} tern_synth_report;

/* Make the data set in the folder `dir`, which is made too if it is missing.
 *
 * The same options give the same bytes.  A folder with the finished set of the
 * same options is left as it is, an unfinished one is made anew; a folder with
 * anything else in it is refused with TERN_ERR_STATE.  report may be NULL.
 * Errors: TERN_ERR_OPTION, TERN_ERR_STATE, TERN_ERR_MEMORY, TERN_ERR_IO. */
bool tern_synth_write(const char *dir, const tern_synth_opts *opts, tern_synth_report *report,
                      tern_error *error);

/* One clip of the set, before anything is drawn or written.  Clips do not depend
 * on how many others there are. */
typedef struct tern_synth_clip {
    tern_split split;
    int number; /* in its split */
    int actor;  /* in its split: all actors have as many clips, give or take one */
    tern_synth_cues cues;
} tern_synth_clip;

/* opts: filled in, as in a report. */
tern_synth_clip tern_synth_clip_at(const tern_synth_opts *opts, tern_split split, int number);

#endif
