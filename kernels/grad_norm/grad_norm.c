/* The contract of grad_norm; see grad_norm.h for the formula. */
#include "kernels/grad_norm/grad_norm.h"

static const tern_option options[] = {
    { .name = "max_norm", .type = TERN_OPTION_REAL,
      .offset = offsetof(tern_grad_norm_opts, max_norm), .lowest = 0, .highest = 1e30,
      .doc = "clip to this norm; 0: do not clip" },
    { 0 },
};

double tern_clip_scale(double norm, double max_norm)
{
    double ratio = max_norm / (norm + 1e-6);
    return max_norm == 0 || ratio >= 1 ? 1 : ratio; /* NaN passes */
}

static void grad_norm_shape(tern_call *call)
{
    tern_declare_out(call, 0, tern_real(call), 0, NULL);
    tern_declare_out(call, 1, tern_real(call), 0, NULL);
}

static void grad_norm_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    (void)backward;
    forward->flops = 2 * (double)call->in[0]->count;
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "grad=[1009]", "max_norm=0.5" },
    { TERN_SAMPLE_CHECK, "grad=[3,31]", "max_norm=1000" },
    { TERN_SAMPLE_CHECK, "grad=[1]", "" },
    { TERN_SAMPLE_CHECK, "grad=[0]", "max_norm=1" },
    { TERN_SAMPLE_CHECK, "grad=[40001]{-1e-25..1e-25}", "max_norm=1" },
    { TERN_SAMPLE_BENCH, "grad=[1000000]", "max_norm=1" },
    { 0, NULL, NULL },
};

const tern_op tern_op_grad_norm = {
    .name = "grad_norm",
    .summary = "global L2 norm of gradients and the factor that clips them",
    .doc = "norm = sqrt(sum_i grad[i]^2); scale = min(1, max_norm / (norm + 1e-6))",
    .in = { { "grad", TERN_REAL, 0, "[...]" } },
    .out = { { "norm", TERN_REAL, 0, "[]" }, { "scale", TERN_REAL, 0, "[]" } },
    .options_size = sizeof(tern_grad_norm_opts),
    .options = options,
    .shape = grad_norm_shape,
    .cost = grad_norm_cost,
    .samples = samples,
};

tern_tensor *tern_grad_norm(tern_ctx *ctx, tern_tensor *grad, tern_tensor **scale,
                            tern_grad_norm_opts opts)
{
    tern_tensor *outputs[2];
    tern_tensor *norm = tern_apply(ctx, &tern_op_grad_norm, &grad, 1, &opts, outputs);
    if (scale)
        *scale = outputs[1];
    return norm;
}
