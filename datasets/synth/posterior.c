/* See posterior.h. */
#include "datasets/synth/posterior.h"

const tern_synth_evidence tern_synth_evidences[TERN_SYNTH_EVIDENCES] = {
    { "face", TERN_SYNTH_FACE },
    { "voice", TERN_SYNTH_VOICE },
    { "text", TERN_SYNTH_TEXT },
    { "face + voice", TERN_SYNTH_FACE | TERN_SYNTH_VOICE },
    { "face + text", TERN_SYNTH_FACE | TERN_SYNTH_TEXT },
    { "voice + text", TERN_SYNTH_VOICE | TERN_SYNTH_TEXT },
    { "face + text, aligned", TERN_SYNTH_FACE | TERN_SYNTH_TEXT | TERN_SYNTH_TIMING },
    { "voice + text, aligned", TERN_SYNTH_VOICE | TERN_SYNTH_TEXT | TERN_SYNTH_TIMING },
    { "independent fusion", TERN_SYNTH_FACE | TERN_SYNTH_VOICE | TERN_SYNTH_TEXT },
    { "all cues", TERN_SYNTH_FACE | TERN_SYNTH_VOICE | TERN_SYNTH_TEXT | TERN_SYNTH_TIMING },
};

static double kind_given(tern_synth_kind kind, int label)
{
    double qualifier = tern_synth_qualifier_given[label];
    return kind == TERN_SYNTH_QUALIFIER ? qualifier : 1 - qualifier;
}

static bool shows(unsigned parts, unsigned needed)
{
    return (parts & needed) == needed;
}

/* p(the cues that the evidence shows | label) */
static double likelihood(const tern_synth_cues *cues, unsigned parts, int label)
{
    double product = 1;
    if (shows(parts, TERN_SYNTH_FACE))
        product *= tern_synth_face_given[label][cues->face];
    if (shows(parts, TERN_SYNTH_VOICE))
        product *= tern_synth_voice_given[label][cues->voice];
    if (shows(parts, TERN_SYNTH_TEXT))
        product *= tern_synth_text_given[label][cues->text];
    if (shows(parts, TERN_SYNTH_TIMING | TERN_SYNTH_VOICE | TERN_SYNTH_TEXT))
        product *= kind_given(cues->stressed, label);
    if (shows(parts, TERN_SYNTH_TIMING | TERN_SYNTH_FACE | TERN_SYNTH_TEXT))
        product *= kind_given(cues->flashed, label);
    return product;
}

void tern_synth_posterior(const tern_synth_cues *cues, unsigned parts,
                          double posterior[TERN_SYNTH_EMOTIONS])
{
    double sum = 0;
    for (int label = 0; label < TERN_SYNTH_EMOTIONS; label++)
        sum += posterior[label] = likelihood(cues, parts, label);
    for (int label = 0; label < TERN_SYNTH_EMOTIONS; label++)
        posterior[label] /= sum;
}

int tern_synth_best_guess(const tern_synth_cues *cues, unsigned parts)
{
    double posterior[TERN_SYNTH_EMOTIONS];
    int best = 0;
    tern_synth_posterior(cues, parts, posterior);
    for (int label = 1; label < TERN_SYNTH_EMOTIONS; label++)
        if (posterior[label] > posterior[best])
            best = label;
    return best;
}

double tern_synth_expected_accuracy(unsigned parts)
{
    double right = 0;
    tern_synth_cues cues = { .things = tern_synth_pattern(0) };
    for (cues.face = 0; cues.face < TERN_SYNTH_EMOTIONS; cues.face++)
        for (cues.voice = 0; cues.voice < TERN_SYNTH_EMOTIONS; cues.voice++)
            for (cues.text = 0; cues.text < TERN_SYNTH_EMOTIONS; cues.text++)
                for (int kinds = 0; kinds < 4; kinds++) {
                    cues.stressed = (tern_synth_kind)(kinds & 1);
                    cues.flashed = (tern_synth_kind)(kinds >> 1);
                    cues.label = tern_synth_best_guess(&cues, parts);
                    /* No pattern says anything of the label: one stands for all. */
                    right += tern_synth_probability(&cues) * TERN_SYNTH_PATTERNS;
                }
    return right;
}
