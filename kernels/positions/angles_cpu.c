/* Tables of sines and cosines.
 *
 * Positions are cut into tiles.  The first angle of a tile comes from the C library; from
 * there on a position's sine and cosine come from its neighbour's by one rotation,
 *
 *     sin(a + f) = sin a cos f + cos a sin f
 *     cos(a + f) = cos a cos f - sin a sin f
 *
 * which costs four multiplications instead of two calls, and loses about one unit of the
 * 53rd bit in each of the tile's 64 steps, where float32 keeps 24.
 */
#include "kernels/positions/angles.h"

#include "core/workspace.h"

#include <math.h>

enum { TILE_POSITIONS = 64, PAIRS_AT_ONCE = 64 };

static size_t place(tern_angles *angles, void *base)
{
    tern_workspace workspace = { .base = base };

    angles->frequency = tern_workspace_take(&workspace, angles->pairs, sizeof(double));
    angles->step_sine = tern_workspace_take(&workspace, angles->pairs, sizeof(double));
    angles->step_cosine = tern_workspace_take(&workspace, angles->pairs, sizeof(double));
    angles->sine = tern_workspace_take(&workspace, angles->positions * angles->pairs,
                                       sizeof(float));
    angles->cosine = tern_workspace_take(&workspace, angles->positions * angles->pairs,
                                         sizeof(float));
    return workspace.used;
}

size_t TERN_LEVEL(tern_angles_bytes)(const tern_angles *angles)
{
    tern_angles sizes = *angles;
    return place(&sizes, NULL);
}

/* Positions begin to end of the pairs from `first` on, at most PAIRS_AT_ONCE of them. */
static void fill_pairs(const tern_angles *angles, int64_t first, int64_t count, int64_t begin,
                       int64_t end)
{
    const double *step_sine = angles->step_sine + first;
    const double *step_cosine = angles->step_cosine + first;
    double sine[PAIRS_AT_ONCE], cosine[PAIRS_AT_ONCE];

    for (int64_t i = 0; i < count; i++) {
        double angle = (double)(angles->offset + begin) * angles->frequency[first + i];
        sine[i] = sin(angle);
        cosine[i] = cos(angle);
    }
    for (int64_t t = begin; t < end; t++) {
        float *to_sine = angles->sine + t * angles->pairs + first;
        float *to_cosine = angles->cosine + t * angles->pairs + first;
        for (int64_t i = 0; i < count; i++) {
            double next = sine[i] * step_cosine[i] + cosine[i] * step_sine[i];
            to_sine[i] = (float)sine[i];
            to_cosine[i] = (float)cosine[i];
            cosine[i] = cosine[i] * step_cosine[i] - sine[i] * step_sine[i];
            sine[i] = next;
        }
    }
}

static void fill_tile(void *argument, int64_t tile, int worker)
{
    const tern_angles *angles = argument;
    int64_t begin = tile * TILE_POSITIONS, end = begin + TILE_POSITIONS;

    (void)worker;
    end = end < angles->positions ? end : angles->positions;
    for (int64_t first = 0; first < angles->pairs; first += PAIRS_AT_ONCE) {
        int64_t rest = angles->pairs - first;
        fill_pairs(angles, first, rest < PAIRS_AT_ONCE ? rest : PAIRS_AT_ONCE, begin, end);
    }
}

void TERN_LEVEL(tern_angles_fill)(tern_angles *angles, void *workspace, tern_pool *pool)
{
    place(angles, workspace);
    for (int64_t i = 0; i < angles->pairs; i++) {
        angles->frequency[i] = pow(angles->base, -2.0 * (double)i / (double)angles->size);
        angles->step_sine[i] = sin(angles->frequency[i]);
        angles->step_cosine[i] = cos(angles->frequency[i]);
    }
    tern_parallel(pool, (angles->positions + TILE_POSITIONS - 1) / TILE_POSITIONS, fill_tile,
                  angles);
}
