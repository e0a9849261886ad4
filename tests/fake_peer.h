/* A peer of `tern bench` that a test makes up: it multiplies matrices, and does one thing wrong. */
#ifndef TERN_TESTS_FAKE_PEER_H
#define TERN_TESTS_FAKE_PEER_H

/* What a run of it takes. */
#define FAKE_PEER_SECONDS 2e-3

/* Serve on standard input and output as `manner` says: "honest", or one of the faults that
 * fake_peer.c lists.  For a test program that was started with that argument; returns main's
 * status. */
int fake_peer(const char *manner);

/* "exec 'THIS PROGRAM' MANNER" into command. */
void fake_peer_command(char *command, int size, const char *manner);

#endif
