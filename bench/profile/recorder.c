/* Listening, and keeping time; see recorder.h.
 *
 * Each callback takes the clock when it is entered and when it leaves: what passes in
 * between is the recorder's own, and is taken from the span in which it happened. */
#include "bench/profile/recorder.h"

#include "core/threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* --------------------------------------------------------------- nodes -- */

/* The list with room for one more; NULL and failed if there is no memory. */
static void *room_for_one(profile_recorder *r, void *list, int count, int *capacity, size_t size)
{
    if (count < *capacity)
        return list;
    int more = *capacity ? 2 * *capacity : 256;
    void *grown = realloc(list, (size_t)more * size);
    if (grown)
        *capacity = more;
    else
        r->failed = true;
    return grown;
}

/* A node's child of this name, made if there is none; -1 without memory. */
static int child_of(profile_recorder *r, int parent, profile_node_kind kind, const char *name,
                    size_t length, tern_pass pass)
{
    bool first = r->in_first || (parent >= 0 && r->nodes[parent].first);
    int64_t head[4] = { parent, kind, pass, first };
    uint64_t key = profile_hash(profile_hash(PROFILE_HASH_START, head, sizeof head), name, length);
    int found = profile_index_find(&r->node_index, key);
    if (found >= 0)
        return found;
    char *copy = strndup(name, length);
    profile_node *nodes =
        room_for_one(r, r->nodes, r->node_count, &r->node_capacity, sizeof *nodes);
    r->nodes = nodes ? nodes : r->nodes;
    if (!copy || !nodes ||
        !profile_index_add(&r->node_index, key, r->node_count)) {
        free(copy);
        r->failed = true;
        return -1;
    }
    r->nodes[r->node_count] = (profile_node){ .kind = kind, .parent = parent, .name = copy,
                                            .pass = pass, .first = first };
    return r->node_count++;
}

/* The leaf for an op below the span that is open: one layer for each part of its path. */
static int leaf_of(profile_recorder *r, const tern_observed_op *op)
{
    char name[96];
    const char *provider = op->impl->provider;
    int at = r->open[r->depth - 1].node;
    for (const char *part = op->scope; *part && at >= 0;) {
        size_t length = strcspn(part, ".");
        at = child_of(r, at, PROFILE_NODE_LAYER, part, length, TERN_PASS_FORWARD);
        part += length + (part[length] == '.');
    }
    if (at < 0)
        return -1;
    bool is_default = strcmp(provider, "hand") == 0;
    int length = snprintf(name, sizeof name, "%s%s%s%s", op->call->op->name,
                          is_default ? "" : "/", is_default ? "" : provider,
                          op->pass == TERN_PASS_RESTORE ? " (again)" : "");
    length = length < (int)sizeof name ? length : (int)sizeof name - 1;
    return child_of(r, at, PROFILE_NODE_OP, name, (size_t)length, op->pass);
}

static int use_of(profile_recorder *r, const tern_observed_op *op)
{
    uint64_t problem = profile_problem_key(op);
    int64_t head[2] = { r->open[r->depth - 1].node, r->in_first };
    uint64_t key = profile_hash(problem, head, sizeof head);
    key = profile_hash(key, op->scope, strlen(op->scope));
    int found = profile_index_find(&r->use_index, key);
    if (found >= 0)
        return found;
    profile_use use = { .key = key, .node = leaf_of(r, op),
                      .problem = profile_problems_note(&r->problems, op, problem) };
    profile_use *uses = room_for_one(r, r->uses, r->use_count, &r->use_capacity, sizeof *uses);
    r->uses = uses ? uses : r->uses;
    if (use.node < 0 || use.problem < 0 || !uses ||
        !profile_index_add(&r->use_index, key, r->use_count)) {
        r->failed = true;
        return -1;
    }
    r->uses[r->use_count] = use;
    return r->use_count++;
}

/* -------------------------------------------------------------- events -- */

/* The event's number, or -1 if none is kept. */
static int64_t keep_event(profile_recorder *r, int node, int problem, int64_t begin, int64_t end)
{
    if (!r->keep_events)
        return -1;
    if (r->event_count == r->event_capacity && r->event_capacity < PROFILE_MOST_EVENTS) {
        int64_t more = r->event_capacity ? 2 * r->event_capacity : 4096;
        more = more < PROFILE_MOST_EVENTS ? more : PROFILE_MOST_EVENTS;
        profile_event *grown = realloc(r->events, (size_t)more * sizeof *grown);
        if (grown) {
            r->events = grown;
            r->event_capacity = more;
        }
    }
    if (r->event_count == r->event_capacity) {
        r->events_left_out++;
        return -1;
    }
    r->events[r->event_count] = (profile_event){ node, problem, begin - r->begin_ns,
                                               end - r->begin_ns };
    return r->event_count++;
}

/* What began at `entered` and ends now was the recorder's. */
static void count_own_time(profile_recorder *r, int64_t entered, int64_t left)
{
    r->recorder_ns += left - entered;
    r->nodes[r->open[r->depth - 1].node].below_ns += left - entered;
}

/* --------------------------------------------------------------- spans -- */

/* Before it began, after it ended, or without memory. */
static bool is_deaf(const profile_recorder *r)
{
    return r->failed || !r->depth;
}

static void span_begin(const char *name, void *user)
{
    profile_recorder *r = user;
    int64_t entered = now_ns();
    if (is_deaf(r))
        return;
    if (r->depth == PROFILE_SPAN_DEPTH) {
        r->too_deep++; /* its time stays with the span around it */
        return;
    }
    int node = child_of(r, r->open[r->depth - 1].node, PROFILE_NODE_SPAN, name, strlen(name),
                        TERN_PASS_FORWARD);
    if (node < 0)
        return;
    r->heard++;
    int64_t event = keep_event(r, node, -1, entered, entered), left = now_ns();
    count_own_time(r, entered, left);
    r->open[r->depth].node = node;
    r->open[r->depth].event = event;
    r->open[r->depth++].begin_ns = left;
    if (event >= 0)
        r->events[event].begin_ns = left - r->begin_ns;
}

static void close_span(profile_recorder *r, int64_t entered)
{
    int64_t begin = r->open[--r->depth].begin_ns, event = r->open[r->depth].event;
    profile_node *node = &r->nodes[r->open[r->depth].node];
    node->calls++;
    node->total_ns += entered - begin;
    if (event >= 0)
        r->events[event].end_ns = entered - r->begin_ns;
    if (r->depth)
        r->nodes[r->open[r->depth - 1].node].below_ns += entered - begin;
}

static void span_end(void *user)
{
    profile_recorder *r = user;
    int64_t entered = now_ns();
    if (is_deaf(r))
        return;
    if (r->too_deep) {
        r->too_deep--;
        return;
    }
    if (r->depth <= 1)
        return;
    close_span(r, entered);
    /* The span that holds a step's ops is over, and so is the step. */
    if (r->depth <= r->step_depth && r->step_has_ops)
        r->in_first = false;
    count_own_time(r, entered, now_ns());
}

/* ----------------------------------------------------------------- ops -- */

static void op_begin(const tern_observed_op *op, void *user)
{
    profile_recorder *r = user;
    (void)op;
    r->op_begin_ns = now_ns();
}

static void op_end(const tern_observed_op *op, void *user)
{
    profile_recorder *r = user;
    int64_t entered = now_ns(), spent = entered - r->op_begin_ns;
    int number = is_deaf(r) ? -1 : use_of(r, op);
    if (number < 0)
        return;
    profile_use *use = &r->uses[number];
    profile_node *node = &r->nodes[use->node];
    use->calls++, node->calls++;
    use->total_ns += spent, node->total_ns += spent;
    r->nodes[r->open[r->depth - 1].node].below_ns += spent;
    r->problems.seen[use->problem].calls++;
    r->heard++;
    r->step_has_ops = true;
    if (op->workspace_bytes > r->workspace_bytes)
        r->workspace_bytes = op->workspace_bytes;
    keep_event(r, use->node, use->problem, r->op_begin_ns, entered);
    count_own_time(r, entered, now_ns());
}

/* --------------------------------------------------------------- steps -- */

static void take_larger(size_t *most, size_t value)
{
    *most = value > *most ? value : *most;
}

static void step_end(tern_ctx *ctx, void *user)
{
    profile_recorder *r = user;
    int64_t entered = now_ns();
    tern_memory_report memory = tern_memory(ctx);
    if (!r->step_is_dry) { /* in one that is, nothing lies in memory */
        take_larger(&r->memory.arena_bytes, memory.arena_bytes);
        take_larger(&r->memory.unplanned_bytes, memory.unplanned_bytes);
    }
    take_larger(&r->memory.param_bytes, memory.param_bytes);
    take_larger(&r->memory.kept_bytes, memory.kept_bytes);
    take_larger(&r->memory.packed_bytes, memory.packed_bytes);
    snprintf(r->device, sizeof r->device, "%s", tern_device(ctx));
    snprintf(r->simd, sizeof r->simd, "%s", tern_simd_level(ctx));
    r->threads = tern_pool_threads(tern_ctx_pool(ctx));
    r->in_first = false;
    if (!is_deaf(r))
        count_own_time(r, entered, now_ns());
}

static bool is_new(profile_recorder *r, uint64_t signature)
{
    for (int i = 0; i < r->signature_count; i++)
        if (r->signatures[i] == signature)
            return false;
    uint64_t *grown = room_for_one(r, r->signatures, r->signature_count, &r->signature_capacity,
                                   sizeof *grown);
    if (!grown)
        return false;
    r->signatures = grown;
    r->signatures[r->signature_count++] = signature;
    return true;
}

static void step_begin(tern_ctx *ctx, uint64_t signature, bool dry, void *user)
{
    profile_recorder *r = user;
    (void)ctx;
    r->step_is_dry = dry;
    r->step_has_ops = false;
    r->step_depth = r->depth;
    r->dry_steps += dry;
    if (dry)
        return;
    r->steps++;
    r->in_first = is_new(r, signature);
    r->first_steps += r->in_first;
}

static void context_end(tern_ctx *ctx, void *user)
{
    profile_recorder *r = user;
    (void)ctx;
    r->signature_count = 0; /* the next context's steps touch memory of their own */
}

/* ----------------------------------------------------------------- run -- */

bool profile_recorder_begin(profile_recorder *r, const char *command, bool keep_events)
{
    *r = (profile_recorder){ .keep_events = keep_events };
    r->observer = (tern_observer){ span_begin, span_end, op_begin, op_end, step_end, step_begin,
                                   context_end, r };
    snprintf(r->command, sizeof r->command, "%s", command);
    if (child_of(r, -1, PROFILE_NODE_SPAN, command, strlen(command), TERN_PASS_FORWARD) < 0)
        return false;
    r->begin_ns = now_ns();
    r->open[0].node = 0;
    r->open[0].begin_ns = r->begin_ns;
    r->open[0].event = keep_event(r, 0, -1, r->begin_ns, r->begin_ns);
    r->depth = 1;
    return true;
}

/* Layers are as long as what is below them; a child's number is greater than its parent's. */
static void sum_up_layers(profile_recorder *r)
{
    for (int i = r->node_count - 1; i > 0; i--) {
        const profile_node *node = &r->nodes[i];
        profile_node *parent = &r->nodes[node->parent];
        if (parent->kind == PROFILE_NODE_LAYER) {
            parent->total_ns += node->total_ns;
            parent->below_ns += node->total_ns;
        }
    }
}

static void sum_up_costs(profile_recorder *r)
{
    for (int i = 0; i < r->use_count; i++) {
        const profile_use *use = &r->uses[i];
        const profile_problem *problem = &r->problems.seen[use->problem];
        bool costed = problem->cost.flops > 0 || problem->cost.bytes > 0;
        for (int at = use->node; at >= 0; at = r->nodes[at].parent) {
            profile_node *node = &r->nodes[at];
            node->flops += problem->cost.flops * (double)use->calls;
            node->bytes += problem->cost.bytes * (double)use->calls;
            node->costed_seconds += costed ? 1e-9 * (double)use->total_ns : 0;
            node->at_most = node->at_most || problem->at_most;
        }
    }
}

void profile_recorder_end(profile_recorder *r)
{
    int64_t end = now_ns();
    while (r->depth)
        close_span(r, end);
    r->wall_ns = r->nodes[0].total_ns;
    sum_up_layers(r);
    sum_up_costs(r);
}

void profile_recorder_free(profile_recorder *r)
{
    for (int i = 0; i < r->node_count; i++)
        free(r->nodes[i].name);
    free(r->nodes);
    free(r->uses);
    free(r->events);
    free(r->signatures);
    profile_index_free(&r->node_index);
    profile_index_free(&r->use_index);
    profile_problems_free(&r->problems);
    *r = (profile_recorder){ 0 };
}

int64_t profile_node_own_ns(const profile_node *node)
{
    return node->total_ns - node->below_ns;
}

const char *profile_kind_name(profile_node_kind kind)
{
    return kind == PROFILE_NODE_SPAN ? "span" : kind == PROFILE_NODE_LAYER ? "layer" : "op";
}
