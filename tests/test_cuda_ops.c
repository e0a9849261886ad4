/* Promises of the CUDA kernels at sizes around those of their quads, warps, squares, strips and
 * chunks: what ref gives, the same bits in whatever order simulated threads run. */
#include "tests/check.h"

#include "kernels/table.h"
#include "tests/against_ref.h"
#include "tests/sim.h"

/* One problem of an op. */
typedef struct problem {
    const char *op, *inputs, *options;
} problem;

static const problem problems[] = {
    /* Quads: whole ones, one more and one less; several blocks of them. */
    { "exp", "x=[2051]{-3..3}", "" },
    { "log", "x=[1023]{0.1..4}", "" },
    { "clamp", "x=[3,347]", "min=-0.5 max=0.25" },
    { "softplus", "x=[1025]{-30..30}", "beta=0.5 threshold=7" },
    { "gelu", "x=[1021]{-6..6}", "approximate=tanh" },
    { "dropout", "x=[33,37]", "p=0.25" },
    { "add", "a=[1027] b=[1027]", "" },
    /* A gradient in several chunks, down columns and along lines; of one number. */
    { "add", "a=[200,5] b=[5]", "" },
    { "sub", "a=[3,1000] b=[3,1]", "" },
    { "mul", "a=[7,131] b=[]", "" },
    { "div", "a=[2,65,3] b=[2,1,3]{0.5..3}", "" },
    { "pow", "a=[3,1,70]{0.3..3} b=[1,33,1]", "" },
    { "where", "condition=[90,7]{0..1} a=[7] b=[90,1]", "" },
    /* Reductions: chunks, all axes, axes by turns. */
    { "sum", "x=[300,7]", "axes=0" },
    { "sum", "x=[7,300]", "axes=1" },
    { "mean", "x=[3,40,5,9]", "axes=1,3" },
    { "mean", "x=[2000]", "" },
    { "max", "x=[70,3]{0..3}", "axes=0" },
    { "max", "x=[2,600]{0..5}", "axes=-1" },
    { "var", "x=[129,5]{90..110}", "axes=0" },
    { "var", "x=[3,520]", "axes=1 correction=0" },
    /* Rows: of a warp, beyond, of a whole block. */
    { "softmax", "x=[9,33] mask=[9,33]", "" },
    { "softmax", "x=[3,1031]{-30..30}", "" },
    { "log_softmax", "x=[2,1025]", "" },
    { "log_softmax", "x=[17,129] mask=[17,129]", "" },
    { "rms_norm", "x=[67,37] gain=[37]", "" },
    { "rms_norm", "x=[3,1028] gain=[1028]", "" },
    { "rms_norm", "x=[2,1031]", "" },
    { "add_layer_norm", "x=[9,37] residual=[9,37] gain=[37] bias=[37]", "" },
    { "add_layer_norm", "x=[2,1028] residual=[2,1028] gain=[1028]", "" },
    { "add_layer_norm", "x=[70,128] residual=[70,128] bias=[128]", "" },
    /* Losses in several chunks; sequences longer than a block is wide. */
    { "mse", "x=[3,1000] target=[3,1000] weight=[3,1000]{0..2}", "" },
    { "l1", "x=[700] target=[700]", "reduction=sum" },
    { "huber", "x=[41,33]{-9..9} target=[41,33]", "delta=0.7" },
    { "bce_with_logits", "x=[300,7]{-20..20} target=[300,7]{0..1} pos_weight=[7]{0.2..5}", "" },
    { "masked_mean", "x=[3,9,130] mask=[3,9]", "" },
    { "grad_norm", "grad=[20001]{-1e-25..1e-25}", "max_norm=1" },
    /* Squares: whole, broken on either side, with axes around and between them. */
    { "transpose", "x=[32,64]", "axes=1,0" },
    { "transpose", "x=[33,31]", "axes=1,0" },
    { "transpose", "x=[3,35,2,40]", "axes=0,3,2,1" },
    { "transpose", "x=[5,3,67]", "axes=1,0,2" },
    { "transpose", "x=[40,5]", "axes=1,0" },
    { "concat", "x=[5,70] x=[5,3] x=[5,131]", "axis=1" },
    { "stack", "x=[3,67] x=[3,67]", "axis=1" },
    { "slice", "x=[4,70,9]", "axis=1 start=3 length=65" },
    { "reshape", "x=[6,70]", "shape=35,12" },
};

enum { PROBLEMS = sizeof problems / sizeof *problems };

static void awkward_sizes_follow_ref_in_any_order(void **state)
{
    tern_ctx *ctx[2] = { open_sim("reverse"), open_sim("random:3") };
    (void)state;
    for (int i = 0; i < PROBLEMS; i++) {
        const problem *p = &problems[i];
        tern_error error = { 0 };
        const tern_op *op = tern_op_find(p->op, &error);
        const tern_sample samples[] = { { TERN_SAMPLE_CHECK, p->inputs, p->options },
                                        { 0, NULL, NULL } };
        if (!op)
            fail_msg("%s", error.message);
        assert_follows_ref(op, samples, ctx, 2);
    }
    for (int i = 0; i < 2; i++)
        tern_ctx_free(ctx[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(awkward_sizes_follow_ref_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
