/* What a run did: an observer (core/observer.h) that keeps the time of every span and kernel.
 *
 * It grows a tree as it listens.  Inside nodes are spans and, below them, the parts of the
 * layer path in which an op was applied; leaves are ops:
 *
 *     tern train                     command
 *       train step                   span
 *         forward                    span
 *           face                     layer
 *             conv1                  layer
 *               conv2d               op
 *         backward                   span
 *           face ...
 *
 * Every nanosecond between begin and end belongs to exactly one node's own time, or to the
 * recorder: own times and recorder_ns together are the wall time.  What happens in the first
 * step of a shape, which touches its memory for the first time, is kept in nodes of its own
 * (`first`), so that it does not colour the rest.
 *
 * Out of memory it stops to record, says so in `failed`, and disturbs nobody.
 */
#ifndef TERN_BENCH_PROFILE_RECORDER_H
#define TERN_BENCH_PROFILE_RECORDER_H

#include "bench/profile/problems.h"
#include "core/context.h"
#include "core/observer.h"

typedef enum profile_node_kind {
    PROFILE_NODE_SPAN,
    PROFILE_NODE_LAYER,
    PROFILE_NODE_OP
} profile_node_kind;

typedef struct profile_node {
    profile_node_kind kind;
    int parent;       /* -1: the root, node 0 */
    char *name;       /* of an op its name, with its provider if that is not "hand" */
    tern_pass pass;   /* of an op */
    bool first;       /* in the first step of a shape */
    int64_t calls;    /* of a span or op; of a layer 0 */
    int64_t total_ns; /* of a layer: of what is below it */
    int64_t below_ns; /* of that, in nodes below and in the recorder */
    /* Sums over all ops at and below the node, once profile_recorder_end has been called. */
    double flops, bytes;
    double costed_seconds;  /* in ops whose contract gives a cost                           */
    double roof_seconds;    /* that these would take at the roofline: profile_roof_apply  */
    bool at_most;           /* some gradient counted in flops and bytes was not asked for   */
} profile_node;

/* The calls of one op in one place on one problem. */
typedef struct profile_use {
    uint64_t key;
    int node, problem;
    int64_t calls, total_ns;
} profile_use;

/* One span or kernel, for the trace file.  problem is -1 of spans. */
typedef struct profile_event {
    int32_t node, problem;
    int64_t begin_ns, end_ns; /* from the recorder's begin */
} profile_event;

enum { PROFILE_SPAN_DEPTH = 32, PROFILE_MOST_EVENTS = 4000000, PROFILE_MODEL_BYTES = 512 };

typedef struct profile_recorder {
    tern_observer observer; /* to be given to what is watched; its user is the recorder */
    char command[PROFILE_MODEL_BYTES];

    profile_node *nodes;
    int node_count, node_capacity;
    profile_index node_index;
    profile_use *uses;
    int use_count, use_capacity;
    profile_index use_index;
    profile_problems problems;

    bool keep_events;
    profile_event *events;
    int64_t event_count, event_capacity, events_left_out;

    int64_t begin_ns, wall_ns, recorder_ns;
    int64_t heard;                     /* spans and kernels         */
    int64_t steps, first_steps, dry_steps;
    bool in_first;                     /* the step in progress is the first of its shape */
    int step_depth;                    /* spans that were open when it began             */
    bool step_has_ops, step_is_dry;
    uint64_t *signatures;              /* of the context's steps so far */
    int signature_count, signature_capacity;
    struct {
        int node;
        int64_t begin_ns, event;
    } open[PROFILE_SPAN_DEPTH];          /* spans, the root first */
    int depth, too_deep;
    int64_t op_begin_ns;

    tern_memory_report memory;         /* the most of each, over all steps */
    size_t workspace_bytes;            /* the most of any kernel           */
    char device[32], simd[16];         /* of the last context              */
    int threads;
    bool failed;
} profile_recorder;

/* Begin to record what is known by this name.  keep_events: for profile_trace_write.  False if
 * there is no memory; free in any case. */
bool profile_recorder_begin(profile_recorder *recorder, const char *command, bool keep_events);
/* The run is over: close what is open, and sum up costs. */
void profile_recorder_end(profile_recorder *recorder);
void profile_recorder_free(profile_recorder *recorder);

/* "span", "layer", "op" */
const char *profile_kind_name(profile_node_kind kind);

/* Nanoseconds of the node that no node below it has, nor the recorder; all of an op's. */
int64_t profile_node_own_ns(const profile_node *node);

#endif
