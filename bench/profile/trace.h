/* A recorded run as JSON trace events, for chrome://tracing and https://ui.perfetto.dev. */
#ifndef TERN_BENCH_PROFILE_TRACE_H
#define TERN_BENCH_PROFILE_TRACE_H

#include "bench/profile/recorder.h"

/* Write what a recorder with keep_events heard: events that begin ("ph": "B") and end ("E"),
 * in microseconds from the beginning of the run, for each span, each layer and each op,
 * properly nested; ops carry their inputs, options, FLOPs and rates as arguments.  A layer
 * lasts from the first to the last of its ops that follow each other. */
bool profile_trace_write(const profile_recorder *recorder, const char *path, tern_error *error);

#endif
