/* `tern op`: every op of the table on arrays of files gives the bits that the same op gives
 * in a program, forward and backward. */
#include "tests/check.h"

#include <stdlib.h>
#include <string.h>

#include "core/array_file.h"
#include "kernels/op_file.h"
#include "kernels/table.h"
#include "tests/op_run.h"
#include "tests/program.h"
#include "tests/temporary_folder.h"

enum { SEED = 7, MAX_OPTIONS = 16 };

static char folder[TEMPORARY_PATH_BYTES];

static int make_folder(void **state)
{
    (void)state;
    return temporary_folder_make(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    temporary_folder_remove(folder);
    return 0;
}

static tern_ctx *open_device(const char *device)
{
    return open_context((tern_ctx_opts){ .device = device, .threads = 1, .seed = SEED });
}

/* ------------------------------------------------------------- problems -- */

/* A sample problem of an op, and the same as a file's path and options. */
typedef struct task {
    const tern_op *op;
    tern_problem problem;
    char in_path[TEMPORARY_PATH_BYTES], out[TEMPORARY_PATH_BYTES];
    const char *in; /* in_path, or NULL if the sample has no inputs */
    char text[256]; /* options, cut at its spaces */
    const char *options[MAX_OPTIONS];
    int option_count;
    bool has_gradient; /* of something that the sample gives */
} task;

/* Of an output; what may be anything is real in a sample. */
static bool flows_gradient(const tern_arg *arg)
{
    return (arg->kind == TERN_REAL || arg->kind == TERN_ANY) && !(arg->flags & TERN_NO_GRAD);
}

static void make_task(task *t, const tern_op *op, const tern_sample *sample, int number)
{
    tern_error error = { 0 };
    *t = (task){ .op = op };
    if (!tern_problem_make(&t->problem, op, sample->inputs, sample->options, 31, &error))
        fail_msg("%s(%s): %s", op->name, sample->inputs, error.message);
    /* One format in, another out. */
    temporary_path(t->in_path, folder, number % 2 ? "in.npz" : "in.safetensors");
    t->in = strchr(sample->inputs, '=') ? t->in_path : NULL;
    temporary_path(t->out, folder, number % 2 ? "out.safetensors" : "out.npz");
    snprintf(t->text, sizeof t->text, "%s", sample->options ? sample->options : "");
    for (char *word = strtok(t->text, " "); word; word = strtok(NULL, " ")) {
        assert_true(t->option_count < MAX_OPTIONS);
        t->options[t->option_count++] = word;
    }
    /* The arrays of a variadic x are x0, x1 ... */
    int last = tern_op_input_count(op) - 1;
    for (int i = last; i >= 0 && i < t->problem.count; i++)
        if (op->in[last].flags & TERN_VARIADIC)
            snprintf(t->problem.inputs[i].name, sizeof t->problem.inputs[i].name, "%s%d",
                     op->in[last].name, i - last);
    for (int i = 0; i < t->problem.count; i++)
        t->has_gradient = t->has_gradient || (t->problem.inputs[i].present &&
                                              (t->problem.inputs[i].arg->flags & TERN_DIFF));
}

/* Indices as NumPy's i64, the rest as it is. */
static void add_input(tern_array_writer *writer, const tern_problem_input *input, int64_t *wide)
{
    tern_values values = { .name = input->name, .dtype = tern_kind_host_dtype(input->arg->kind),
                           .rank = input->rank, .count = input->count, .data = input->values };
    memcpy(values.shape, input->shape, sizeof values.shape);
    if (values.dtype == TERN_I32) {
        for (int64_t i = 0; i < input->count; i++)
            wide[i] = ((const int32_t *)input->values)[i];
        values.dtype = TERN_I64;
        values.data = wide;
    }
    tern_array_add(writer, &values);
}

static void write_task(const task *t, const op_result *want, bool grad)
{
    tern_error error = { 0 };
    if (!t->in)
        return;
    tern_array_writer *writer = tern_array_create(t->in, &error);
    void *memory[TERN_MAX_ARGS + TERN_MAX_SAVED] = { NULL };
    int used = 0;
    for (int i = 0; i < t->problem.count; i++) {
        const tern_problem_input *input = &t->problem.inputs[i];
        if (!input->present)
            continue;
        assert_non_null(memory[used] = calloc((size_t)input->count + 1, sizeof(int64_t)));
        add_input(writer, input, memory[used++]);
    }
    for (int i = 0; grad && i < tern_op_output_count(t->op); i++) {
        const op_value *out = &want->out[i];
        char name[80];
        if (!*out->name || !flows_gradient(&t->op->out[i]))
            continue;
        double *values = memory[used++] = calloc((size_t)out->count + 4, sizeof *values);
        assert_non_null(values);
        op_run_gradient((uint32_t)(1 + i), out->count, values);
        snprintf(name, sizeof name, "grad_%s", out->name);
        tern_values seed = { .name = name, .dtype = TERN_F64, .rank = out->rank,
                             .count = out->count, .data = values };
        memcpy(seed.shape, out->shape, sizeof seed.shape);
        tern_array_add(writer, &seed);
    }
    if (!tern_array_finish(writer))
        fail_msg("%s: %s", t->op->name, error.message);
    for (int i = 0; i < used; i++)
        free(memory[i]);
}

/* ------------------------------------------------------------ comparing -- */

static double number_at(const tern_values *values, int64_t i)
{
    switch (values->dtype) {
    case TERN_F64: return ((const double *)values->data)[i];
    case TERN_F32: return ((const float *)values->data)[i];
    case TERN_I32: return ((const int32_t *)values->data)[i];
    default: return ((const uint8_t *)values->data)[i];
    }
}

static void assert_value(const task *t, tern_array_file *file, const op_value *want)
{
    tern_error error = { 0 };
    tern_values got;
    if (!tern_array_file_read(file, want->name, &got, &error))
        fail_msg("%s: %s", t->op->name, error.message);
    bool same = got.rank == want->rank && got.count == want->count;
    for (int axis = 0; same && axis < got.rank; axis++)
        same = got.shape[axis] == want->shape[axis];
    if (!same)
        fail_msg("%s: %s has another shape in the file", t->op->name, want->name);
    for (int64_t i = 0; i < got.count; i++) {
        double a = number_at(&got, i), b = want->values[i];
        if (memcmp(&a, &b, sizeof a) != 0)
            fail_msg("%s: %s[%d] is %.9g in the file, %.9g in the program", t->op->name,
                     want->name, (int)i, a, b);
    }
}

/* Is it in the file: an output, an input that the op changes, a gradient? */
static bool is_result(const task *t, const op_result *want, int v, bool grad)
{
    if (v < TERN_MAX_SAVED)
        return true;
    v -= TERN_MAX_SAVED;
    return v < TERN_MAX_ARGS ? want->in[v].name[0] &&
                                   (t->problem.inputs[v].arg->flags & TERN_MUTATED)
                             : grad;
}

/* The file holds what the program gave and nothing else. */
static void assert_results(const task *t, const op_result *want, bool grad)
{
    tern_error error = { 0 };
    int count = 0;
    tern_array_file *file = tern_array_file_open(t->out, &error);
    if (!file)
        fail_msg("%s: %s", t->op->name, error.message);
    for (int v = 0; v < OP_VALUES; v++)
        if (*want->value[v].name && is_result(t, want, v, grad)) {
            assert_value(t, file, &want->value[v]);
            count++;
        }
    assert_int_equal(tern_array_file_count(file), count);
    tern_array_file_close(file);
}

/* -------------------------------------------------------------- running -- */

typedef void (*runner)(const task *t, const char *device, bool grad, bool can);

/* In this process, by the function that `tern op` calls. */
static void run_here(const task *t, const char *device, bool grad, bool can)
{
    tern_ctx *ctx = open_device(device);
    tern_op_report report;
    const tern_op_file file = { t->in, t->out, t->options, t->option_count, grad, grad };
    bool done = tern_op_run_file(ctx, t->op, &file, &report);
    if (done != can)
        fail_msg("%s on %s: %s", t->op->name, device, tern_ctx_error(ctx)->message);
    if (!can)
        assert_non_null(strstr(tern_ctx_error(ctx)->message, "has no gradient"));
    tern_ctx_free(ctx);
}

/* By the program. */
static void run_program(const task *t, const char *device, bool grad, bool can)
{
    const char *argv[PROGRAM_ARGUMENTS + 1] = { "op", t->op->name, "--out", t->out, "--device",
                                                device, "--threads", "1", "--seed", "7" };
    int count = 10;
    if (t->in) {
        argv[count++] = "--in";
        argv[count++] = t->in;
    }
    for (int i = 0; i < t->option_count; i++) {
        argv[count++] = "--set";
        argv[count++] = t->options[i];
    }
    if (grad) {
        argv[count++] = "--grad";
        argv[count++] = "--train";
    }
    program p;
    program_run(&p, argv);
    if ((p.status == 0) != can)
        fail_msg("tern op %s: exit status %d: %s", t->op->name, p.status, p.err);
    if (!can)
        assert_non_null(strstr(p.err, "has no gradient"));
    program_free(&p);
}

/* Forward, and forward and backward in training. */
static void compare(const task *t, const char *device, runner run)
{
    for (int grad = 0; grad < 2; grad++) {
        tern_ctx *ctx = open_device(device);
        op_result want = op_run_on(ctx, &t->problem, (op_run_how){ .eval = !grad, .rng_step = 1 });
        assert_tern_ok(ctx);
        write_task(t, &want, grad && t->has_gradient);
        run(t, device, grad, !grad || t->has_gradient);
        if (!grad || t->has_gradient)
            assert_results(t, &want, grad);
        op_result_free(&want);
        tern_ctx_free(ctx);
    }
}

static void every_sample_of_every_op_gives_the_same_through_files(void **state)
{
    (void)state;
    static const char *const devices[] = { "ref", "cpu" };
    int number = 0;
    for (const tern_op *const *op = tern_op_table(); *op; op++)
        for (const tern_sample *sample = (*op)->samples; sample && sample->uses; sample++) {
            task t;
            if (!(sample->uses & TERN_SAMPLE_CHECK))
                continue;
            make_task(&t, *op, sample, number);
            compare(&t, devices[number++ % 2], run_here);
            tern_problem_free(&t.problem);
        }
    assert_true(number > 100);
}

/* The sample with the most inputs: those that are optional among them. */
static const tern_sample *fullest(const tern_op *op)
{
    const tern_sample *best = NULL;
    int most = -1;
    for (const tern_sample *sample = op->samples; sample && sample->uses; sample++) {
        int count = 0;
        for (const char *at = sample->inputs; *at; at++)
            count += *at == '=';
        if ((sample->uses & TERN_SAMPLE_CHECK) && count > most) {
            most = count;
            best = sample;
        }
    }
    return best;
}

static void every_op_runs_from_the_command_line(void **state)
{
    (void)state;
    int number = 0;
    for (const tern_op *const *op = tern_op_table(); *op; op++) {
        task t;
        if (!fullest(*op))
            fail_msg("%s has no sample problem", (*op)->name);
        make_task(&t, *op, fullest(*op), number++);
        compare(&t, "cpu", run_program);
        tern_problem_free(&t.problem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_of_every_op_gives_the_same_through_files),
        cmocka_unit_test(every_op_runs_from_the_command_line),
    };
    return cmocka_run_group_tests_name("op_file", tests, make_folder, remove_folder);
}
