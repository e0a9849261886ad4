/* Memory planning: addresses without malloc, reuse without free.
 *
 * A step asks for buffers in a sequence that repeats from step to step.  The
 * first step of a signature records each buffer's size and the ticks (ops) of
 * its birth and last use; from that record an offset is chosen for each buffer
 * such that buffers whose lives overlap never share a byte:
 *
 *     offset
 *       ^   +--------+  +------+
 *       |   |   b    |  |  e   |
 *       |   +--------+--+------+--+
 *       |   | a  |      d      |
 *       +---+----+-------------+----> tick
 *
 * Later steps take buffer number i at its planned offset, so addresses repeat
 * and dead activations and gradients are reused.  A step that departs from the
 * plan (another size, another op) is still right: it goes on in fresh memory
 * above the plan and is planned anew.  Using a buffer whose memory the plan has
 * given away is detected, never silent.
 */
#ifndef TERN_CORE_PLAN_H
#define TERN_CORE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TERN_BUFFER_ALIGNMENT = 64 };

typedef struct tern_buffer {
    size_t bytes;  /* rounded up to the alignment */
    size_t offset; /* into the arena              */
    int32_t born, last;
    bool held; /* nobody has consumed it: a result, which lives to the end of the step */
} tern_buffer;

typedef struct tern_plan {
    uint64_t signature;
    tern_buffer *buffers;
    int32_t count;
    size_t peak;      /* arena bytes needed               */
    size_t unplanned; /* sum of all buffers: without reuse */
} tern_plan;

/* The buffers of the step in progress, and how they relate to a plan. */
typedef struct tern_trace {
    tern_buffer *buffers;
    int32_t count, capacity;
    int32_t tick;
    const tern_plan *plan; /* followed, or NULL                       */
    bool following;        /* every request so far was as planned     */
    size_t fresh;          /* next offset for requests without a plan */
    size_t end;            /* highest offset handed out               */
    uint64_t allocations;
} tern_trace;

void tern_trace_begin(tern_trace *trace, const tern_plan *plan);
/* Next buffer; its number, or -1 when host memory for the record is out or the
 * size overflows.  Look up its offset in trace->buffers. */
int32_t tern_trace_request(tern_trace *trace, size_t bytes);
/* Buffer is used at the current tick.  False if its memory was given away. */
bool tern_trace_touch(tern_trace *trace, int32_t buffer);
/* A result (an output, a gradient) lives to the end of the step, for the caller
 * may read it at any time, until another op consumes it. */
void tern_trace_hold(tern_trace *trace, int32_t number);
void tern_trace_consume(tern_trace *trace, int32_t number);
/* Did the step need anything that the plan it followed does not hold? */
bool tern_trace_needs_plan(const tern_trace *trace);
void tern_trace_free(tern_trace *trace);

/* Choose offsets for what the trace recorded.  False when out of host memory;
 * plan is then empty. */
bool tern_plan_build(tern_plan *plan, const tern_trace *trace, uint64_t signature);
void tern_plan_free(tern_plan *plan);

#endif
