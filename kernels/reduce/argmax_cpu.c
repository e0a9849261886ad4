/* argmax on cpu: the best values so far and their places, in the lanes of vectors.
 *
 * Along the last axis the lanes share a row: lane l sees elements l, l + TERN_LANES ...
 * and the lanes' winners are compared in the end.  Along any other axis every lane is a
 * column of its own. */
#include "kernels/reduce/argmax.h"

#include "core/simd.h"
#include "core/threads.h"
#include "core/tiles.h"

#include <math.h>

enum { TILE_ELEMENTS = 16384 /* of x, about */ };

typedef struct argmax_task {
    argmax_view view;
    const float *x;
    int32_t *y;
    int64_t strips; /* a strip: a vector of columns */
    tern_tiles units;
} argmax_task;

typedef struct winners {
    tern_vf value;
    tern_vi place;
} winners;

/* A later value wins if it is larger, or the first NaN. */
static inline winners challenge(winners best, tern_vf value, tern_vi place)
{
    // NOLINTNEXTLINE(misc-redundant-expression): NaN is not equal to itself
    tern_vi wins = (value > best.value) | ((value != value) & (best.value == best.value));
    return (winners){ tern_select(wins, value, best.value),
                      (wins & place) | (~wins & best.place) };
}

static int32_t first_of_lanes(winners best)
{
    float value[TERN_LANES];
    int32_t place[TERN_LANES];
    int winner = 0;
    memcpy(value, &best.value, sizeof value);
    memcpy(place, &best.place, sizeof place);
    for (int i = 1; i < TERN_LANES; i++) {
        bool nan = isnan(value[i]), nan_before = isnan(value[winner]);
        bool equal = value[i] == value[winner] || (nan && nan_before);
        if (equal ? place[i] < place[winner] : nan || (value[i] > value[winner] && !nan_before))
            winner = i;
    }
    return place[winner];
}

static int32_t search_row(const float *x, int64_t extent)
{
    tern_vi place;
    int32_t first[TERN_LANES];
    for (int i = 0; i < TERN_LANES; i++)
        first[i] = i;
    memcpy(&place, first, sizeof place);
    /* Beyond a short row stand -inf, whose places come after all others. */
    winners best = { tern_load_part_or(x, extent, -INFINITY), place };
    for (int64_t i = TERN_LANES; i < extent; i += TERN_LANES)
        best = challenge(best, tern_load_part_or(x + i, extent - i, -INFINITY),
                         place + (int32_t)i);
    return first_of_lanes(best);
}

static void search_columns(const argmax_view *view, const float *x, int64_t columns, int32_t *y)
{
    winners best = { tern_load_part(x, columns), { 0 } };
    for (int64_t i = 1; i < view->extent; i++)
        best = challenge(best, tern_load_part(x + i * view->inner, columns),
                         (int32_t)i - (tern_vi){ 0 });
    memcpy(y, &best.place,
           (size_t)(columns < TERN_LANES ? columns : TERN_LANES) * sizeof *y);
}

static void argmax_tile(void *argument, int64_t tile, int worker)
{
    const argmax_task *task = argument;
    const argmax_view *view = &task->view;
    int64_t unit = tern_tile_begin(&task->units, tile), end = tern_tile_end(&task->units, tile);
    (void)worker;
    for (; unit < end; unit++) {
        int64_t outer = unit / task->strips, column = unit % task->strips * TERN_LANES;
        const float *x = task->x + outer * view->extent * view->inner + column;
        if (view->inner == 1)
            task->y[unit] = search_row(x, view->extent);
        else
            search_columns(view, x, view->inner - column, task->y + outer * view->inner + column);
    }
}

static void argmax_forward(tern_call *call)
{
    argmax_task task = { .view = tern_argmax_view(call), .x = call->in[0]->data,
                         .y = call->out[0]->data };
    task.strips = (task.view.inner + TERN_LANES - 1) / TERN_LANES;
    int64_t elements = task.view.extent * (task.view.inner == 1 ? 1 : TERN_LANES);
    task.units = tern_tiles_of_rows(task.view.outer * task.strips, elements, TILE_ELEMENTS, 1);
    tern_parallel(tern_ctx_pool(call->ctx), task.units.count, argmax_tile, &task);
}

const tern_impl TERN_LEVEL(tern_argmax_cpu) = {
    .op = "argmax", .backend = "cpu", .provider = "hand",
    .forward = argmax_forward,
};
