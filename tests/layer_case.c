#include "tests/layer_case.h"

#include "tests/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/params.h"
#include "kernels/table.h"
#include "tests/temporary_folder.h"
#include "train/checkpoint.h"

/* CASE/GROUP/NAME of the fixture, NULL if there is none. */
static const tern_stored *stored(const layer_case *c, const char *group, const char *name)
{
    char full[256];
    tern_error error = { 0 };
    snprintf(full, sizeof full, "%s/%s/%s", c->name, group, name);
    return tern_safetensors_has(c->file, full) ? tern_safetensors_find(c->file, full, &error)
                                               : NULL;
}

static int count_stored(const layer_case *c, const char *group)
{
    char prefix[128];
    int count = 0;
    snprintf(prefix, sizeof prefix, "%s/%s/", c->name, group);
    for (int i = 0; i < tern_safetensors_count(c->file); i++)
        count += strncmp(tern_safetensors_name(c->file, i), prefix, strlen(prefix)) == 0;
    return count;
}

/* -------------------------------------------------------------- layouts -- */

static tern_layout layout_of(const layer_case *c, const tern_tensor *tensor)
{
    for (int i = 0; i < tern_param_count(c->ctx); i++)
        if (tern_param_at(c->ctx, i) == tensor || tern_param_at(c->ctx, i)->grad == tensor)
            return tern_param_opts_at(c->ctx, i)->layout;
    return TERN_LAYOUT_SAME;
}

/* What PyTorch has in place of our element i: its convolution weights are [O,I,taps],
 * ours [O,taps,I]. */
static int64_t theirs(const tern_tensor *ours, tern_layout layout, int64_t i)
{
    if (layout == TERN_LAYOUT_SAME)
        return i;
    int64_t taps = tern_extent(ours, 1, ours->rank - 1), inputs = tern_dim(ours, -1);
    int64_t output = i / (taps * inputs), tap = i / inputs % taps, input = i % inputs;
    return (output * inputs + input) * taps + tap;
}

static bool has_shape_of(const tern_tensor *ours, tern_layout layout, const tern_stored *want)
{
    bool same = ours->rank == want->rank && ours->count == want->count;
    for (int axis = 0; same && axis < ours->rank; axis++) {
        int from = layout == TERN_LAYOUT_SAME || axis == 0 ? axis
                   : axis == 1                             ? ours->rank - 1
                                                           : axis - 1;
        same = ours->shape[from] == want->shape[axis];
    }
    return same;
}

/* ------------------------------------------------------------ comparing -- */

/* Positions that `valid` (or NULL) says are padding do not count. */
static void compare(const layer_case *c, const char *group, const char *name,
                    const tern_tensor *got, const tern_stored *valid)
{
    const tern_stored *want = stored(c, group, name);
    if (!want)
        fail_msg("%s: PyTorch has no %s/%s", c->name, group, name);
    if (!got)
        fail_msg("%s: %s/%s was not computed", c->name, group, name);
    tern_layout layout = layout_of(c, got);
    if (!has_shape_of(got, layout, want))
        fail_msg("%s: %s/%s has another shape than PyTorch's", c->name, group, name);
    double *values = malloc(((size_t)got->count + 1) * sizeof *values), largest = 0;
    assert_non_null(values);
    tern_read(c->ctx, got, TERN_F64, values);
    assert_tern_ok(c->ctx);
    const double *wanted = want->data;
    for (int64_t i = 0; i < want->count; i++)
        largest = fmax(largest, fabs(wanted[i]));
    for (int64_t i = 0; i < want->count; i++) {
        if (valid && !((const uint8_t *)valid->data)[i / (want->count / valid->count)])
            continue;
        double expected = wanted[theirs(got, layout, i)];
        if (!(fabs(values[i] - expected) <= c->tolerance * (1 + largest)))
            fail_msg("%s on %s: %s/%s[%lld] is %.15g, PyTorch has %.15g", c->name,
                     tern_device(c->ctx), group, name, (long long)i, values[i], expected);
    }
    free(values);
}

static void load(const layer_case *c, tern_tensor *tensor)
{
    const tern_stored *from = stored(c, "state", tensor->name);
    if (!from)
        fail_msg("%s: PyTorch has no %s", c->name, tensor->name);
    tern_layout layout = layout_of(c, tensor);
    if (!has_shape_of(tensor, layout, from))
        fail_msg("%s: %s has another shape than PyTorch's", c->name, tensor->name);
    double *values = malloc(((size_t)tensor->count + 1) * sizeof *values);
    assert_non_null(values);
    for (int64_t i = 0; i < tensor->count; i++)
        values[i] = ((const double *)from->data)[theirs(tensor, layout, i)];
    tern_write(c->ctx, tensor, TERN_F64, values);
    free(values);
}

static void compare_gradients(const layer_case *c)
{
    tern_backward(c->ctx, NULL);
    assert_tern_ok(c->ctx);
    assert_int_equal(count_stored(c, "grad"), c->input_count + tern_param_count(c->ctx));
    for (int i = 0; i < c->input_count; i++)
        compare(c, "grad", c->inputs[i]->name, c->inputs[i]->grad, NULL);
    for (int i = 0; i < tern_param_count(c->ctx); i++)
        compare(c, "grad", tern_param_at(c->ctx, i)->name, tern_param_at(c->ctx, i)->grad, NULL);
}

/* --------------------------------------------------------------- on file -- */

/* The saved layer is PyTorch's state dict, but for the counts of batches that batch norm
 * adds. */
static void compare_file(const layer_case *c, const char *path)
{
    tern_error error = { 0 };
    tern_safetensors *file = tern_safetensors_open(path, &error);
    if (!file)
        fail_msg("%s", error.message);
    for (int i = 0; i < tern_safetensors_count(file); i++) {
        const char *name = tern_safetensors_name(file, i);
        if (strstr(name, "num_batches_tracked"))
            continue;
        const tern_stored *saved = tern_safetensors_at(file, i, &error);
        const tern_stored *want = stored(c, "state", name);
        if (!want || saved->rank != want->rank ||
            memcmp(saved->shape, want->shape, (size_t)want->rank * sizeof *want->shape) != 0 ||
            memcmp(saved->data, want->data, want->bytes) != 0)
            fail_msg("%s: %s is saved otherwise than PyTorch does", c->name, name);
    }
    tern_safetensors_close(file);
}

/* Saved, and read again into parameters that held something else. */
static void check_round_trip(const layer_case *c)
{
    char folder[TEMPORARY_PATH_BYTES], path[TEMPORARY_PATH_BYTES];
    tern_checkpoint_info info = { 0 };
    assert_true(temporary_folder_make(folder));
    temporary_path(path, folder, "layer.safetensors");
    tern_checkpoint_save(c->ctx, path, NULL, &info);
    assert_tern_ok(c->ctx);
    compare_file(c, path);
    for (int i = 0; i < tern_param_count(c->ctx); i++) {
        tern_tensor *param = tern_param_at(c->ctx, i);
        double *zeros = calloc((size_t)param->count + 1, sizeof *zeros);
        assert_non_null(zeros);
        tern_write(c->ctx, param, TERN_F64, zeros);
        free(zeros);
    }
    tern_checkpoint_load(c->ctx, path, NULL, NULL);
    assert_tern_ok(c->ctx);
    temporary_folder_remove(folder);
}

/* ------------------------------------------------------------- for tests -- */

void layer_case_begin(layer_case *c)
{
    int params = tern_param_count(c->ctx), states = tern_state_count(c->ctx);
    tern_params_freeze(c->ctx);
    assert_int_equal(params + states, count_stored(c, "state"));
    for (int i = 0; i < params; i++)
        load(c, tern_param_at(c->ctx, i));
    for (int i = 0; i < states; i++)
        load(c, tern_state_at(c->ctx, i));
    if (strcmp(tern_device(c->ctx), "ref") == 0)
        check_round_trip(c); /* in float64, as the fixture */
    tern_step_begin(c->ctx, 0);
    assert_tern_ok(c->ctx);
}

tern_tensor *layer_case_input(layer_case *c, const char *name)
{
    const tern_stored *from = stored(c, "in", name);
    if (!from)
        return NULL;
    tern_tensor *tensor = tern_input(c->ctx, name, from->dtype, from->rank, from->shape,
                                     from->data);
    if (stored(c, "grad", name)) {
        assert_true(c->input_count < LAYER_CASE_INPUTS);
        c->inputs[c->input_count++] = tern_require_grad(c->ctx, tensor);
    }
    return tensor;
}

void layer_case_output(layer_case *c, const char *name, tern_tensor *out)
{
    const tern_stored *seed = stored(c, "seed", name);
    assert_tern_ok(c->ctx);
    compare(c, "out", name, out, stored(c, "valid", name));
    if (seed)
        tern_seed_grad(c->ctx, out, seed->dtype, seed->data);
}

void layer_case_run(const char *fixture, const char *name, layer_case_body *body,
                    const void *opts)
{
    static const char *const devices[] = { "ref", "cpu" };
    static const double tolerances[] = { 1e-11, 1e-5 };
    for (int d = 0; d < 2; d++) {
        tern_error error = { 0 };
        layer_case c = { .ctx = tern_open((tern_ctx_opts){ .device = devices[d], .poison = true },
                                          &error),
                         .file = tern_safetensors_open(fixture, &error), .name = name,
                         .tolerance = tolerances[d] };
        if (!c.ctx || !c.file)
            fail_msg("%s", error.message);
        tern_set_recording(c.ctx, true);
        body(&c, opts);
        compare_gradients(&c);
        for (int i = 0; i < tern_state_count(c.ctx); i++)
            compare(&c, "after", tern_state_at(c.ctx, i)->name, tern_state_at(c.ctx, i), NULL);
        assert_tern_ok(c.ctx);
        tern_safetensors_close(c.file);
        tern_ctx_free(c.ctx);
    }
}
