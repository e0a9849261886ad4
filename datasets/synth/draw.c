/* See draw.h. */
#include "datasets/synth/draw.h"

#include <math.h>

float tern_synth_cover_edge(float distance, float pixel)
{
    return fminf(fmaxf(0.5f - distance / pixel, 0), 1);
}

float tern_synth_cover_ellipse(tern_synth_point at, tern_synth_point centre,
                               tern_synth_point radius, float pixel)
{
    float x = (at.x - centre.x) / radius.x, y = (at.y - centre.y) / radius.y;
    float level = sqrtf(x * x + y * y);
    if (level < 0.5f)
        return 1;
    /* To first order the distance is (level - 1) over the level's gradient. */
    float gradient = sqrtf(x * x / (radius.x * radius.x) + y * y / (radius.y * radius.y)) / level;
    return tern_synth_cover_edge((level - 1) / gradient, pixel);
}

float tern_synth_cover_lens(tern_synth_point at, const tern_synth_lens *lens, float pixel)
{
    float x = (at.x - lens->centre.x) / lens->half_width;
    float sides = (fabsf(x) - 1) * lens->half_width;
    if (sides > pixel)
        return 0;
    float line = lens->centre.y - lens->corner_rise * x * x;
    float bulge = fmaxf(1 - x * x, 0);
    float above = line - lens->top * bulge - at.y, below = at.y - line - lens->bottom * bulge;
    return tern_synth_cover_edge(fmaxf(fmaxf(above, below), sides), pixel);
}

static float distance_to_segment(tern_synth_point at, tern_synth_point from, tern_synth_point to)
{
    float dx = to.x - from.x, dy = to.y - from.y, px = at.x - from.x, py = at.y - from.y;
    float along = fminf(fmaxf((px * dx + py * dy) / (dx * dx + dy * dy), 0), 1);
    px -= along * dx;
    py -= along * dy;
    return sqrtf(px * px + py * py);
}

float tern_synth_cover_stroke(tern_synth_point at, const tern_synth_point *path, int count,
                              float width, float pixel)
{
    float nearest = distance_to_segment(at, path[0], path[1]);
    for (int i = 1; i + 1 < count; i++)
        nearest = fminf(nearest, distance_to_segment(at, path[i], path[i + 1]));
    /* A line thinner than a pixel is paler, not wider. */
    float drawn = fmaxf(width, pixel);
    return tern_synth_cover_edge(nearest - drawn / 2, pixel) * width / drawn;
}

void tern_synth_paint(float colour[3], const float paint[3], float opacity)
{
    for (int channel = 0; channel < 3; channel++)
        colour[channel] += (paint[channel] - colour[channel]) * opacity;
}
