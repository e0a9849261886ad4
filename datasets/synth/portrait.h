/* The colour of one point of a face. */
#ifndef TERN_DATASETS_SYNTH_PORTRAIT_H
#define TERN_DATASETS_SYNTH_PORTRAIT_H

#include "datasets/synth/draw.h"
#include "datasets/synth/face.h"

/* at: in halves of the head's height from the middle of the face, upright; pixel:
 * side of a pixel in that unit; colour: RGB, 0 .. 1, without light and noise. */
void tern_synth_portrait(const tern_synth_scene *scene, tern_synth_point at, float pixel,
                         float colour[3]);

#endif
