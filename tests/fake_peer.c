/* Made-up peers; see fake_peer.h and bench/process/peer.h. */
#include "tests/fake_peer.h"

#include "core/safetensors.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SIDE = 16 }; /* all its matrices are square */

typedef struct fake {
    const char *manner;
    int checks, runs;
    bool is_model, has_gradients;
} fake;

static bool is(const fake *f, const char *manner)
{
    return strcmp(f->manner, manner) == 0;
}

/* ------------------------------------------------------------- products -- */

static void multiply(const float *a, const float *b, bool a_down, bool b_down, float *y)
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            double sum = 0;
            for (int k = 0; k < SIDE; k++)
                sum += (double)a[a_down ? k * SIDE + i : i * SIDE + k] *
                       b[b_down ? j * SIDE + k : k * SIDE + j];
            y[i * SIDE + j] = (float)sum;
        }
}

static const float *values(tern_safetensors *file, const char *name)
{
    tern_error error = { 0 };
    const tern_stored *stored = tern_safetensors_find(file, name, &error);
    return stored ? stored->data : NULL;
}

static bool write_products(fake *f, const char *inputs, const char *path)
{
    tern_error error = { 0 };
    float y[SIDE * SIDE], da[SIDE * SIDE], db[SIDE * SIDE];
    int64_t shape[] = { SIDE, SIDE };
    tern_safetensors *file = tern_safetensors_open(inputs, &error);
    tern_safetensors_writer *writer = file ? tern_safetensors_create(path, &error) : NULL;
    if (!writer)
        return false;
    const float *a = values(file, "a"), *b = values(file, "b");
    const float *g = values(file, "grad_output.y");
    multiply(a, b, false, false, y);
    y[7] += is(f, "wrong") || (is(f, "wrong later") && f->checks == 2) ? 1.0f : 0;
    tern_safetensors_add(writer, is(f, "nameless") ? "y" : "output.y", TERN_F32, 2, shape, y);
    if (f->has_gradients && !is(f, "forgetful")) {
        multiply(g, b, false, true, da);
        multiply(a, g, true, false, db);
        da[3] += is(f, "wrong gradient") ? 1.0f : 0;
        tern_safetensors_add(writer, "gradient.a", TERN_F32, 2, shape, da);
        tern_safetensors_add(writer, "gradient.b", TERN_F32, 2, shape, db);
    }
    bool ok = tern_safetensors_finish(writer);
    tern_safetensors_close(file);
    return ok;
}

/* Of any model. */
static bool write_zeros(const char *path)
{
    tern_error error = { 0 };
    float zeros[7] = { 0 };
    tern_safetensors_writer *writer = tern_safetensors_create(path, &error);
    tern_safetensors_add(writer, "logits", TERN_F32, 2, (int64_t[]){ 1, 7 }, zeros);
    return tern_safetensors_finish(writer);
}

/* -------------------------------------------------------------- answers -- */

static void say(const char *line)
{
    printf("%s\n", line);
    fflush(stdout);
}

static void hang(void)
{
    signal(SIGTERM, SIG_IGN);
    sleep(1000);
}

/* Of this process, so that another that takes the core away does not count. */
static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double spin(void)
{
    double start = cpu_seconds();
    while (cpu_seconds() < start + FAKE_PEER_SECONDS)
        continue;
    return cpu_seconds() - start;
}

static void check(fake *f, const json_t *question)
{
    char path[1024];
    f->checks++;
    snprintf(path, sizeof path, "%s.results.safetensors",
             json_string_value(json_object_get(question, "into")));
    bool ok = is(f, "lazy") ||
              (f->is_model ? write_zeros(path)
                           : write_products(f, json_string_value(json_object_get(question,
                                                                                 "inputs")), path));
    say(ok ? "{}" : "{\"error\": \"no file\"}");
}

static void run(fake *f, const json_t *question)
{
    int count = (int)json_integer_value(json_object_get(question, "count"));
    json_t *seconds = json_array();
    spin();
    for (int i = 0; i < count + is(f, "generous"); i++) {
        double took = spin();
        json_array_append_new(seconds, json_real(is(f, "slow by its own clock") ? took + 10
                                                 : is(f, "timeless") ? 0 : took));
    }
    json_t *reply = json_pack("{s:o, s:i}", "seconds", seconds, "left_out", is(f, "not a number"));
    char *text = json_dumps(reply, 0);
    f->runs++;
    if (is(f, "dies at run") && f->runs == 5)
        raise(SIGKILL);
    if (is(f, "hangs at run") && f->runs == 5)
        hang();
    say(is(f, "mute") ? "{}" : is(f, "worded") ? "{\"seconds\": \"none\"}" : text);
    free(text);
    json_decref(reply);
    if (is(f, "leaves") && f->runs == 5)
        exit(4); /* so that nobody reads what it is told next */
}

/* Something that goes on after its parent has died, if it is let. */
static void leave_orphan(void)
{
    if (fork() == 0) {
        close(0), close(1);
        hang();
        _exit(0);
    }
}

static void start(const fake *f)
{
    if (is(f, "hangs"))
        hang();
    if (is(f, "orphan"))
        leave_orphan();
    if (is(f, "garbage"))
        say("Traceback (most recent call last):");
    if (is(f, "list"))
        say("[1, 2]");
    for (int i = 0; is(f, "endless") && i < 100000; i++)
        printf("xxxxxxxxxx");
    if (is(f, "dies")) {
        fprintf(stderr, "first line\nno module named torch\n\n");
        exit(3);
    }
    say("{\"about\": \"a fake\", \"cold\": \"it pretends\"}");
}

static void open_problem(fake *f, const json_t *question)
{
    const char *pass = json_string_value(json_object_get(question, "pass"));
    f->is_model = json_object_get(question, "model") != NULL;
    f->has_gradients = pass && strcmp(pass, "bwd") == 0;
    f->checks = 0;
    say(is(f, "unable") ? "{\"cannot\": \"matrices are not its thing\"}"
        : is(f, "broken") ? "{\"error\": \"RuntimeError: no kernel\"}" : "{}");
}

int fake_peer(const char *manner)
{
    fake f = { .manner = manner };
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        json_t *question = json_loads(line, 0, NULL);
        const char *what = json_string_value(json_object_get(question, "do"));
        if (!what || strcmp(what, "end") == 0)
            break;
        if (strcmp(what, "start") == 0)
            start(&f);
        else if (strcmp(what, "open") == 0)
            open_problem(&f, question);
        else if (strcmp(what, "check") == 0)
            check(&f, question);
        else if (strcmp(what, "run") == 0)
            run(&f, question);
        else
            say("{}");
        json_decref(question);
    }
    free(line);
    return 0;
}

void fake_peer_command(char *command, int size, const char *manner)
{
    char path[512];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    snprintf(command, (size_t)size, "exec '%.*s' '%s'", (int)(length < 0 ? 0 : length), path,
             manner);
}
