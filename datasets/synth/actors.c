/* See actors.h. */
#include "datasets/synth/actors.h"

#include <math.h>

static const float skins[][3] = {
    { 0.96f, 0.82f, 0.72f }, { 0.91f, 0.74f, 0.60f }, { 0.82f, 0.62f, 0.46f },
    { 0.68f, 0.48f, 0.34f }, { 0.55f, 0.38f, 0.27f },
};
static const float hairs[][3] = {
    { 0.10f, 0.08f, 0.07f }, { 0.28f, 0.17f, 0.10f }, { 0.48f, 0.28f, 0.12f },
    { 0.78f, 0.62f, 0.32f }, { 0.60f, 0.24f, 0.10f }, { 0.62f, 0.62f, 0.62f },
};
static const float irises[][3] = {
    { 0.20f, 0.12f, 0.06f }, { 0.20f, 0.35f, 0.55f }, { 0.22f, 0.40f, 0.22f },
};

static double between(tern_rng *rng, double low, double high)
{
    return low + (high - low) * tern_rng_uniform(rng);
}

/* One of the colours, a little off. */
static void draw_colour(tern_rng *rng, const float colours[][3], uint32_t count, float colour[3])
{
    const float *chosen = colours[tern_rng_below(rng, count)];
    double brightness = between(rng, 0.92, 1.06);
    for (int channel = 0; channel < 3; channel++)
        colour[channel] = fminf((float)(chosen[channel] * brightness), 1);
}

static void draw_looks(tern_rng *rng, tern_synth_actor *actor)
{
    actor->head_width = (float)between(rng, 0.72, 0.86);
    actor->eye_spacing = (float)between(rng, 0.32, 0.38);
    actor->eye_size = (float)between(rng, 0.17, 0.21);
    actor->brow_height = (float)between(rng, 0.31, 0.36);
    actor->brow_width = (float)between(rng, 0.075, 0.12);
    actor->nose_length = (float)between(rng, 0.26, 0.36);
    actor->mouth_height = (float)between(rng, 0.52, 0.58);
    actor->mouth_width = (float)between(rng, 0.30, 0.37);
    actor->hairline = (float)between(rng, 0.72, 0.80);
    actor->hair = (tern_synth_hair)tern_rng_below(rng, 3);
    draw_colour(rng, skins, sizeof skins / sizeof *skins, actor->skin);
    draw_colour(rng, hairs, sizeof hairs / sizeof *hairs, actor->hair_colour);
    draw_colour(rng, irises, sizeof irises / sizeof *irises, actor->iris);
    for (int channel = 0; channel < 3; channel++)
        actor->shirt[channel] = (float)between(rng, 0.15, 0.85);
    actor->stubble = tern_rng_uniform(rng) < 0.3 ? (float)between(rng, 0.1, 0.3) : 0;
    actor->glasses = tern_rng_uniform(rng) < 0.2;
}

tern_synth_actor tern_synth_draw_actor(tern_rng *rng)
{
    tern_synth_actor actor = { 0 };
    draw_looks(rng, &actor);
    /* 95 to 240 Hz, even on a musical scale. */
    actor.pitch_hz = 95 * pow(240.0 / 95, tern_rng_uniform(rng));
    actor.formant_scale = between(rng, 0.88, 1.16);
    actor.breath = between(rng, 0, 0.08);
    for (int mood = 0; mood < TERN_SYNTH_EMOTIONS; mood++)
        actor.favourite_thing[mood] = (int)tern_rng_below(rng, TERN_SYNTH_SYNONYMS);
    actor.favourite_qualifier = (int)tern_rng_below(rng, TERN_SYNTH_QUALIFIERS);
    return actor;
}
