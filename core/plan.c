/* Recording buffer lives and choosing offsets; see plan.h. */
#include "core/plan.h"

#include <stdlib.h>
#include <string.h>

static size_t aligned(size_t bytes)
{
    return (bytes + TERN_BUFFER_ALIGNMENT - 1) / TERN_BUFFER_ALIGNMENT * TERN_BUFFER_ALIGNMENT;
}

/* ------------------------------------------------------------- trace -- */

void tern_trace_begin(tern_trace *trace, const tern_plan *plan)
{
    trace->count = 0;
    trace->tick = 0;
    trace->plan = plan;
    trace->following = plan != NULL;
    trace->fresh = plan ? plan->peak : 0;
    trace->end = trace->fresh;
}

static bool room_for_one(tern_trace *trace)
{
    if (trace->count < trace->capacity)
        return true;
    int32_t capacity = trace->capacity ? 2 * trace->capacity : 1024;
    tern_buffer *grown = realloc(trace->buffers, (size_t)capacity * sizeof *grown);
    if (!grown)
        return false;
    trace->buffers = grown;
    trace->capacity = capacity;
    trace->allocations++;
    return true;
}

int32_t tern_trace_request(tern_trace *trace, size_t bytes)
{
    if (bytes > SIZE_MAX / 4 || !room_for_one(trace))
        return -1;
    int32_t number = trace->count++;
    tern_buffer *buffer = &trace->buffers[number];
    *buffer = (tern_buffer){ aligned(bytes), 0, trace->tick, trace->tick, false };
    if (trace->following) {
        const tern_plan *plan = trace->plan;
        trace->following = number < plan->count && plan->buffers[number].bytes == buffer->bytes &&
                           plan->buffers[number].born == buffer->born;
        if (trace->following) {
            buffer->offset = plan->buffers[number].offset;
            return number;
        }
    }
    buffer->offset = trace->fresh;
    trace->fresh += buffer->bytes;
    if (trace->fresh > trace->end)
        trace->end = trace->fresh;
    return number;
}

static bool overlap(const tern_buffer *a, const tern_buffer *b)
{
    return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

/* A use later than planned is harmless as long as nobody took the memory; from
 * then on the plan cannot be followed, for it would hand the memory out. */
bool tern_trace_touch(tern_trace *trace, int32_t number)
{
    tern_buffer *buffer = &trace->buffers[number];
    buffer->last = trace->tick;
    if (!trace->plan || number >= trace->plan->count)
        return true;
    const tern_buffer *planned = &trace->plan->buffers[number];
    if (trace->tick <= planned->last || planned->offset != buffer->offset)
        return true;
    for (int32_t later = number + 1; later < trace->count; later++)
        if (trace->buffers[later].born > planned->last && overlap(buffer, &trace->buffers[later]))
            return false;
    trace->following = false;
    return true;
}

void tern_trace_hold(tern_trace *trace, int32_t number)
{
    if (number >= 0)
        trace->buffers[number].held = true;
}

void tern_trace_consume(tern_trace *trace, int32_t number)
{
    if (number >= 0)
        trace->buffers[number].held = false;
}

bool tern_trace_needs_plan(const tern_trace *trace)
{
    return trace->count > 0 && (!trace->plan || !trace->following);
}

void tern_trace_free(tern_trace *trace)
{
    free(trace->buffers);
    *trace = (tern_trace){ 0 };
}

/* -------------------------------------------------------------- plan -- */

typedef struct placing {
    const tern_buffer *buffer;
    int32_t number;
} placing;

/* Large buffers first; among equals the older one, so that plans repeat. */
static int by_size(const void *left, const void *right)
{
    const placing *a = left, *b = right;
    if (a->buffer->bytes != b->buffer->bytes)
        return a->buffer->bytes < b->buffer->bytes ? 1 : -1;
    return (a->number > b->number) - (a->number < b->number);
}

static int by_offset(const void *left, const void *right)
{
    const tern_buffer *const *a = left, *const *b = right;
    return ((*a)->offset > (*b)->offset) - ((*a)->offset < (*b)->offset);
}

/* The lowest gap among the buffers that live at the same time. */
static size_t lowest_gap(const tern_buffer **neighbours, int32_t count, size_t bytes)
{
    size_t offset = 0;
    qsort(neighbours, (size_t)count, sizeof *neighbours, by_offset);
    for (int32_t i = 0; i < count; i++) {
        if (offset + bytes <= neighbours[i]->offset)
            break;
        size_t end = neighbours[i]->offset + neighbours[i]->bytes;
        offset = end > offset ? end : offset;
    }
    return offset;
}

static void place_all(tern_plan *plan, const placing *order, const tern_buffer **neighbours)
{
    for (int32_t i = 0; i < plan->count; i++) {
        tern_buffer *buffer = &plan->buffers[order[i].number];
        int32_t near = 0;
        for (int32_t j = 0; j < i; j++) {
            const tern_buffer *other = &plan->buffers[order[j].number];
            if (other->bytes && other->born <= buffer->last && buffer->born <= other->last)
                neighbours[near++] = other;
        }
        buffer->offset = lowest_gap(neighbours, near, buffer->bytes);
        plan->unplanned += buffer->bytes;
        if (buffer->offset + buffer->bytes > plan->peak)
            plan->peak = buffer->offset + buffer->bytes;
    }
}

bool tern_plan_build(tern_plan *plan, const tern_trace *trace, uint64_t signature)
{
    size_t count = (size_t)trace->count;
    *plan = (tern_plan){ .signature = signature, .count = trace->count };
    plan->buffers = malloc((count + 1) * sizeof *plan->buffers);
    placing *order = malloc((count + 1) * sizeof *order);
    const tern_buffer **neighbours = malloc((count + 1) * sizeof *neighbours);
    bool ok = plan->buffers && order && neighbours;
    if (ok) {
        memcpy(plan->buffers, trace->buffers, count * sizeof *plan->buffers);
        for (int32_t i = 0; i < plan->count; i++) {
            if (plan->buffers[i].held)
                plan->buffers[i].last = INT32_MAX;
            order[i] = (placing){ &trace->buffers[i], i };
        }
        qsort(order, count, sizeof *order, by_size);
        place_all(plan, order, neighbours);
    } else {
        tern_plan_free(plan);
    }
    free(order);
    free(neighbours);
    return ok;
}

void tern_plan_free(tern_plan *plan)
{
    free(plan->buffers);
    *plan = (tern_plan){ 0 };
}
