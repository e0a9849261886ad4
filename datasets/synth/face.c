/* Scenes and frames; see face.h.  The drawing itself is in portrait.c. */
#include "datasets/synth/face.h"

#include "datasets/synth/portrait.h"

#include <math.h>

/* In the order of tern_synth_emotions. */
static const tern_synth_expression expression_of_code[TERN_SYNTH_EMOTIONS] = {
    { .brow_raise = -0.10f, .brow_slant = 0.11f, .eye_open = 0.8f, .mouth_width = 0.95f,
      .smile = -0.05f, .mouth_open = 0.13f, .teeth = 1 },
    { .brow_raise = -0.06f, .brow_slant = 0.04f, .eye_open = 0.45f, .mouth_width = 0.75f,
      .smile = -0.13f, .mouth_open = 0.0f, .wrinkle = 1 },
    { .brow_raise = 0.05f, .brow_slant = -0.09f, .eye_open = 1.35f, .mouth_width = 0.6f,
      .smile = 0, .mouth_open = 0.24f },
    { .brow_raise = 0, .brow_slant = 0, .eye_open = 0.85f, .mouth_width = 1.15f, .smile = 0.2f,
      .mouth_open = 0.14f, .teeth = 0.6f, .blush = 1 },
    { .eye_open = 1, .mouth_width = 0.9f },
    { .brow_raise = 0, .brow_slant = -0.13f, .eye_open = 0.6f, .mouth_width = 0.85f,
      .smile = -0.17f },
};

static const tern_synth_expression rest = { .eye_open = 1, .mouth_width = 0.9f };
static const float REST_STRENGTH = 0.2f; /* of the expression between flashes */
static const float FLASH_BROW_RAISE = 0.23f, FLASH_EYE_OPEN = 0.5f;

static float between(tern_rng *rng, double low, double high)
{
    return (float)(low + (high - low) * tern_rng_uniform(rng));
}

/* The expression at a strength, each muscle a little off. */
static tern_synth_expression draw_expression(const tern_synth_expression *base, tern_rng *rng)
{
    float strength = between(rng, 0.8, 1.15);
    return (tern_synth_expression){
        .brow_raise = base->brow_raise * strength + between(rng, -0.02, 0.02),
        .brow_slant = base->brow_slant * strength + between(rng, -0.015, 0.015),
        .eye_open = 1 + (base->eye_open - 1) * strength + between(rng, -0.06, 0.06),
        .mouth_width = 1 + (base->mouth_width - 1) * strength + between(rng, -0.05, 0.05),
        .smile = base->smile * strength + between(rng, -0.02, 0.02),
        .mouth_open = base->mouth_open * strength,
        .teeth = base->teeth,
        .wrinkle = base->wrinkle * strength,
        .blush = base->blush * strength,
    };
}

tern_synth_scene tern_synth_draw_scene(const tern_synth_actor *actor, int face, tern_rng *rng)
{
    tern_synth_scene scene = { .actor = actor };
    scene.expression = draw_expression(&expression_of_code[face], rng);
    scene.x = between(rng, -0.1, 0.1);
    scene.y = between(rng, -0.06, 0.06);
    scene.tilt = between(rng, -0.1, 0.1);
    scene.scale = between(rng, 0.95, 1.07);
    float grey = between(rng, 0.25, 0.8);
    for (int channel = 0; channel < 3; channel++)
        scene.background[channel] = grey + between(rng, -0.12, 0.12);
    scene.brightness = between(rng, 0.8, 1.1);
    scene.light_x = between(rng, -0.22, 0.22);
    scene.light_y = between(rng, -0.2, 0.05);
    scene.noise = between(rng, 0.01, 0.035);
    return scene;
}

/* The sum of the four bytes of one draw: close enough to normal, and four times as
 * fast, for a number that every channel of every pixel needs. */
static float draw_noise(tern_rng *rng)
{
    enum { MEAN = 4 * 255 / 2 };
    static const float deviation = 147.80f; /* sqrt(4 * (256^2 - 1) / 12) */
    uint32_t bits = tern_rng_bits(rng);
    int sum = (int)((bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24));
    return (float)(sum - MEAN) / deviation;
}

static float mix(float from, float to, float part)
{
    return from + (to - from) * part;
}

/* The expression between flashes: almost gone. */
static tern_synth_expression relax(const tern_synth_expression *full)
{
    return (tern_synth_expression){
        .brow_raise = mix(rest.brow_raise, full->brow_raise, REST_STRENGTH),
        .brow_slant = mix(rest.brow_slant, full->brow_slant, REST_STRENGTH),
        .eye_open = mix(rest.eye_open, full->eye_open, REST_STRENGTH),
        .mouth_width = mix(rest.mouth_width, full->mouth_width, REST_STRENGTH),
        .smile = mix(rest.smile, full->smile, REST_STRENGTH),
        .mouth_open = mix(rest.mouth_open, full->mouth_open, REST_STRENGTH),
        .teeth = full->teeth,
        .wrinkle = mix(rest.wrinkle, full->wrinkle, REST_STRENGTH),
        .blush = mix(rest.blush, full->blush, REST_STRENGTH),
    };
}

/* Small movements from frame to frame. */
static tern_synth_scene move(const tern_synth_scene *scene, bool flash, tern_rng *rng)
{
    tern_synth_scene moment = *scene;
    moment.expression = flash ? scene->expression : relax(&scene->expression);
    moment.x += between(rng, -0.025, 0.025);
    moment.y += between(rng, -0.025, 0.025);
    moment.tilt += between(rng, -0.02, 0.02);
    moment.expression.brow_raise += between(rng, -0.015, 0.015);
    moment.expression.eye_open += between(rng, -0.05, 0.05);
    moment.expression.mouth_open += between(rng, 0, 0.035);
    if (flash) {
        moment.expression.brow_raise += FLASH_BROW_RAISE;
        moment.expression.eye_open += FLASH_EYE_OPEN;
    }
    return moment;
}

void tern_synth_draw_frame(const tern_synth_scene *scene, bool flash, tern_rng *rng,
                           tern_image *image)
{
    enum { HEADS_DOWN = 52, HALF_HEADS_ACROSS = 40 }; /* hundredths of the picture */
    tern_synth_scene moment = move(scene, flash, rng);
    float unit = (float)image->height * HALF_HEADS_ACROSS / 100 * moment.scale;
    float cosine = cosf(moment.tilt), sine = sinf(moment.tilt);

    for (int row = 0; row < image->height; row++)
        for (int column = 0; column < image->width; column++) {
            float x = ((float)column + 0.5f - (float)image->width / 2) / unit - moment.x;
            float y = ((float)row + 0.5f - (float)image->height * HEADS_DOWN / 100) / unit -
                      moment.y;
            tern_synth_point at = { cosine * x + sine * y, cosine * y - sine * x };
            float colour[3];
            tern_synth_portrait(&moment, at, 1 / unit, colour);
            float light = moment.brightness * (1 + moment.light_x * x + moment.light_y * y);
            uint8_t *pixel = image->pixels + ((size_t)row * (size_t)image->width +
                                              (size_t)column) * 3;
            for (int channel = 0; channel < 3; channel++) {
                float value = colour[channel] * light + moment.noise * draw_noise(rng);
                pixel[channel] = (uint8_t)(fminf(fmaxf(value, 0), 1) * 255 + 0.5f);
            }
        }
}
