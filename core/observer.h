/* Watching a program at work: what a profiler is told.
 *
 * An observer hears of spans (named stretches of a run: "wait for data", "backward") and of
 * each kernel that runs, in the order of time and always nested: what begins last ends
 * first.  It is called from the thread that uses the context, never from others.
 *
 *     span "train step"
 *       span "forward"     op conv2d, op relu, op linear ...
 *       span "backward"    op linear, op relu, op conv2d ...
 *
 * Where nobody observes, that is found out by testing one pointer.  Of an op, the observer
 * sees its kernel alone: checks, planning and the tape belong to the span around it.  On a
 * device that works on its own, the context waits for a kernel before it says that it ended.
 */
#ifndef TERN_CORE_OBSERVER_H
#define TERN_CORE_OBSERVER_H

#include "core/op.h"

TERN_API_BEGIN

typedef enum tern_pass {
    TERN_PASS_FORWARD,
    TERN_PASS_BACKWARD,
    TERN_PASS_RESTORE /* an output is made once more for another op's backward */
} tern_pass;

/* One run of a kernel.  What the call points to may be looked at until op_end returns;
 * values of tensors without data (see tern_call) are not there. */
typedef struct tern_observed_op {
    const tern_call *call;
    const tern_impl *impl;
    tern_pass pass;
    const char *scope; /* the layer path in which the op was applied */
    size_t workspace_bytes;
} tern_observed_op;

/* Any of the functions may be NULL. */
typedef struct tern_observer {
    void (*span_begin)(const char *name, void *user); /* the name outlives the observer */
    void (*span_end)(void *user);
    void (*op_begin)(const tern_observed_op *op, void *user);
    void (*op_end)(const tern_observed_op *op, void *user);
    /* A step is over, for another begins or the context is freed; tern_memory still tells of
     * it. */
    void (*step_end)(tern_ctx *ctx, void *user);
    /* A step begins.  Steps of one signature have the same shapes, and the first of them that
     * is not dry is the first to touch its memory. */
    void (*step_begin)(tern_ctx *ctx, uint64_t signature, bool dry, void *user);
    /* The context is about to be freed; step_end has been called. */
    void (*context_end)(tern_ctx *ctx, void *user);
    void *user;
} tern_observer;

/* Let an observer watch the context; NULL: nobody.  It must outlive the context. */
void tern_observe(tern_ctx *ctx, const tern_observer *observer);
const tern_observer *tern_observer_of(const tern_ctx *ctx);

/* A span of the program's own.  observer may be NULL. */
static inline void tern_span_begin(const tern_observer *observer, const char *name)
{
    if (observer && observer->span_begin)
        observer->span_begin(name, observer->user);
}
static inline void tern_span_end(const tern_observer *observer)
{
    if (observer && observer->span_end)
        observer->span_end(observer->user);
}

TERN_API_END

#endif
