/* `tern ops`, `tern gradcheck` and `tern --version` tell of every op, from the table, what
 * there is, and say it in JSON too. */
#include "tests/check.h"

#include <jansson.h>
#include <string.h>

#include "kernels/table.h"
#include "tests/program.h"

#define tern(p, ...) program_run(p, (const char *const[]){ __VA_ARGS__, NULL })

static int count_ops(void)
{
    int count = 0;
    for (const tern_op *const *op = tern_op_table(); *op; op++)
        count++;
    return count;
}

static json_t *parse(const program *p)
{
    json_error_t problem;
    json_t *json = p->status ? NULL : json_loads(p->out, JSON_REJECT_DUPLICATES, &problem);
    if (!json)
        fail_msg("exit status %d, no JSON: %s%s", p->status, p->out, p->err);
    return json;
}

static const char *text_at(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text ? text : "";
}

static bool has_gradient(const tern_op *op)
{
    for (int i = 0; i < tern_op_input_count(op); i++)
        if (op->in[i].flags & TERN_DIFF)
            return true;
    return false;
}

static void the_matrix_has_every_op_on_every_backend(void **state)
{
    (void)state;
    program p;
    tern(&p, "ops", "--json");
    json_t *rows = parse(&p);
    assert_int_equal(json_array_size(rows), count_ops());
    for (int i = 0; i < count_ops(); i++) {
        const tern_op *op = tern_op_table()[i];
        const json_t *row = json_array_get(rows, (size_t)i);
        const json_t *backends = json_object_get(row, "backends");
        assert_string_equal(text_at(row, "name"), op->name);
        for (int b = 0; b < 2; b++) {
            const json_t *backend = json_object_get(backends, b ? "cpu" : "ref");
            if (!json_is_true(json_object_get(backend, "forward")) ||
                json_is_true(json_object_get(backend, "backward")) != has_gradient(op))
                fail_msg("%s on %s", op->name, b ? "cpu" : "ref");
        }
    }
    json_decref(rows);
    program_free(&p);

    tern(&p, "ops");
    const char *at = strchr(p.out, '\n'); /* behind the title */
    for (const tern_op *const *op = tern_op_table(); *op; op++, at = strchr(at + 1, '\n')) {
        assert_non_null(at);
        if (strncmp(at + 1, (*op)->name, strlen((*op)->name)) != 0)
            fail_msg("%s is not in its row: %.40s", (*op)->name, at + 1);
    }
    program_free(&p);
}

static void assert_documented(const tern_op *op, const json_t *list, const char *what, int count)
{
    if ((int)json_array_size(list) != count)
        fail_msg("%s: %d %s, %d are documented", op->name, count, what,
                 (int)json_array_size(list));
    for (int i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, (size_t)i);
        const char *doc = text_at(item, strcmp(what, "options") == 0 ? "doc" : "shape");
        if (!*doc || !*text_at(item, "name"))
            fail_msg("%s: %s %d has no documentation", op->name, what, i);
    }
}

static void every_op_documents_inputs_outputs_and_options(void **state)
{
    (void)state;
    for (const tern_op *const *op = tern_op_table(); *op; op++) {
        program p;
        int options = 0;
        while ((*op)->options && (*op)->options[options].type)
            options++;
        tern(&p, "ops", (*op)->name, "--json");
        json_t *json = parse(&p);
        assert_string_equal(text_at(json, "name"), (*op)->name);
        assert_true(*text_at(json, "summary") && *text_at(json, "doc"));
        assert_documented(*op, json_object_get(json, "inputs"), "inputs",
                          tern_op_input_count(*op));
        assert_documented(*op, json_object_get(json, "outputs"), "outputs",
                          tern_op_output_count(*op));
        assert_documented(*op, json_object_get(json, "options"), "options", options);
        json_decref(json);
        program_free(&p);
    }
}

static void an_op_shows_defaults_choices_and_limits(void **state)
{
    (void)state;
    program p;
    tern(&p, "ops", "dropout");
    assert_non_null(strstr(p.out, "default 0 "));
    assert_non_null(strstr(p.out, "(0 to 1)"));
    program_free(&p);
    tern(&p, "ops", "linear");
    assert_non_null(strstr(p.out, "none, relu, gelu, sigmoid, tanh"));
    assert_non_null(strstr(p.out, "by hand, or openblas"));
    program_free(&p);
}

static void gradcheck_covers_every_op(void **state)
{
    (void)state;
    program p;
    char *line, *rest;
    tern(&p, "gradcheck", "--json");
    assert_int_equal(p.status, 0);
    line = strtok_r(p.out, "\n", &rest);
    for (const tern_op *const *op = tern_op_table(); *op; op++) {
        json_t *json = line ? json_loads(line, JSON_REJECT_DUPLICATES, NULL) : NULL;
        assert_string_equal(text_at(json, "op"), (*op)->name);
        json_int_t checked = json_integer_value(json_object_get(json, "directions"));
        if ((checked > 0) != has_gradient(*op))
            fail_msg("%s: %d directions", (*op)->name, (int)checked);
        assert_int_equal(json_integer_value(json_object_get(json, "wrong")), 0);
        assert_true(json_real_value(json_object_get(json, "worst")) <= 1e-6);
        json_decref(json);
        line = strtok_r(NULL, "\n", &rest);
    }
    assert_null(line);
    program_free(&p);
}

static void version_is_told_in_json(void **state)
{
    (void)state;
    program p;
    tern(&p, "--version", "--json");
    json_t *json = parse(&p);
    const char *simd = text_at(json, "simd"), *levels[4];
    assert_true(tern_simd_levels(levels) > 0);
    assert_string_equal(text_at(json, "tern"), TERN_VERSION);
    assert_string_equal(simd, levels[0]);
    assert_true(*text_at(json, "compiler"));
    assert_true(*text_at(json_object_get(json, "libraries"), "libsndfile"));
    assert_non_null(json_object_get(json, "openblas_core"));
    assert_non_null(json_object_get(json_object_get(json, "plugins"), "cuda"));
    json_decref(json);
    program_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_matrix_has_every_op_on_every_backend),
        cmocka_unit_test(every_op_documents_inputs_outputs_and_options),
        cmocka_unit_test(an_op_shows_defaults_choices_and_limits),
        cmocka_unit_test(gradcheck_covers_every_op),
        cmocka_unit_test(version_is_told_in_json),
    };
    return cmocka_run_group_tests_name("op_commands", tests, NULL, NULL);
}
