/* Ops are found by name, in the table and among those that were added to a context. */
#include "tests/check.h"

#include <string.h>

#include "core/registry.h"
#include "kernels/table.h"

enum { MANY = 200 };
static char names[MANY][16];
static tern_op ops[MANY];

/* A context with MANY ops of no use: own0, own1, ... */
static tern_ctx *open_with_many(void)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "ref" }, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "own%d", i);
        ops[i] = (tern_op){ .name = names[i] };
        tern_add_op(ctx, &ops[i]);
    }
    assert_tern_ok(ctx);
    return ctx;
}

static void an_op_is_found_among_any_number(void **state)
{
    (void)state;
    tern_ctx *ctx = open_with_many();
    tern_error error = { 0 };
    for (const tern_op *const *op = tern_op_table(); *op; op++)
        assert_ptr_equal(tern_ctx_op_find(ctx, (*op)->name, &error), *op);
    for (int i = 0; i < MANY; i++)
        assert_ptr_equal(tern_ctx_op_find(ctx, names[i], &error), &ops[i]);
    assert_int_equal(error.code, TERN_OK);
    assert_null(tern_ctx_op_find(NULL, "own7", &error));
    tern_ctx_free(ctx);
}

static void a_missing_op_is_named_with_its_nearest(void **state)
{
    (void)state;
    tern_ctx *ctx = open_with_many();
    tern_error error = { 0 };
    assert_null(tern_ctx_op_find(ctx, "owm199", &error));
    assert_string_equal(error.message, "there is no op owm199, did you mean own199?");
    error = (tern_error){ 0 };
    assert_null(tern_op_find("linaer", &error));
    assert_string_equal(error.message, "there is no op linaer, did you mean linear?");
    tern_ctx_free(ctx);
}

static void a_name_is_given_once(void **state)
{
    (void)state;
    tern_ctx *ctx = open_with_many();
    const tern_op built_in = { .name = "relu" }, own = { .name = "own3" }, new = { .name = "new" };
    tern_add_op(ctx, &built_in);
    assert_tern_fails(ctx, TERN_ERR_ARGUMENT, "there is an op relu already");
    tern_clear_error(ctx);
    tern_add_op(ctx, &own);
    assert_tern_fails(ctx, TERN_ERR_ARGUMENT, "there is an op own3 already");
    tern_clear_error(ctx);
    tern_add_op(ctx, &new);
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_op_is_found_among_any_number),
        cmocka_unit_test(a_missing_op_is_named_with_its_nearest),
        cmocka_unit_test(a_name_is_given_once),
    };
    return cmocka_run_group_tests_name("op_find", tests, NULL, NULL);
}
