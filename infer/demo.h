/* The demonstration: six models on the synthetic data set, beside the best that is
 * possible.
 *
 * The generator knows the exact posterior of each clip, so the highest reachable
 * accuracy on the very test clips is known for each modality, for fusing the
 * three as if they were independent, and with what happens at one time in two
 * of them.  way = (accuracy - chance) / (ceiling - chance).
 */
#ifndef TERN_INFER_DEMO_H
#define TERN_INFER_DEMO_H

#include "datasets/synth/synth.h"
#include "train/trainer.h"

enum { TERN_DEMO_MODELS = 6 };

typedef struct tern_demo_opts {
    const char *folder;  /* for data and runs; an unfinished one is gone on with */
    int threads;
    uint64_t seed;       /* of the models; the data's seed is fixed              */
    void (*begun)(const char *model, void *user); /* may be NULL */
    void (*progress)(const tern_progress *progress, void *user);
    bool (*stop)(void *user); /* asked after some clips and every step; may be NULL */
    void *user;
} tern_demo_opts;

typedef struct tern_demo_row {
    const char *model;      /* "face", ..., "crossmodal"                    */
    double accuracy, uar;   /* on the test clips, actors not in training    */
    const char *ceiling_of; /* the evidence it could use at best            */
    double ceiling, way;
    double seconds;         /* of training                                  */
} tern_demo_row;

typedef struct tern_demo_result {
    tern_synth_report data;
    int64_t test_clips;
    bool stopped;           /* opts.stop said so; the rows are not complete */
    tern_demo_row row[TERN_DEMO_MODELS];
} tern_demo_result;

bool tern_demo_run(const tern_demo_opts *opts, tern_demo_result *result, tern_error *error);

#endif
