/* The contract of attention; see attention.h for the formulas and shapes. */
#include "kernels/attention/attention.h"

#include <float.h>

static const tern_option options[] = {
    { .name = "heads", .type = TERN_OPTION_INT, .offset = offsetof(tern_attention_opts, heads),
      .fallback = 1, .lowest = 1, .highest = 65536, .doc = "heads side by side in the last axis" },
    { .name = "scale", .type = TERN_OPTION_REAL, .offset = offsetof(tern_attention_opts, scale),
      .lowest = -FLT_MAX, .highest = FLT_MAX, .doc = "of the scores; 0 means 1/sqrt(D)" },
    { .name = "causal", .type = TERN_OPTION_BOOL, .offset = offsetof(tern_attention_opts, causal),
      .doc = "query i sees keys up to i + Lk - Lq" },
    { .name = "dropout", .type = TERN_OPTION_REAL, .offset = offsetof(tern_attention_opts, dropout),
      .lowest = 0, .highest = 0.99, .doc = "probability that a weight is dropped in training" },
    { .name = "return_weights", .type = TERN_OPTION_BOOL,
      .offset = offsetof(tern_attention_opts, return_weights), .doc = "also output the weights" },
    { 0 },
};

static bool check_channels(tern_call *call, int input)
{
    const tern_attention_opts *opts = call->options;
    const tern_tensor *tensor = call->in[input];
    char text[TERN_SHAPE_TEXT];
    if (tensor->rank == 3 && tensor->shape[2] >= 1 && tensor->shape[2] % opts->heads == 0)
        return true;
    tern_call_fail(call, TERN_ERR_SHAPE,
                   "%s must be [N,L,channels], channels a multiple of %lld heads, not %s",
                   call->op->in[input].name, (long long)opts->heads, tern_shape_text(tensor, text));
    return false;
}

static bool check_mask(tern_call *call, int input, const tern_tensor *of)
{
    const tern_tensor *mask = call->in[input];
    char text[TERN_SHAPE_TEXT];
    if (!mask || (mask->rank == 2 && mask->shape[0] == of->shape[0] &&
                  mask->shape[1] == of->shape[1]))
        return true;
    tern_call_fail(call, TERN_ERR_SHAPE, "%s must be [%lld,%lld], not %s",
                   call->op->in[input].name, (long long)of->shape[0], (long long)of->shape[1],
                   tern_shape_text(mask, text));
    return false;
}

static bool check_bias(tern_call *call)
{
    const tern_attention_opts *opts = call->options;
    const tern_tensor *bias = call->in[TERN_ATTENTION_BIAS];
    int64_t rows = call->in[TERN_ATTENTION_Q]->shape[0], heads = opts->heads;
    int64_t queries = call->in[TERN_ATTENTION_Q]->shape[1];
    int64_t keys = call->in[TERN_ATTENTION_K]->shape[1];
    tern_attention_bias extent = tern_attention_bias_of(bias);
    char text[TERN_SHAPE_TEXT];
    if (!bias || (bias->rank >= 2 && bias->rank <= 4 && tern_dim(bias, -1) == keys &&
                  tern_dim(bias, -2) == queries &&
                  (extent.heads == 1 || extent.heads == heads) &&
                  (extent.rows == 1 || extent.rows == rows)))
        return true;
    tern_call_fail(call, TERN_ERR_SHAPE,
                   "bias must be [%lld,%lld,%lld,%lld] (N,heads,Lq,Lk), where N or heads may be "
                   "1 or left out, not %s", (long long)rows, (long long)heads,
                   (long long)queries, (long long)keys, tern_shape_text(bias, text));
    return false;
}

static void attention_shape(tern_call *call)
{
    const tern_attention_opts *opts = call->options;
    const tern_tensor *q = call->in[TERN_ATTENTION_Q], *k = call->in[TERN_ATTENTION_K];
    const tern_tensor *v = call->in[TERN_ATTENTION_V];
    char qt[TERN_SHAPE_TEXT], kt[TERN_SHAPE_TEXT], vt[TERN_SHAPE_TEXT];

    if (!check_channels(call, TERN_ATTENTION_Q) || !check_channels(call, TERN_ATTENTION_K) ||
        !check_channels(call, TERN_ATTENTION_V))
        return;
    if (k->shape[0] != q->shape[0] || k->shape[2] != q->shape[2]) {
        tern_call_fail(call, TERN_ERR_SHAPE, "q %s and k %s must agree in N and channels",
                       tern_shape_text(q, qt), tern_shape_text(k, kt));
        return;
    }
    if (v->shape[0] != k->shape[0] || v->shape[1] != k->shape[1]) {
        tern_call_fail(call, TERN_ERR_SHAPE, "k %s and v %s must agree in N and Lk",
                       tern_shape_text(k, kt), tern_shape_text(v, vt));
        return;
    }
    if (!check_mask(call, TERN_ATTENTION_QUERY_MASK, q) ||
        !check_mask(call, TERN_ATTENTION_KEY_MASK, k) || !check_bias(call))
        return;

    int64_t rows = q->shape[0], queries = q->shape[1], keys = k->shape[1];
    tern_declare_out(call, TERN_ATTENTION_Y, q->dtype, 3,
                     (int64_t[]){ rows, queries, v->shape[2] });
    if (opts->return_weights)
        tern_declare_out(call, TERN_ATTENTION_WEIGHTS, q->dtype, 4,
                         (int64_t[]){ rows, opts->heads, queries, keys });
    tern_declare_saved(call, TERN_ATTENTION_LOG_SUM, q->dtype, 3,
                       (int64_t[]){ rows, opts->heads, queries });
}

/* Scores that are computed for a row: all, or those of the keys that a causal query may see.
 * The masks are not asked: their values are on the device. */
static double score_count(const tern_call *call)
{
    int64_t queries = call->in[TERN_ATTENTION_Q]->shape[1];
    int64_t keys = call->in[TERN_ATTENTION_V]->shape[1];
    if (!((const tern_attention_opts *)call->options)->causal)
        return (double)queries * (double)keys;
    int64_t seeing = queries < keys ? queries : keys; /* queries that see any: the last ones */
    return (double)seeing * ((double)keys - (double)(seeing - 1) / 2);
}

static void attention_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    const tern_tensor *q = call->in[TERN_ATTENTION_Q], *v = call->in[TERN_ATTENTION_V];
    double scores = (double)q->shape[0] * score_count(call);
    double q_channels = (double)q->shape[2], v_channels = (double)v->shape[2];
    forward->flops = 2 * scores * (q_channels + v_channels);
    /* p = q k' again, dp = dy v', dv = p' dy, dq = ds k, dk = ds' q */
    backward->flops = 2 * scores * (3 * q_channels + 2 * v_channels);
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "q=[2,5,6] k=[2,7,6] v=[2,7,4] query_mask=[2,5] key_mask=[2,7]",
      "heads=2" },
    { TERN_SAMPLE_CHECK, "q=[1,1,1] k=[1,1,1] v=[1,1,1]", "" },
    { TERN_SAMPLE_CHECK, "q=[1,3,31] k=[1,5,31] v=[1,5,17]", "causal=true scale=0.3" },
    { TERN_SAMPLE_CHECK, "q=[2,7,3] k=[2,4,3] v=[2,4,31] key_mask=[2,4]",
      "heads=1 causal=true return_weights=true" },
    { TERN_SAMPLE_CHECK, "q=[1,37,4] k=[1,41,4] v=[1,41,8]", "heads=4 return_weights=true" },
    { TERN_SAMPLE_CHECK, "q=[2,5,4] k=[2,6,4] v=[2,6,4] key_mask=[2,6]", "heads=2 dropout=0.3" },
    { TERN_SAMPLE_CHECK, "q=[2,3,4] k=[2,3,4] v=[2,3,4] key_mask=[2,3]{0..0}", "heads=2" },
    { TERN_SAMPLE_CHECK, "q=[2,3,4] k=[2,3,4] v=[2,3,4] query_mask=[2,3]{0..0}",
      "heads=2 return_weights=true" },
    { TERN_SAMPLE_CHECK,
      "q=[2,5,6] k=[2,7,6] v=[2,7,4] query_mask=[2,5] key_mask=[2,7] bias=[2,2,5,7]", "heads=2" },
    { TERN_SAMPLE_CHECK, "q=[3,4,6] k=[3,7,6] v=[3,7,3] key_mask=[3,7] bias=[3,4,7]",
      "heads=3 causal=true return_weights=true" },
    { TERN_SAMPLE_CHECK, "q=[2,33,4] k=[2,37,4] v=[2,37,2] bias=[33,37]", "heads=2" },
    { TERN_SAMPLE_CHECK, "q=[2,3,2] k=[2,5,2] v=[2,5,2] bias=[2,1,3,5]",
      "heads=2 dropout=0.3 scale=0.7" },
    { TERN_SAMPLE_CHECK, "q=[2,2,4] k=[2,3,4] v=[2,3,4] key_mask=[2,3]{0..0} bias=[2,2,3]",
      "heads=2" },
    { TERN_SAMPLE_CHECK, "q=[0,3,4] k=[0,2,4] v=[0,2,4] bias=[2,3,2]", "heads=2" },
    { TERN_SAMPLE_CHECK, "q=[2,3,4] k=[2,0,4] v=[2,0,6] bias=[2,1,3,0]", "heads=2" },
    { TERN_SAMPLE_CHECK, "q=[2,3,4] k=[2,0,4] v=[2,0,6]", "heads=2" },
    { TERN_SAMPLE_CHECK, "q=[2,0,4] k=[2,3,4] v=[2,3,4]", "causal=true" },
    { TERN_SAMPLE_CHECK, "q=[0,3,4] k=[0,2,4] v=[0,2,4]", "" },
    { TERN_SAMPLE_BENCH, "q=[1,128,32] k=[1,128,32] v=[1,128,32]", "" },
    { TERN_SAMPLE_BENCH, "q=[16,128,128] k=[16,128,128] v=[16,128,128] key_mask=[16,128]",
      "heads=4" },
    { TERN_SAMPLE_BENCH, "q=[8,512,256] k=[8,512,256] v=[8,512,256]", "heads=4 causal=true" },
    { TERN_SAMPLE_BENCH, "q=[16,128,128] k=[16,128,128] v=[16,128,128] bias=[4,128,128]",
      "heads=4" },
    { TERN_SAMPLE_BENCH, "q=[16,50,128] k=[16,300,128] v=[16,300,128]", "heads=4" },
    { 0, NULL, NULL },
};

const tern_op tern_op_attention = {
    .name = "attention",
    .summary = "fused multi-head scaled dot-product attention with masks and additive bias",
    .doc = "per head: y[i] = sum_j softmax_j(scale * q[i] . k[j] + bias[i,j]) v[j], over the "
           "keys j that\n"
           "query i may see: valid ones and, if causal, j <= i + Lk - Lq.  A query that is\n"
           "masked or sees no key gives zero.",
    .in = { { "q", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[N, Lq, heads*D]" },
            { "k", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[N, Lk, heads*D]" },
            { "v", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[N, Lk, heads*Dv]" },
            { "query_mask", TERN_MASK, TERN_OPTIONAL | TERN_BACKWARD_READS, "[N, Lq]" },
            { "key_mask", TERN_MASK, TERN_OPTIONAL | TERN_BACKWARD_READS, "[N, Lk]" },
            { "bias", TERN_REAL, TERN_DIFF | TERN_OPTIONAL | TERN_BACKWARD_READS,
              "[N, heads, Lq, Lk]; N or heads may be 1 or left out" } },
    .out = { { "y", TERN_REAL, 0, "[N, Lq, heads*Dv]" },
             { "weights", TERN_REAL, TERN_OPTIONAL,
               "[N, heads, Lq, Lk], only with return_weights" } },
    .saved = { { "log_sum", TERN_REAL, 0, "[N, heads, Lq]: log of the sum of exp(score)" } },
    .options_size = sizeof(tern_attention_opts),
    .options = options,
    .shape = attention_shape,
    .cost = attention_cost,
    .samples = samples,
};

tern_tensor *tern_attention(tern_ctx *ctx, tern_tensor *q, tern_tensor *k, tern_tensor *v,
                            tern_tensor *query_mask, tern_tensor *key_mask, tern_tensor *bias,
                            tern_attention_opts opts, tern_tensor **weights)
{
    tern_tensor *inputs[TERN_ATTENTION_INPUTS] = { q, k, v, query_mask, key_mask, bias };
    tern_tensor *outputs[TERN_ATTENTION_OUTPUTS] = { NULL, NULL };
    tern_tensor *y = tern_apply(ctx, &tern_op_attention, inputs, TERN_ATTENTION_INPUTS, &opts,
                                outputs);
    if (weights && opts.return_weights)
        *weights = outputs[TERN_ATTENTION_WEIGHTS];
    return y;
}
