/* cpu against ref, for every op, at every SIMD level that this machine has and with 1, 2
 * and 3 threads; the bound is that of tests/against_ref.h. */
#include "tests/check.h"

#include "kernels/table.h"
#include "tests/against_ref.h"

static void cpu_is_ref_up_to_rounding_at_every_simd_level(void **state)
{
    (void)state;
    for (const tern_op *const *op = tern_op_table(); *op; op++) {
        tern_ctx *cpu[MAX_CPUS];
        int count = open_cpus(cpu);
        assert_follows_ref(*op, (*op)->samples, cpu, count);
        for (int c = 0; c < count; c++)
            tern_ctx_free(cpu[c]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_is_ref_up_to_rounding_at_every_simd_level),
    };
    return cmocka_run_group_tests_name("cpu_against_ref", tests, NULL, NULL);
}
