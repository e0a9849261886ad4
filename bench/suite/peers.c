#include "bench/suite/peers.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_BREAKDOWNS = 2 }; /* of one peer; then it is not started again */

static const double USUAL_SECONDS = 300; /* torch.compile takes its time */

bool bench_peers_open(bench_suite *suite, tern_error *error)
{
    suite->peers = calloc(1, sizeof *suite->peers);
    return suite->peers || tern_error_set(error, TERN_ERR_MEMORY, "no memory for the peers");
}

static void remove_folder(const char *folder)
{
    DIR *open = opendir(folder);
    const struct dirent *entry;
    while (open && (entry = readdir(open)))
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(open), entry->d_name, 0);
    if (open)
        closedir(open);
    rmdir(folder);
}

void bench_peers_close(bench_suite *suite)
{
    bench_peers *peers = suite->peers;
    for (int i = 0; peers && i < BENCH_PEERS; i++)
        for (int j = 0; j < BENCH_LIST; j++)
            bench_peer_end(peers->kept[i][j].peer);
    for (int i = 0; peers && i < BENCH_PEERS; i++)
        for (int j = 0; j < BENCH_LIST; j++)
            peers->kept[i][j].peer = NULL;
    if (peers && *peers->folder)
        remove_folder(peers->folder);
}

bench_peer *bench_peers_start(bench_suite *suite, int number, int threads, const char *simd,
                              tern_error *error)
{
    const bench_settings *settings = suite->settings;
    bench_peer_opts opts = {
        .command = number < 0 ? settings->serve : settings->peers[number].command,
        .threads = threads, .simd = simd,
        .patience = { settings->peer_seconds > 0 ? settings->peer_seconds : USUAL_SECONDS,
                      settings->stop, settings->user },
    };
    if (!opts.command) {
        tern_error_set(error, TERN_ERR_MISSING, "tern's own process for whole models is not given");
        return NULL;
    }
    return bench_peer_start(&opts, error);
}

bench_peer *bench_peers_of_ops(bench_suite *suite, int number, int thread_number,
                               tern_error *error)
{
    bench_peer **peer = &suite->peers->kept[number][thread_number].peer;
    int *broke = &suite->peers->kept[number][thread_number].broke;
    if (*peer && bench_peer_is_broken(*peer)) {
        bench_peer_end(*peer);
        *peer = NULL;
        ++*broke;
    }
    if (!*peer && *broke == MOST_BREAKDOWNS)
        tern_error_set(error, TERN_ERR_IO, "it broke down %d times before", *broke);
    else if (!*peer)
        *peer = bench_peers_start(suite, number, suite->settings->threads[thread_number], NULL,
                                  error);
    return *peer;
}

bool bench_peers_heard(bench_suite *suite, int number, const bench_peer *peer)
{
    bench_peers *peers = suite->peers;
    if (number >= 0) {
        snprintf(peers->about[number], sizeof peers->about[number], "%s", bench_peer_about(peer));
        snprintf(peers->cold[number], sizeof peers->cold[number], "%s", bench_peer_cold(peer));
    }
    return *bench_peer_cold(peer) != '\0';
}

const char *bench_peers_folder(bench_suite *suite, tern_error *error)
{
    bench_peers *peers = suite->peers;
    const char *temporary = getenv("TMPDIR");
    if (*peers->folder)
        return peers->folder;
    int length = snprintf(peers->folder, sizeof peers->folder, "%s/tern-bench-XXXXXX",
                          temporary && *temporary ? temporary : "/tmp");
    /* Room is left for the names of files. */
    if (length < BENCH_PATH - 128 && mkdtemp(peers->folder))
        return peers->folder;
    tern_error_set(error, TERN_ERR_IO, "no folder %s for files to other programs: %s",
                   peers->folder, strerror(errno));
    peers->folder[0] = '\0';
    return NULL;
}
