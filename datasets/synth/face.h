/* Faces: one frame for a moment of a clip.
 *
 * A face is a function from a point to a colour, evaluated at every pixel.  At the
 * frames of the flashed words both brows jump up, the eyes open, and the face
 * shows the expression of its code; in between it relaxes almost to neutral.
 *
 *   anger    brows low and slanting inwards, teeth clenched
 *   disgust  brows low, eyes narrow, nose wrinkled, mouth closed and pulled down
 *   fear     brows up in the middle, eyes wide, mouth an open oval
 *   happy    a broad smile with teeth, red cheeks
 *   neutral  nothing but the flash
 *   sad      brows up in the middle, lids heavy, corners of the mouth down
 */
#ifndef TERN_DATASETS_SYNTH_FACE_H
#define TERN_DATASETS_SYNTH_FACE_H

#include "datasets/image.h"
#include "datasets/synth/actors.h"

/* What the muscles do; lengths in halves of the head's height. */
typedef struct tern_synth_expression {
    float brow_raise;  /* both brows up                          */
    float brow_slant;  /* inner ends down, outer ends up         */
    float eye_open;    /* 1 is usual                             */
    float mouth_width; /* 1 is usual                             */
    float smile;       /* rise of the mouth's corners            */
    float mouth_open;
    float teeth;       /* how much of the open mouth they fill   */
    float wrinkle;     /* of the nose, 0 .. 1                    */
    float blush;       /* of the cheeks, 0 .. 1                  */
} tern_synth_expression;

/* What stays the same in a clip: expression at its height, camera, light. */
typedef struct tern_synth_scene {
    const tern_synth_actor *actor;
    tern_synth_expression expression;
    float x, y, tilt, scale; /* of the head: shift in half heads, radians, factor */
    float background[3];
    float brightness, light_x, light_y; /* light falls off along (x, y) */
    float noise;                        /* standard deviation, of 1     */
} tern_synth_scene;

/* *actor is kept by the scene. */
tern_synth_scene tern_synth_draw_scene(const tern_synth_actor *actor, int face, tern_rng *rng);

/* Fill an image of three channels with the next frame. */
void tern_synth_draw_frame(const tern_synth_scene *scene, bool flash, tern_rng *rng,
                           tern_image *image);

#endif
