/* What the synthetic set draws for a clip: its probabilities by enumeration, what each
 * stream gives away, and the best accuracies that are possible. */
#include "tests/check.h"

#include <math.h>
#include <stdlib.h>

#include "core/rng.h"
#include "datasets/synth/synth.h"

enum { LABELS = TERN_SYNTH_EMOTIONS, BYTES = 256 };

static const unsigned ALL = TERN_SYNTH_FACE | TERN_SYNTH_VOICE | TERN_SYNTH_TEXT |
                            TERN_SYNTH_TIMING;

/* Calls visit for everything that can be drawn, with its probability. */
static void enumerate(void (*visit)(const tern_synth_cues *cues, double probability, void *user),
                      void *user)
{
    tern_synth_cues cues;
    for (int number = 0; number < LABELS * LABELS * LABELS * LABELS * 4; number++) {
        int rest = number;
        cues.label = rest % LABELS, rest /= LABELS;
        cues.face = rest % LABELS, rest /= LABELS;
        cues.voice = rest % LABELS, rest /= LABELS;
        cues.text = rest % LABELS, rest /= LABELS;
        cues.stressed = rest % 2 ? TERN_SYNTH_QUALIFIER : TERN_SYNTH_THING;
        cues.flashed = rest / 2 ? TERN_SYNTH_QUALIFIER : TERN_SYNTH_THING;
        for (int pattern = 0; pattern < TERN_SYNTH_PATTERNS; pattern++) {
            cues.things = tern_synth_pattern(pattern);
            visit(&cues, tern_synth_probability(&cues), user);
        }
    }
}

/* What is seen at which slots, given the label. */
typedef struct slot_tables {
    double label[LABELS];
    double things[LABELS][BYTES], stresses[LABELS][BYTES], flashes[LABELS][BYTES];
    double face_and_flashes[LABELS][LABELS][BYTES], voice_and_stresses[LABELS][LABELS][BYTES];
    double flashes_and_stresses[LABELS][BYTES][BYTES];
    double things_and_stresses[LABELS][BYTES][BYTES], things_and_flashes[LABELS][BYTES][BYTES];
} slot_tables;

static void count_slots(const tern_synth_cues *cues, double probability, void *user)
{
    slot_tables *t = user;
    uint8_t stresses = tern_synth_marked_slots(cues, cues->stressed);
    uint8_t flashes = tern_synth_marked_slots(cues, cues->flashed);
    int y = cues->label;
    double p = probability * LABELS;
    t->label[y] += probability;
    t->things[y][cues->things] += p;
    t->stresses[y][stresses] += p;
    t->flashes[y][flashes] += p;
    t->face_and_flashes[y][cues->face][flashes] += p;
    t->voice_and_stresses[y][cues->voice][stresses] += p;
    t->flashes_and_stresses[y][flashes][stresses] += p;
    t->things_and_stresses[y][cues->things][stresses] += p;
    t->things_and_flashes[y][cues->things][flashes] += p;
}

static slot_tables *make_slot_tables(void)
{
    slot_tables *tables = calloc(1, sizeof *tables);
    assert_non_null(tables);
    enumerate(count_slots, tables);
    return tables;
}

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-12))
        fail_msg("%.15g is not %.15g", value, expected);
}

static int bits_of(int byte)
{
    int bits = 0;
    for (; byte; byte &= byte - 1)
        bits++;
    return bits;
}

static void no_stream_alone_shows_the_timing(void **state)
{
    (void)state;
    slot_tables *t = make_slot_tables();
    for (int y = 0; y < LABELS; y++) {
        assert_near(t->label[y], 1.0 / LABELS);
        for (int slots = 0; slots < BYTES; slots++) {
            double uniform = bits_of(slots) == TERN_SYNTH_THINGS ? 1.0 / TERN_SYNTH_PATTERNS : 0;
            assert_near(t->things[y][slots], uniform);
            assert_near(t->stresses[y][slots], uniform);
            assert_near(t->flashes[y][slots], uniform);
            for (int code = 0; code < LABELS; code++) {
                assert_near(t->face_and_flashes[y][code][slots],
                            tern_synth_face_given[y][code] * uniform);
                assert_near(t->voice_and_stresses[y][code][slots],
                            tern_synth_voice_given[y][code] * uniform);
            }
        }
    }
    free(t);
}

static void face_with_voice_does_not_show_it_either(void **state)
{
    (void)state;
    slot_tables *t = make_slot_tables();
    for (int y = 1; y < LABELS; y++)
        for (int flashes = 0; flashes < BYTES; flashes++)
            for (int stresses = 0; stresses < BYTES; stresses++)
                assert_near(t->flashes_and_stresses[y][flashes][stresses],
                            t->flashes_and_stresses[0][flashes][stresses]);
    free(t);
}

static void words_held_against_stresses_or_flashes_show_it(void **state)
{
    (void)state;
    slot_tables *t = make_slot_tables();
    for (int y = 0; y < LABELS; y++)
        for (int number = 0; number < TERN_SYNTH_PATTERNS; number++) {
            int things = tern_synth_pattern(number), qualifiers = things ^ (BYTES - 1);
            double on_qualifiers = tern_synth_qualifier_given[y] / TERN_SYNTH_PATTERNS;
            assert_near(t->things_and_stresses[y][things][qualifiers], on_qualifiers);
            assert_near(t->things_and_flashes[y][things][qualifiers], on_qualifiers);
        }
    /* Half of the emotions on each side, so a kind that is seen says something. */
    double sum = 0;
    for (int y = 0; y < LABELS; y++)
        sum += tern_synth_qualifier_given[y];
    assert_near(sum, LABELS / 2.0);
    free(t);
}

static void tables_are_probabilities(void **state)
{
    (void)state;
    for (int y = 0; y < LABELS; y++) {
        double face = 0, voice = 0, text = 0;
        for (int code = 0; code < LABELS; code++) {
            face += tern_synth_face_given[y][code];
            voice += tern_synth_voice_given[y][code];
            text += tern_synth_text_given[y][code];
        }
        assert_near(face, 1);
        assert_near(voice, 1);
        assert_near(text, 1);
    }
}

static void draws_follow_the_tables(void **state)
{
    (void)state;
    enum { DRAWS = 60000 };
    double face[LABELS][LABELS] = { { 0 } }, voice[LABELS][LABELS] = { { 0 } };
    double text[LABELS][LABELS] = { { 0 } }, stressed[LABELS] = { 0 }, flashed[LABELS] = { 0 };
    double slots[TERN_SYNTH_SLOTS] = { 0 };
    tern_rng rng = tern_rng_make(7, TERN_STREAM_TEST, 0);
    for (int i = 0; i < DRAWS; i++) {
        tern_synth_cues cues = tern_synth_draw_cues(&rng);
        face[cues.label][cues.face]++;
        voice[cues.label][cues.voice]++;
        text[cues.label][cues.text]++;
        stressed[cues.label] += cues.stressed == TERN_SYNTH_QUALIFIER;
        flashed[cues.label] += cues.flashed == TERN_SYNTH_QUALIFIER;
        for (int slot = 0; slot < TERN_SYNTH_SLOTS; slot++)
            slots[slot] += cues.things >> slot & 1;
    }
    /* Five standard deviations; p is of all draws. */
#define assert_frequency(count, p)                                                                 \
    assert_true(fabs((count) - DRAWS * (p)) < 5 * sqrt(DRAWS * (p) * (1 - (p))))
    for (int y = 0; y < LABELS; y++) {
        for (int code = 0; code < LABELS; code++) {
            assert_frequency(face[y][code], tern_synth_face_given[y][code] / LABELS);
            assert_frequency(voice[y][code], tern_synth_voice_given[y][code] / LABELS);
            assert_frequency(text[y][code], tern_synth_text_given[y][code] / LABELS);
        }
        assert_frequency(stressed[y], tern_synth_qualifier_given[y] / LABELS);
        assert_frequency(flashed[y], tern_synth_qualifier_given[y] / LABELS);
    }
    for (int slot = 0; slot < TERN_SYNTH_SLOTS; slot++)
        assert_frequency(slots[slot], 0.5);
#undef assert_frequency
}

/* What evidence shows of a clip: patterns and codes, never a kind that is marked. */
typedef struct seen {
    unsigned parts;
    const tern_synth_cues *cues;
    double joint[LABELS];
} seen;

static void add_if_same(const tern_synth_cues *cues, double probability, void *user)
{
    seen *s = user;
    bool same = true;
    bool timing = s->parts & TERN_SYNTH_TIMING;
    if (s->parts & TERN_SYNTH_FACE)
        same = same && cues->face == s->cues->face;
    if (s->parts & TERN_SYNTH_VOICE)
        same = same && cues->voice == s->cues->voice;
    if (s->parts & TERN_SYNTH_TEXT)
        same = same && cues->text == s->cues->text;
    if (timing && (s->parts & TERN_SYNTH_FACE))
        same = same && tern_synth_marked_slots(cues, cues->flashed) ==
                           tern_synth_marked_slots(s->cues, s->cues->flashed);
    if (timing && (s->parts & TERN_SYNTH_VOICE))
        same = same && tern_synth_marked_slots(cues, cues->stressed) ==
                           tern_synth_marked_slots(s->cues, s->cues->stressed);
    if (timing && (s->parts & TERN_SYNTH_TEXT))
        same = same && cues->things == s->cues->things;
    if (same)
        s->joint[cues->label] += probability;
}

/* Bayes by summing the joint probability over all that agrees with what is seen. */
static void the_posterior_is_that_of_enumeration(void **state)
{
    (void)state;
    tern_rng rng = tern_rng_make(3, TERN_STREAM_TEST, 0);
    for (unsigned parts = 0; parts < 16; parts++) {
        tern_synth_cues cues = tern_synth_draw_cues(&rng);
        seen s = { .parts = parts, .cues = &cues };
        double posterior[LABELS], sum = 0, joint = 0;
        enumerate(add_if_same, &s);
        tern_synth_posterior(&cues, parts, posterior);
        for (int y = 0; y < LABELS; y++) {
            sum += posterior[y];
            joint += s.joint[y];
        }
        assert_near(sum, 1);
        for (int y = 0; y < LABELS; y++)
            assert_near(posterior[y], s.joint[y] / joint);
    }
}

static void independent_fusion_is_the_product_of_single_posteriors(void **state)
{
    (void)state;
    const unsigned single[] = { TERN_SYNTH_FACE, TERN_SYNTH_VOICE, TERN_SYNTH_TEXT };
    tern_rng rng = tern_rng_make(5, TERN_STREAM_TEST, 0);
    for (int i = 0; i < 50; i++) {
        tern_synth_cues cues = tern_synth_draw_cues(&rng);
        double product[LABELS] = { 1, 1, 1, 1, 1, 1 }, one[LABELS], fused[LABELS], sum = 0;
        for (int modality = 0; modality < 3; modality++) {
            tern_synth_posterior(&cues, single[modality], one);
            for (int y = 0; y < LABELS; y++)
                product[y] *= one[y];
        }
        for (int y = 0; y < LABELS; y++)
            sum += product[y];
        tern_synth_posterior(&cues, ALL & ~(unsigned)TERN_SYNTH_TIMING, fused);
        for (int y = 0; y < LABELS; y++)
            assert_near(fused[y], product[y] / sum);
    }
}

/* The table of docs/synthetic.md. */
static void ceilings_are_the_documented_ones(void **state)
{
    (void)state;
    const double documented[TERN_SYNTH_EVIDENCES] = { 0.5800, 0.5400, 0.5600, 0.7445, 0.5800,
                                                      0.7371, 0.8856, 0.8794, 0.8003, 0.9637 };
    for (int i = 0; i < TERN_SYNTH_EVIDENCES; i++) {
        double expected = tern_synth_expected_accuracy(tern_synth_evidences[i].parts);
        if (fabs(expected - documented[i]) > 5e-5)
            fail_msg("%s: %.5f, documented %.4f", tern_synth_evidences[i].name, expected,
                     documented[i]);
    }
}

/* On the default set, without drawing its media. */
static void realised_ceilings_are_within_sampling_error(void **state)
{
    (void)state;
    tern_synth_opts opts = { .actors = { 48, 12, 24 } };
    enum { CLIPS = 1200 };
    for (int i = 0; i < TERN_SYNTH_EVIDENCES; i++) {
        unsigned parts = tern_synth_evidences[i].parts;
        double expected = tern_synth_expected_accuracy(parts);
        int right = 0;
        for (int number = 0; number < CLIPS; number++) {
            tern_synth_clip clip = tern_synth_clip_at(&opts, TERN_TEST, number);
            right += tern_synth_best_guess(&clip.cues, parts) == clip.cues.label;
        }
        double deviation = sqrt(expected * (1 - expected) / CLIPS);
        assert_true(fabs((double)right / CLIPS - expected) < 3 * deviation);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_stream_alone_shows_the_timing),
        cmocka_unit_test(face_with_voice_does_not_show_it_either),
        cmocka_unit_test(words_held_against_stresses_or_flashes_show_it),
        cmocka_unit_test(tables_are_probabilities),
        cmocka_unit_test(draws_follow_the_tables),
        cmocka_unit_test(the_posterior_is_that_of_enumeration),
        cmocka_unit_test(independent_fusion_is_the_product_of_single_posteriors),
        cmocka_unit_test(ceilings_are_the_documented_ones),
        cmocka_unit_test(realised_ceilings_are_within_sampling_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
