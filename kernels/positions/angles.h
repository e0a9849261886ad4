/* The angles that sinusoidal positions and rotary embedding have in common, as tables of
 * sines and cosines for cpu:
 *
 *     angle[t,i] = (offset + t) * base^(-2 i / size)     i < pairs
 *
 * In float64 and rounded at the end, for float32 has no digits left for position 10000.
 */
#ifndef TERN_KERNELS_POSITIONS_ANGLES_H
#define TERN_KERNELS_POSITIONS_ANGLES_H

#include "core/simd.h"
#include "core/threads.h"

#include <stddef.h>
#include <stdint.h>

typedef struct tern_angles {
    double base;
    int64_t offset, size, pairs, positions;
    double *frequency, *step_sine, *step_cosine; /* [pairs], of one step of t */
    float *sine, *cosine;                        /* [positions, pairs]        */
} tern_angles;

/* Bytes of workspace for the tables, and the tables in it. */
size_t TERN_LEVEL(tern_angles_bytes)(const tern_angles *angles);
void TERN_LEVEL(tern_angles_fill)(tern_angles *angles, void *workspace, tern_pool *pool);

#endif
