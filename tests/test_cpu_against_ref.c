/* cpu against ref, for every op, at every SIMD level that this machine has; the bound
 * is that of tests/against_ref.h. */
#include "tests/check.h"

#include "kernels/table.h"
#include "tests/against_ref.h"

static void cpu_is_ref_up_to_rounding_at_every_simd_level(void **state)
{
    (void)state;
    const char *names[4];
    tern_ctx *cpu[4];
    int levels = tern_simd_levels(names);
    for (const tern_op *const *op = tern_op_table(); *op; op++) {
        for (int level = 0; level < levels; level++) {
            tern_error error = { 0 };
            cpu[level] = tern_open((tern_ctx_opts){ .device = "cpu", .simd = names[level],
                                                    .threads = 1, .seed = 7, .poison = true },
                                   &error);
            assert_string_equal(error.message, "");
        }
        assert_follows_ref(*op, (*op)->samples, cpu, levels);
        for (int level = 0; level < levels; level++)
            tern_ctx_free(cpu[level]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_is_ref_up_to_rounding_at_every_simd_level),
    };
    return cmocka_run_group_tests_name("cpu_against_ref", tests, NULL, NULL);
}
