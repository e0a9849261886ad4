/* The contract of batch_norm; see batch_norm.h for the formulas and shapes. */
#include "kernels/batch_norm/batch_norm.h"

#include "kernels/batch_norm/batch_norm_rows.h"

/* The values agree with tern_activation. */
static const char *const activations[] = { "none", "relu", NULL };

static const tern_option options[] = {
    { .name = "eps", .type = TERN_OPTION_REAL, .offset = offsetof(tern_batch_norm_opts, eps),
      .fallback = 1e-5, .lowest = 0, .highest = 1, .doc = "added to the variance" },
    { .name = "momentum", .type = TERN_OPTION_REAL,
      .offset = offsetof(tern_batch_norm_opts, momentum), .fallback = 0.1, .lowest = 0,
      .highest = 1, .has_offset = offsetof(tern_batch_norm_opts, has_momentum),
      .doc = "weight of a batch in the running statistics" },
    { .name = "activation", .type = TERN_OPTION_CHOICE,
      .offset = offsetof(tern_batch_norm_opts, activation), .choices = activations,
      .doc = "applied to the result" },
    { 0 },
};

static bool check_vectors(tern_call *call)
{
    const tern_tensor *x = call->in[BN_X];
    char xt[TERN_SHAPE_TEXT], vt[TERN_SHAPE_TEXT];
    for (int i = BN_GAIN; i <= BN_RUNNING_VAR; i++) {
        const tern_tensor *vector = call->in[i];
        if (vector->rank == 1 && vector->shape[0] == tern_dim(x, -1))
            continue;
        tern_call_fail(call, TERN_ERR_SHAPE, "%s %s must be [%lld], one for each channel of x %s",
                       call->op->in[i].name, tern_shape_text(vector, vt),
                       (long long)tern_dim(x, -1), tern_shape_text(x, xt));
        return false;
    }
    return true;
}

static bool check_mask(tern_call *call)
{
    const tern_tensor *x = call->in[BN_X], *mask = call->in[BN_MASK];
    char xt[TERN_SHAPE_TEXT], mt[TERN_SHAPE_TEXT];
    if (!mask)
        return true;
    bool fits = mask->rank < x->rank;
    for (int axis = 0; fits && axis < mask->rank; axis++)
        fits = mask->shape[axis] == x->shape[axis];
    if (!fits)
        tern_call_fail(call, TERN_ERR_SHAPE,
                       "mask %s must have the shape of the first axes of x %s, without the last",
                       tern_shape_text(mask, mt), tern_shape_text(x, xt));
    return fits;
}

static void batch_norm_shape(tern_call *call)
{
    const tern_tensor *x = call->in[BN_X];
    char xt[TERN_SHAPE_TEXT];
    if (x->rank < 1) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x %s must be [..., C]", tern_shape_text(x, xt));
        return;
    }
    if (!check_vectors(call) || !check_mask(call))
        return;
    tern_declare_out(call, 0, x->dtype, x->rank, x->shape);
    tern_declare_saved(call, 0, x->dtype, 1, &x->shape[x->rank - 1]);
    tern_declare_saved(call, 1, x->dtype, 1, &x->shape[x->rank - 1]);
}

static void batch_norm_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    double count = (double)call->in[BN_X]->count, bytes = (double)tern_tensor_bytes(call->in[BN_X]);
    forward->flops = 8 * count;
    forward->bytes = 2 * bytes;
    backward->flops = 12 * count;
    backward->bytes = 3 * bytes;
}

/* Channels around the vector widths, one channel, one row, masks over one axis and
 * over several, a mean far from zero, no rows. */
static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK,
      "x=[2,3,4,5] gain=[5] bias=[5] running_mean=[5] running_var=[5]{0.5..2}", "" },
    { TERN_SAMPLE_CHECK,
      "x=[2,7,3,4] gain=[4] bias=[4] running_mean=[4] running_var=[4]{0.5..2} mask=[2,7]",
      "activation=relu" },
    { TERN_SAMPLE_CHECK,
      "x=[11,31] gain=[31] bias=[31] running_mean=[31] running_var=[31]{0.5..2} mask=[11]",
      "eps=0.001 momentum=0.3" },
    { TERN_SAMPLE_CHECK, "x=[7,5] gain=[5] bias=[5] running_mean=[5] running_var=[5]{0.5..2}",
      "momentum=0" },
    { TERN_SAMPLE_CHECK,
      "x=[37,1]{99..101} gain=[1] bias=[1] running_mean=[1]{99..101} running_var=[1]{0.5..2}",
      "activation=relu" },
    { TERN_SAMPLE_CHECK,
      "x=[3,17] gain=[17] bias=[17] running_mean=[17] running_var=[17]{0.5..2} mask=[3]{0..0}",
      "" },
    { TERN_SAMPLE_CHECK, "x=[0,3] gain=[3] bias=[3] running_mean=[3] running_var=[3]{0.5..2}", "" },
    { TERN_SAMPLE_BENCH,
      "x=[16,64,64,32] gain=[32] bias=[32] running_mean=[32] running_var=[32]{0.5..2}",
      "activation=relu" },
    { TERN_SAMPLE_BENCH,
      "x=[16,300,20,32] gain=[32] bias=[32] running_mean=[32] running_var=[32]{0.5..2} "
      "mask=[16,300]",
      "activation=relu" },
    { TERN_SAMPLE_BENCH,
      "x=[16,8,8,128] gain=[128] bias=[128] running_mean=[128] running_var=[128]{0.5..2}", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_batch_norm = {
    .name = "batch_norm",
    .summary = "batch normalisation over rows, with row mask and fused relu",
    .doc = "y[r,c] = act( (x[r,c] - mean[c]) / sqrt(var[c] + eps) * gain[c] + bias[c] )\n"
           "training: mean, biased var of the rows with mask 1; the running statistics move\n"
           "towards mean and unbiased var by momentum; inference: the running ones\n"
           "masked rows: y and gradient zero; mask's shape is x's first axes, [N,T] for [N,T,F,C]",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[..., C]" },
            { "gain", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[C]" },
            { "bias", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[C]" },
            { "running_mean", TERN_REAL, TERN_MUTATED, "[C]" },
            { "running_var", TERN_REAL, TERN_MUTATED, "[C]" },
            { "mask", TERN_MASK, TERN_OPTIONAL | TERN_BACKWARD_READS, "x's first axes" } },
    .out = { { "y", TERN_REAL, 0, "[..., C]" } },
    .saved = { { "mean", TERN_REAL, 0, "[C]" },
               { "inverse_deviation", TERN_REAL, 0, "[C], 1/sqrt(var + eps)" } },
    .options_size = sizeof(tern_batch_norm_opts),
    .options = options,
    .shape = batch_norm_shape,
    .cost = batch_norm_cost,
    .samples = samples,
};

tern_tensor *tern_batch_norm(tern_ctx *ctx, tern_tensor *x, tern_tensor *gain, tern_tensor *bias,
                             tern_tensor *running_mean, tern_tensor *running_var,
                             tern_tensor *mask, tern_batch_norm_opts opts)
{
    tern_tensor *inputs[] = { x, gain, bias, running_mean, running_var, mask };
    return tern_apply(ctx, &tern_op_batch_norm, inputs, 6, &opts, NULL);
}
