/* What the cues say about the label, exactly, and the best accuracy that follows.
 *
 * By Bayes, with p(y) uniform and the cues independent given y,
 *
 *   p(y | cues) ~ p(c_f|y) p(c_v|y) p(c_t|y) p(k_s|y) p(k_b|y)
 *
 * where a factor is left out if the evidence in use does not show its cue.  The
 * best accuracy is that of the argmax, EXPECTED over all cues by enumeration or
 * REALISED on drawn clips.
 */
#ifndef TERN_DATASETS_SYNTH_POSTERIOR_H
#define TERN_DATASETS_SYNTH_POSTERIOR_H

#include "datasets/synth/cues.h"

enum {
    TERN_SYNTH_FACE = 1,
    TERN_SYNTH_VOICE = 2,
    TERN_SYNTH_TEXT = 4,
    /* The streams are held against each other in time: text with voice shows the
     * stressed kind, text with face the flashed kind.  Face with voice shows
     * neither. */
    TERN_SYNTH_TIMING = 8
};

/* A choice of evidence for which a ceiling is reported. */
typedef struct tern_synth_evidence {
    const char *name;
    unsigned parts; /* TERN_SYNTH_FACE | ... */
} tern_synth_evidence;

/* "face", "voice", "text", their pairs, "independent fusion" (the product of the
 * three single posteriors), and those with timing up to "all cues". */
enum { TERN_SYNTH_EVIDENCES = 10 };
extern const tern_synth_evidence tern_synth_evidences[TERN_SYNTH_EVIDENCES];

/* p(y | the cues that the evidence shows); sums to one. */
void tern_synth_posterior(const tern_synth_cues *cues, unsigned parts,
                          double posterior[TERN_SYNTH_EMOTIONS]);

/* The argmax; the first one if several are equal. */
int tern_synth_best_guess(const tern_synth_cues *cues, unsigned parts);

/* Accuracy of the best guess over all clips that can be drawn. */
double tern_synth_expected_accuracy(unsigned parts);

#endif
