/* Shapes with soft edges, for pictures that are a function from point to colour.
 *
 * A cover function says how much of a pixel centred at a point lies inside a
 * shape, 0 to 1, from the distance to the shape's edge in pixels: antialiasing
 * without supersampling.  x points right, y down; pixel is a pixel's side in the
 * same unit.
 */
#ifndef TERN_DATASETS_SYNTH_DRAW_H
#define TERN_DATASETS_SYNTH_DRAW_H

typedef struct tern_synth_point {
    float x, y;
} tern_synth_point;

/* The area between two parabolas that meet in two corners, for eyes and mouths:
 *
 *        .-'''''-.        top          above the line between the corners
 *    ---<    +    >---    half_width   from the centre + to a corner
 *        '-.___.-'        bottom       below
 *
 * corner_rise bends the line itself: > 0 is a smile. */
typedef struct tern_synth_lens {
    tern_synth_point centre;
    float half_width, corner_rise, top, bottom;
} tern_synth_lens;

float tern_synth_cover_ellipse(tern_synth_point at, tern_synth_point centre,
                               tern_synth_point radius, float pixel);
float tern_synth_cover_lens(tern_synth_point at, const tern_synth_lens *lens, float pixel);
/* A line through count >= 2 points with round ends. */
float tern_synth_cover_stroke(tern_synth_point at, const tern_synth_point *path, int count,
                              float width, float pixel);
/* The half plane where signed distance to its edge is negative. */
float tern_synth_cover_edge(float distance, float pixel);

/* Lay paint over an RGB colour. */
void tern_synth_paint(float colour[3], const float paint[3], float opacity);

#endif
