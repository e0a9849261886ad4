/* See portrait.h.  Layers are painted from back to front; left and right are
 * mirror images, so most layers look at |x| only. */
#include "datasets/synth/portrait.h"

#include <math.h>

typedef struct painter {
    const tern_synth_actor *actor;
    const tern_synth_expression *expression;
    const float *background;
    tern_synth_point mirrored; /* the point, with x >= 0 */
    float pixel;
    float *colour;
} painter;

static const float EYE_Y = -0.06f;
static const float white[3] = { 0.97f, 0.97f, 0.95f }, dark[3] = { 0.08f, 0.05f, 0.05f };
static const float lips[3] = { 0.72f, 0.30f, 0.30f }, mouth_inside[3] = { 0.25f, 0.05f, 0.06f };
static const float blush[3] = { 0.95f, 0.40f, 0.38f };

static void shaded(const float colour[3], float factor, float result[3])
{
    for (int channel = 0; channel < 3; channel++)
        result[channel] = colour[channel] * factor;
}

static void paint_ellipse(painter *p, tern_synth_point centre, tern_synth_point radius,
                          const float paint[3], float opacity)
{
    float cover = tern_synth_cover_ellipse(p->mirrored, centre, radius, p->pixel);
    tern_synth_paint(p->colour, paint, cover * opacity);
}

static void paint_stroke(painter *p, const tern_synth_point *path, int count, float width,
                         const float paint[3], float opacity)
{
    float cover = tern_synth_cover_stroke(p->mirrored, path, count, width, p->pixel);
    tern_synth_paint(p->colour, paint, cover * opacity);
}

static void paint_lens(painter *p, const tern_synth_lens *lens, const float paint[3])
{
    tern_synth_paint(p->colour, paint, tern_synth_cover_lens(p->mirrored, lens, p->pixel));
}

static void paint_behind_head(painter *p)
{
    const tern_synth_actor *actor = p->actor;
    float neck[3], ear[3];
    shaded(actor->skin, 0.82f, neck);
    shaded(actor->skin, 0.92f, ear);
    for (int channel = 0; channel < 3; channel++)
        p->colour[channel] = p->background[channel];
    if (actor->hair == TERN_SYNTH_LONG)
        paint_ellipse(p, (tern_synth_point){ 0, 0.08f },
                      (tern_synth_point){ actor->head_width + 0.15f, 1.2f }, actor->hair_colour, 1);
    paint_ellipse(p, (tern_synth_point){ 0, 1.0f }, (tern_synth_point){ 0.34f, 0.5f }, neck, 1);
    paint_ellipse(p, (tern_synth_point){ 0, 1.85f }, (tern_synth_point){ 1.15f, 0.75f },
                  actor->shirt, 1);
    if (actor->hair == TERN_SYNTH_SHORT)
        paint_ellipse(p, (tern_synth_point){ 0, -0.16f },
                      (tern_synth_point){ actor->head_width + 0.06f, 0.96f }, actor->hair_colour,
                      1);
    if (actor->hair != TERN_SYNTH_LONG)
        paint_ellipse(p, (tern_synth_point){ actor->head_width, 0.02f },
                      (tern_synth_point){ 0.1f, 0.18f }, ear, 1);
}

static void paint_head(painter *p)
{
    const tern_synth_actor *actor = p->actor;
    float head = tern_synth_cover_ellipse(p->mirrored, (tern_synth_point){ 0, 0 },
                                          (tern_synth_point){ actor->head_width, 1 }, p->pixel);
    float across = p->mirrored.x / actor->head_width;
    float skin[3];
    shaded(actor->skin, 1.03f - 0.12f * across * across, skin);
    tern_synth_paint(p->colour, skin, head);
    if (actor->hair != TERN_SYNTH_BALD) {
        float line = -actor->hairline + 0.12f * across * across;
        tern_synth_paint(p->colour, actor->hair_colour,
                         head * tern_synth_cover_edge(p->mirrored.y - line, p->pixel));
    }
    paint_ellipse(p, (tern_synth_point){ 0, 0.66f },
                  (tern_synth_point){ 0.68f * actor->head_width, 0.3f }, dark, actor->stubble);
    paint_ellipse(p, (tern_synth_point){ 0.44f, 0.3f }, (tern_synth_point){ 0.16f, 0.13f }, blush,
                  0.5f * fminf(p->expression->blush, 1));
}

static void paint_eye(painter *p)
{
    const tern_synth_actor *actor = p->actor;
    float size = actor->eye_size, open = fmaxf(p->expression->eye_open, 0.2f);
    tern_synth_lens eye = { { actor->eye_spacing, EYE_Y }, size, 0, 0.62f * size * open,
                            0.48f * size * open };
    float inside = tern_synth_cover_lens(p->mirrored, &eye, p->pixel);
    float iris = tern_synth_cover_ellipse(p->mirrored, eye.centre,
                                          (tern_synth_point){ 0.42f * size, 0.42f * size },
                                          p->pixel);
    float pupil = tern_synth_cover_ellipse(p->mirrored, eye.centre,
                                           (tern_synth_point){ 0.2f * size, 0.2f * size },
                                           p->pixel);
    tern_synth_paint(p->colour, white, inside);
    tern_synth_paint(p->colour, actor->iris, inside * iris);
    tern_synth_paint(p->colour, dark, inside * pupil);

    const tern_synth_point lid[] = {
        { eye.centre.x - size, EYE_Y }, { eye.centre.x - size / 2, EYE_Y - 0.75f * eye.top },
        { eye.centre.x, EYE_Y - eye.top }, { eye.centre.x + size / 2, EYE_Y - 0.75f * eye.top },
        { eye.centre.x + size, EYE_Y },
    };
    paint_stroke(p, lid, 5, 0.04f, dark, 0.8f);
}

static void paint_brow(painter *p)
{
    const tern_synth_actor *actor = p->actor;
    const tern_synth_expression *face = p->expression;
    float y = -actor->brow_height - face->brow_raise, middle = actor->eye_spacing;
    float half = actor->eye_size;
    const tern_synth_point path[] = {
        { middle - half, y + face->brow_slant },
        { middle + 0.2f * half, y - 0.035f },
        { middle + half, y - 0.6f * face->brow_slant + 0.015f },
    };
    /* Always darker than the skin, whatever the hair. */
    float colour[3];
    for (int channel = 0; channel < 3; channel++)
        colour[channel] = fminf(0.6f * actor->hair_colour[channel], 0.4f * actor->skin[channel]);
    paint_stroke(p, path, 3, actor->brow_width, colour, 1);
}

static void paint_nose(painter *p)
{
    float shadow[3];
    shaded(p->actor->skin, 0.68f, shadow);
    float tip = EYE_Y + 0.06f + p->actor->nose_length;
    const tern_synth_point wing[] = { { 0, tip + 0.02f }, { 0.09f, tip } };
    paint_stroke(p, wing, 2, 0.06f, shadow, 1);
    if (p->expression->wrinkle <= 0)
        return;
    /* Across the bridge of the nose, and the fold from its wing to the mouth. */
    const tern_synth_point bridge[] = { { 0, 0.02f }, { 0.13f, -0.04f } };
    const tern_synth_point lower[] = { { 0, 0.13f }, { 0.13f, 0.07f } };
    const tern_synth_point fold[] = { { 0.17f, tip - 0.08f }, { 0.36f, tip + 0.2f } };
    float opacity = fminf(p->expression->wrinkle, 1);
    shaded(p->actor->skin, 0.5f, shadow);
    paint_stroke(p, bridge, 2, 0.05f, shadow, opacity);
    paint_stroke(p, lower, 2, 0.05f, shadow, opacity);
    paint_stroke(p, fold, 2, 0.06f, shadow, opacity);
}

static void paint_mouth(painter *p)
{
    const tern_synth_expression *face = p->expression;
    float open = face->mouth_open / 2;
    tern_synth_lens inside = { { 0, p->actor->mouth_height + 0.3f * face->smile },
                               p->actor->mouth_width * face->mouth_width, face->smile,
                               open + 0.012f, open + 0.012f };
    tern_synth_lens lip = inside;
    lip.half_width += 0.04f;
    lip.top += 0.05f;
    lip.bottom += 0.06f;
    paint_lens(p, &lip, lips);
    paint_lens(p, &inside, mouth_inside);
    if (face->teeth > 0) {
        tern_synth_lens teeth = inside;
        teeth.half_width *= 0.92f;
        teeth.top = open;
        teeth.bottom = 2 * open * face->teeth - open;
        paint_lens(p, &teeth, white);
    }
}

static void paint_glasses(painter *p)
{
    tern_synth_point centre = { p->actor->eye_spacing, EYE_Y };
    float outer = tern_synth_cover_ellipse(p->mirrored, centre, (tern_synth_point){ 0.28f, 0.25f },
                                           p->pixel);
    float inner = tern_synth_cover_ellipse(p->mirrored, centre, (tern_synth_point){ 0.24f, 0.21f },
                                           p->pixel);
    tern_synth_paint(p->colour, dark, 0.6f * (outer - inner));
}

void tern_synth_portrait(const tern_synth_scene *scene, tern_synth_point at, float pixel,
                         float colour[3])
{
    painter p = { scene->actor, &scene->expression, scene->background, { fabsf(at.x), at.y },
                  pixel, colour };
    paint_behind_head(&p);
    paint_head(&p);
    paint_nose(&p);
    paint_eye(&p);
    paint_brow(&p);
    paint_mouth(&p);
    if (scene->actor->glasses)
        paint_glasses(&p);
}
