/* Writing trace events; see trace.h. */
#include "bench/profile/trace.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { MOST_LAYERS = 64 };

/* Layers whose ops are being written, when the last of these ended, and spans around them. */
typedef struct writer {
    const profile_recorder *recorder;
    FILE *file;
    int layers[MOST_LAYERS];
    int depth;
    const profile_event *spans[PROFILE_SPAN_DEPTH];
    int span_count;
    int64_t last_end_ns;
    int64_t written;
} writer;

/* phase is "B" or "E".  Takes the arguments' reference; false if there is no memory. */
static bool write_event(writer *w, int node, const char *phase, int64_t at_ns, json_t *arguments)
{
    const profile_node *n = &w->recorder->nodes[node];
    json_t *json = json_pack("{s:s, s:s, s:s, s:i, s:i, s:f}", "name", n->name, "cat",
                             profile_kind_name(n->kind), "ph", phase, "pid", 1, "tid", 1, "ts",
                             1e-3 * (double)at_ns);
    if (arguments)
        json_object_set_new(json, "args", arguments);
    bool ok = json != NULL;
    if (ok) {
        fputs(w->written++ ? ",\n" : "\n", w->file);
        ok = json_dumpf(json, w->file, JSON_COMPACT | JSON_REAL_PRECISION(15)) == 0;
    }
    json_decref(json);
    return ok;
}

static json_t *op_arguments(const profile_recorder *r, const profile_event *event)
{
    const profile_problem *problem = &r->problems.seen[event->problem];
    double seconds = 1e-9 * (double)(event->end_ns - event->begin_ns);
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:b}", "pass", profile_pass_name(problem->pass),
                             "inputs", problem->inputs, "options", problem->options, "provider",
                             problem->provider, "first step of its shape",
                             r->nodes[event->node].first);
    if (json && problem->cost.flops > 0)
        json_object_set_new(json, "FLOPs", json_real(problem->cost.flops));
    if (json && problem->cost.bytes > 0)
        json_object_set_new(json, "bytes", json_real(problem->cost.bytes));
    if (json && problem->cost.flops > 0 && seconds > 0)
        json_object_set_new(json, "GFLOP/s", json_real(1e-9 * problem->cost.flops / seconds));
    return json;
}

static bool close_layers(writer *w, int depth)
{
    bool ok = true;
    while (w->depth > depth)
        ok = write_event(w, w->layers[--w->depth], "E", w->last_end_ns, NULL) && ok;
    return ok;
}

/* The layers that an op is in, from the outside; their number. */
static int layers_of(const profile_recorder *r, int node, int path[MOST_LAYERS])
{
    int count = 0;
    for (int at = r->nodes[node].parent; at >= 0 && r->nodes[at].kind == PROFILE_NODE_LAYER;
         at = r->nodes[at].parent)
        count++;
    count = count < MOST_LAYERS ? count : MOST_LAYERS;
    for (int i = count - 1, at = r->nodes[node].parent; i >= 0; i--, at = r->nodes[at].parent)
        path[i] = at;
    return count;
}

static bool write_op(writer *w, const profile_event *event)
{
    int path[MOST_LAYERS], count = layers_of(w->recorder, event->node, path), same = 0;
    while (same < count && same < w->depth && w->layers[same] == path[same])
        same++;
    bool ok = close_layers(w, same);
    for (; w->depth < count; w->depth++) {
        w->layers[w->depth] = path[w->depth];
        ok = write_event(w, path[w->depth], "B", event->begin_ns, NULL) && ok;
    }
    w->last_end_ns = event->end_ns;
    return write_event(w, event->node, "B", event->begin_ns, op_arguments(w->recorder, event)) &&
           write_event(w, event->node, "E", event->end_ns, NULL) && ok;
}

/* End the layers and the spans that are over at a time. */
static bool close_spans(writer *w, int64_t at_ns)
{
    bool ok = true;
    while (w->span_count && w->spans[w->span_count - 1]->end_ns <= at_ns) {
        const profile_event *span = w->spans[--w->span_count];
        ok = close_layers(w, 0) && write_event(w, span->node, "E", span->end_ns, NULL) && ok;
    }
    return ok;
}

/* Spans and ops come as they began, so a layer is over where a span begins or ends. */
static bool write_events(writer *w)
{
    const profile_recorder *r = w->recorder;
    bool ok = true;
    for (int64_t i = 0; i < r->event_count && ok; i++) {
        const profile_event *event = &r->events[i];
        ok = close_spans(w, event->begin_ns);
        if (event->problem >= 0) {
            ok = write_op(w, event) && ok;
        } else {
            w->spans[w->span_count++] = event;
            ok = close_layers(w, 0) && ok;
            ok = write_event(w, event->node, "B", event->begin_ns, NULL) && ok;
        }
    }
    return close_spans(w, INT64_MAX) && ok;
}

bool profile_trace_write(const profile_recorder *recorder, const char *path, tern_error *error)
{
    writer w = { .recorder = recorder, .file = fopen(path, "w") };
    if (!w.file)
        return tern_error_set(error, TERN_ERR_IO, "%s: it cannot be written: %s", path,
                              strerror(errno));
    fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[", w.file);
    bool ok = write_events(&w);
    fprintf(w.file, ",\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":1,"
                    "\"args\":{\"name\":\"%s\"}}\n],\n\"otherData\":{\"events left out\":%lld}}\n",
            "the context's thread", (long long)recorder->events_left_out);
    ok = !ferror(w.file) && ok;
    ok = fclose(w.file) == 0 && ok;
    return ok || tern_error_set(error, TERN_ERR_IO, "%s: it could not be written whole: %s", path,
                                strerror(errno));
}
