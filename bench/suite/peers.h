/* The suite's processes: peers that stay for all problems of ops, and the files with which
 * values go to and fro.
 *
 * A whole model has processes of its own, since their memory is measured; starting a
 * framework takes seconds, so one process of it serves all ops on one number of threads.
 */
#ifndef TERN_BENCH_SUITE_PEERS_H
#define TERN_BENCH_SUITE_PEERS_H

#include "bench/process/peer.h"
#include "bench/suite/suite.h"

typedef struct bench_peers {
    struct {
        bench_peer *peer; /* NULL: not started, or ended when it broke */
        int broke;        /* how often */
    } kept[BENCH_PEERS][BENCH_LIST]; /* of ops: by its number and that of the thread count */
    char about[BENCH_PEERS][512], cold[BENCH_PEERS][512]; /* what they say of themselves */
    char folder[BENCH_PATH];                              /* of files; "" before the first */
} bench_peers;

/* Started and ended with the suite, in suite->peers. */
bool bench_peers_open(bench_suite *suite, tern_error *error);
/* Ends the processes and removes the files. */
void bench_peers_close(bench_suite *suite);

/* A process for a whole model, which the caller ends: tern's own if number is -1; or that of
 * ops, started anew if it broke down.  simd may be NULL. */
bench_peer *bench_peers_start(bench_suite *suite, int number, int threads, const char *simd,
                              tern_error *error);
bench_peer *bench_peers_of_ops(bench_suite *suite, int number, int thread_number,
                               tern_error *error);
/* What the peer said when it was started, for the report; true if it can empty the caches. */
bool bench_peers_heard(bench_suite *suite, int number, const bench_peer *peer);

/* The folder; NULL and an error if there can be none. */
const char *bench_peers_folder(bench_suite *suite, tern_error *error);

#endif
