#include "bench/process/peer.h"

#include "bench/measure/machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROTOCOL = 1, TEXT = 512 };

/* A clock may tick between its reading and ours. */
static const double CLOCK_SECONDS = 1e-3;
static const double ENDING_SECONDS = 2;

struct bench_peer {
    bench_child *child; /* NULL: broken */
    bench_patience patience;
    bool started;
    char about[TEXT], cold[TEXT];
};

/* --------------------------------------------------------------- lines -- */

static void give_up(bench_peer *peer)
{
    bench_child_end(peer->child, 0);
    peer->child = NULL;
}

/* What it says must be readable: anything else is garbage, which is quoted. */
static bool refuse(bench_peer *peer, const char *line, tern_error *error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static bool refuse(bench_peer *peer, const char *line, tern_error *error, const char *format, ...)
{
    char what[TEXT];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    tern_error_set(error, TERN_ERR_FORMAT, "%s%s%.80s", what, line ? ": " : "", line ? line : "");
    give_up(peer);
    return false;
}

static bool tell(bench_peer *peer, const json_t *what, tern_error *error)
{
    char *text = json_dumps(what, JSON_COMPACT | JSON_REAL_PRECISION(9)), *line = NULL;
    bool ok = text && asprintf(&line, "%s\n", text) >= 0;
    if (!ok)
        tern_error_set(error, TERN_ERR_MEMORY, "no memory for a line to another program");
    ok = ok && bench_child_tell(peer->child, line, error);
    free(line);
    free(text);
    return ok;
}

/* A JSON object that is no error; NULL and the peer is ended. */
static json_t *answer(bench_peer *peer, double more_seconds, tern_error *error)
{
    bench_patience patience = peer->patience;
    patience.seconds += more_seconds;
    const char *line = bench_child_answer(peer->child, &patience, error);
    if (!line) {
        give_up(peer);
        return NULL;
    }
    json_t *reply = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    const char *broke = json_string_value(json_object_get(reply, "error"));
    if (!json_is_object(reply))
        refuse(peer, line, error, "its answer is no JSON object");
    else if (broke)
        refuse(peer, NULL, error, "%s", broke);
    else
        return reply;
    json_decref(reply);
    return NULL;
}

/* Takes `question`; the answer, or NULL and an error. */
static json_t *ask(bench_peer *peer, json_t *question, double more_seconds, tern_error *error)
{
    bool ok = peer->child || tern_error_set(error, TERN_ERR_IO, "it broke down before");
    if (ok && !question)
        ok = tern_error_set(error, TERN_ERR_MEMORY, "no memory for a line to another program");
    if (ok && !(ok = tell(peer, question, error)))
        give_up(peer);
    json_decref(question);
    return ok ? answer(peer, more_seconds, error) : NULL;
}

/* ------------------------------------------------------------- starting -- */

bench_peer *bench_peer_start(const bench_peer_opts *opts, tern_error *error)
{
    bench_peer *peer = calloc(1, sizeof *peer);
    json_t *start = json_pack("{s:s, s:i, s:i, s:s*}", "do", "start", "protocol", PROTOCOL,
                              "threads", opts->threads, "simd", opts->simd);
    if (!peer || !start)
        tern_error_set(error, TERN_ERR_MEMORY, "no memory for another program");
    else
        peer->child = bench_child_start(opts->command, error);
    if (!peer || !peer->child || !tell(peer, start, error)) {
        json_decref(start);
        bench_peer_end(peer);
        return NULL;
    }
    json_decref(start);
    peer->patience = opts->patience;
    return peer;
}

/* What it says of itself, in one line. */
static void take_text(const json_t *reply, const char *key, char text[TEXT])
{
    const char *found = json_string_value(json_object_get(reply, key));
    snprintf(text, TEXT, "%s", found ? found : "");
    text[strcspn(text, "\n")] = '\0';
}

bool bench_peer_wait(bench_peer *peer, tern_error *error)
{
    if (peer->started && peer->child)
        return true;
    if (!peer->child)
        return tern_error_set(error, TERN_ERR_IO, "it broke down before");
    json_t *reply = answer(peer, 0, error);
    if (!reply)
        return false;
    peer->started = true;
    take_text(reply, "about", peer->about);
    take_text(reply, "cold", peer->cold);
    json_decref(reply);
    return true;
}

void bench_peer_end(bench_peer *peer)
{
    tern_error unheard = { 0 };
    json_t *end = json_pack("{s:s}", "do", "end");
    if (peer && peer->child && end)
        tell(peer, end, &unheard);
    if (peer)
        bench_child_end(peer->child, ENDING_SECONDS);
    json_decref(end);
    free(peer);
}

bool bench_peer_is_broken(const bench_peer *peer)
{
    return !peer->child;
}

const char *bench_peer_about(const bench_peer *peer)
{
    return peer->about;
}

const char *bench_peer_cold(const bench_peer *peer)
{
    return peer->cold;
}

/* ------------------------------------------------------------- problems -- */

bool bench_peer_open(bench_peer *peer, json_t *problem, tern_error *error)
{
    json_object_set_new(problem, "do", json_string("open"));
    if (!bench_peer_wait(peer, error)) {
        json_decref(problem);
        return false;
    }
    json_t *reply = ask(peer, problem, 0, error);
    const char *cannot = json_string_value(json_object_get(reply, "cannot"));
    bool ok = reply && !cannot;
    if (cannot)
        tern_error_set(error, TERN_ERR_MISSING, "cannot: %s", cannot);
    json_decref(reply);
    return ok;
}

void bench_peer_close(bench_peer *peer)
{
    tern_error unheard = { 0 };
    if (peer->child && peer->started)
        json_decref(ask(peer, json_pack("{s:s}", "do", "close"), 0, &unheard));
}

bool bench_peer_check(bench_peer *peer, const char *what, const char *file, const char *into,
                      tern_error *error)
{
    json_t *reply = ask(peer, json_pack("{s:s, s:s, s:s}", "do", "check", what, file, "into", into),
                        0, error);
    json_decref(reply);
    return reply != NULL;
}

/* A whole number that may be missing (-1); false if it is something else. */
static bool take_number(const json_t *reply, const char *key, int64_t *number)
{
    const json_t *value = json_object_get(reply, key);
    *number = value ? json_integer_value(value) : -1;
    return !value || (json_is_integer(value) && *number >= 0);
}

static bool take_times(bench_peer *peer, const json_t *reply, bench_peer_turn turn,
                       double elapsed, bench_peer_times *times, tern_error *error)
{
    const json_t *list = json_object_get(reply, "seconds");
    double all = 0;
    int64_t left_out;
    if (!json_is_array(list) || (int)json_array_size(list) != turn.count)
        return refuse(peer, NULL, error, "it was asked for %d times and told %zu", turn.count,
                      json_array_size(list));
    for (int i = 0; i < turn.count; i++) {
        times->seconds[i] = json_number_value(json_array_get(list, (size_t)i));
        if (!(times->seconds[i] > 0))
            return refuse(peer, NULL, error, "a run that took %g seconds", times->seconds[i]);
        all += times->seconds[i];
    }
    if (all > elapsed + CLOCK_SECONDS)
        return refuse(peer, NULL, error, "it says that its runs took %.3g s; it was asked %.3g s "
                      "before", all, elapsed);
    if (!take_number(reply, "left_out", &left_out) ||
        !take_number(reply, "memory_growth", &times->memory_growth) ||
        !take_number(reply, "allocations", &times->allocations))
        return refuse(peer, NULL, error, "left_out, memory_growth and allocations are numbers "
                      "from 0 on");
    times->left_out = left_out > 0 ? (int)(left_out > turn.count ? turn.count : left_out) : 0;
    return true;
}

bool bench_peer_run(bench_peer *peer, bench_peer_turn turn, bench_peer_times *times,
                    tern_error *error)
{
    double start = bench_seconds();
    json_t *reply = ask(peer, json_pack("{s:s, s:i, s:f, s:b}", "do", "run", "count", turn.count,
                                        "warm_up_seconds", turn.warm_up_seconds, "cold",
                                        (int)turn.cold), turn.warm_up_seconds, error);
    bool ok = reply && take_times(peer, reply, turn, bench_seconds() - start, times, error);
    json_decref(reply);
    return ok;
}
