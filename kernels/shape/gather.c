/* The contract of gather; see gather.h for the formula and shapes. */
#include "kernels/shape/gather.h"

static const tern_option options[] = {
    { .name = "axis", .type = TERN_OPTION_INT, .offset = offsetof(tern_gather_opts, axis),
      .lowest = -TERN_MAX_RANK, .highest = TERN_MAX_RANK - 1,
      .doc = "along which index chooses; negative counts from the end" },
    { 0 },
};

int tern_gather_axis(const tern_call *call)
{
    const tern_gather_opts *opts = call->options;
    return (int)(opts->axis < 0 ? opts->axis + call->in[0]->rank : opts->axis);
}

static void gather_shape(tern_call *call)
{
    const tern_gather_opts *opts = call->options;
    const tern_tensor *x = call->in[0], *index = call->in[1];
    int axis = tern_gather_axis(call);
    char xt[TERN_SHAPE_TEXT], it[TERN_SHAPE_TEXT];
    bool fits = index->rank == x->rank;

    if (axis < 0 || axis >= x->rank) {
        tern_call_fail(call, TERN_ERR_OPTION, "axis %lld is not there in x %s",
                       (long long)opts->axis, tern_shape_text(x, xt));
        return;
    }
    for (int i = 0; i < x->rank && fits; i++)
        fits = i == axis || index->shape[i] <= x->shape[i];
    if (!fits) {
        tern_call_fail(call, TERN_ERR_SHAPE,
                       "index %s must have the axes of x %s, none but axis %d longer than x's",
                       tern_shape_text(index, it), tern_shape_text(x, xt), axis);
        return;
    }
    tern_declare_out(call, 0, x->dtype, index->rank, index->shape);
}

bool tern_gather_check_index(tern_call *call)
{
    const int32_t *index = call->in[1]->data;
    int axis = tern_gather_axis(call);
    int64_t extent = call->in[0]->shape[axis];
    char it[TERN_SHAPE_TEXT], xt[TERN_SHAPE_TEXT];

    for (int64_t i = 0; i < call->in[1]->count; i++)
        if (index[i] < 0 || index[i] >= extent) {
            tern_call_fail(call, TERN_ERR_DATA,
                           "index %s holds %d at position %lld, axis %d of x %s has %lld elements",
                           tern_shape_text(call->in[1], it), index[i], (long long)i, axis,
                           tern_shape_text(call->in[0], xt), (long long)extent);
            return false;
        }
    return true;
}

int64_t tern_gather_source(const tern_call *call, int64_t i)
{
    const tern_tensor *x = call->in[0], *index = call->in[1];
    int64_t chosen = ((const int32_t *)index->data)[i], at = 0, stride = 1;

    for (int axis = x->rank - 1; axis >= 0; axis--) {
        int64_t position = i % index->shape[axis];
        at += (axis == tern_gather_axis(call) ? chosen : position) * stride;
        stride *= x->shape[axis];
        i /= index->shape[axis];
    }
    return at;
}

static void gather_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    double elements = (double)call->out[0]->count;
    double size = (double)tern_dtype_size(call->out[0]->dtype);
    double ids = (double)tern_tensor_bytes(call->in[1]);

    backward->flops = elements;
    /* Of x only the chosen elements are read; its gradient is written whole. */
    forward->bytes = 2 * elements * size + ids;
    backward->bytes = elements * size + (double)tern_tensor_bytes(call->in[0]) + ids;
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[7,3] index=[4,3]{0..6}", "" },
    { TERN_SAMPLE_CHECK, "x=[5,31] index=[5,17]{0..30}", "axis=1" },
    { TERN_SAMPLE_CHECK, "x=[3,5,7] index=[2,11,4]{0..4}", "axis=1" },
    { TERN_SAMPLE_CHECK, "x=[3,4,2,5] index=[3,2,1,13]{0..4}", "axis=-1" },
    { TERN_SAMPLE_CHECK, "x=[191] index=[97]{0..190}", "" },
    { TERN_SAMPLE_CHECK, "x=[1] index=[1]{0..0}", "" },
    { TERN_SAMPLE_CHECK, "x=[4,3] index=[0,3]{0..3}", "" },
    { TERN_SAMPLE_CHECK, "x=[2,5] index=[2,0]{0..4}", "axis=1" },
    { TERN_SAMPLE_BENCH, "x=[32,50,128] index=[32,50,128]{0..49}", "axis=1" },
    { TERN_SAMPLE_BENCH, "x=[512,1000] index=[512,1]{0..999}", "axis=1" },
    { 0, NULL, NULL },
};

const tern_op tern_op_gather = {
    .name = "gather",
    .summary = "elements chosen along one axis by indices",
    .doc = "y[c0, ..., b, ...] = x[c0, ..., index[c0, ..., b, ...], ...], as torch.gather",
    .in = { { "x", TERN_ANY, TERN_DIFF, "[..., A, ...]" },
            { "index", TERN_INDEX, TERN_BACKWARD_READS, "[..., B, ...]" } },
    .out = { { "y", TERN_ANY, 0, "[..., B, ...]" } },
    .options_size = sizeof(tern_gather_opts),
    .options = options,
    .shape = gather_shape,
    .cost = gather_cost,
    .samples = samples,
};

tern_tensor *tern_gather(tern_ctx *ctx, tern_tensor *x, tern_tensor *index, tern_gather_opts opts)
{
    tern_tensor *inputs[] = { x, index };
    return tern_apply(ctx, &tern_op_gather, inputs, 2, &opts, NULL);
}
