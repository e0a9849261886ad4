/* Promises of checkpoints: they hold all there is, as PyTorch would. */
#include "tests/check.h"
#include "tests/checkpointed.h"

#include "core/params.h"

#include <stdlib.h>
#include <string.h>

static void a_round_trip_restores_every_bit(void **state)
{
    (void)state;
    static const char *const devices[] = { "cpu", "ref" };
    for (int d = 0; d < 2; d++) {
        char path[TEMPORARY_PATH_BYTES];
        network written = new_network(devices[d], 1), read = new_network(devices[d], 2);
        fill_network(written.ctx, 3);
        uint64_t want = hash_of_network(written.ctx);
        assert_true(hash_of_network(read.ctx) != want);
        tern_checkpoint_info info;
        save_network(written, "round.safetensors", &ADAMW, path);
        tern_checkpoint_load(read.ctx, path, &ADAMW, &info);
        assert_tern_ok(read.ctx);
        assert_true(hash_of_network(read.ctx) == want);
        assert_int_equal(info.epoch, SAVED.epoch);
        assert_int_equal(info.step, SAVED.step);
        assert_int_equal(info.best_epoch, SAVED.best_epoch);
        assert_true(info.best == SAVED.best);
        free_network(written);
        free_network(read);
    }
}

static void a_checkpoint_without_moments_leaves_them_alone(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES];
    network n = new_network("cpu", 1);
    fill_network(n.ctx, 3);
    uint64_t want = hash_of_network(n.ctx);
    tern_checkpoint_load(n.ctx, save_network(n, "plain.safetensors", NULL, path), NULL, NULL);
    assert_tern_ok(n.ctx);
    assert_true(hash_of_network(n.ctx) == want);
    tern_checkpoint_load(n.ctx, path, &ADAMW, NULL);
    assert_tern_fails(n.ctx, TERN_ERR_ARGUMENT, "has no tensor 'optimizer.exp_avg.");
    free_network(n);
}

/* Ours is [O,kh,kw,I], PyTorch's [O,I,kh,kw]; moments and average follow their parameter. */
static void conv_weights_and_what_belongs_to_them_are_stored_as_pytorch_does(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES], name[256];
    network n = new_network("cpu", 1);
    tern_error error = { 0 };
    int seen = 0;
    fill_network(n.ctx, 3);
    tern_safetensors *file = open_checkpoint(save_network(n, "conv.safetensors", &ADAMW, path));
    for (int i = 0; i < PARAM_PARTS * tern_param_count(n.ctx); i++) {
        static const char *const prefixes[PARAM_PARTS] = { "", "optimizer.exp_avg.",
                                                           "optimizer.exp_avg_sq.", "ema." };
        tern_tensor tensor;
        int param = i / PARAM_PARTS;
        tensor_of_network(n.ctx, i, &tensor);
        if (tern_param_opts_at(n.ctx, param)->layout != TERN_LAYOUT_OHWI_FROM_OIHW)
            continue;
        snprintf(name, sizeof name, "%s%s", prefixes[i % PARAM_PARTS],
                 tern_param_at(n.ctx, param)->name);
        const tern_stored *stored = tern_safetensors_find(file, name, &error);
        if (!stored)
            fail_msg("%s", error.message);
        const int64_t *s = tensor.shape;
        assert_int_equal(stored->shape[0], s[0]);
        assert_int_equal(stored->shape[1], s[3]);
        assert_int_equal(stored->shape[2], s[1]);
        assert_int_equal(stored->shape[3], s[2]);
        float *ours = malloc((size_t)tensor.count * sizeof *ours);
        assert_non_null(ours);
        tern_read(n.ctx, &tensor, TERN_F32, ours);
        const float *theirs = stored->data;
        for (int64_t o = 0; o < s[0]; o++)
            for (int64_t p = 0; p < s[1] * s[2]; p++)
                for (int64_t c = 0; c < s[3]; c++)
                    assert_true(theirs[(o * s[3] + c) * s[1] * s[2] + p] ==
                                ours[(o * s[1] * s[2] + p) * s[3] + c]);
        free(ours);
        seen++;
    }
    assert_true(seen >= PARAM_PARTS * 9); /* nine convolutions */
    tern_safetensors_close(file);
    free_network(n);
}

static void batch_norms_count_their_batches_as_pytorch_does(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES];
    network n = new_network("cpu", 1);
    tern_error error = { 0 };
    tern_safetensors *file = open_checkpoint(save_network(n, "count.safetensors", NULL, path));
    const tern_stored *count =
        tern_safetensors_find(file, "audio.input_norm.num_batches_tracked", &error);
    if (!count)
        fail_msg("%s", error.message);
    assert_int_equal(count->rank, 0);
    assert_int_equal(*(const int64_t *)count->data, SAVED.step);
    tern_safetensors_close(file);
    free_network(n);
}

static int count_of(const char *path, const char *prefix)
{
    tern_safetensors *file = open_checkpoint(path);
    int found = 0;
    for (int i = 0; i < tern_safetensors_count(file); i++)
        found += strncmp(tern_safetensors_name(file, i), prefix, strlen(prefix)) == 0;
    tern_safetensors_close(file);
    return found;
}

/* As PyTorch names it; plain gradient descent remembers nothing. */
static void a_checkpoint_holds_what_its_optimiser_remembers(void **state)
{
    (void)state;
    static const struct {
        tern_optimiser optimiser;
        int exp_avg, exp_avg_sq, momentum_buffer; /* for each parameter */
    } cases[] = {
        { { .kind = TERN_OPTIMISER_ADAMW }, 1, 1, 0 },
        { { .kind = TERN_OPTIMISER_ADAM }, 1, 1, 0 },
        { { .kind = TERN_OPTIMISER_SGD }, 0, 0, 0 },
        { { .kind = TERN_OPTIMISER_SGD, .momentum = 0.9 }, 0, 0, 1 },
    };
    char path[TEMPORARY_PATH_BYTES];
    network n = new_network("cpu", 1);
    int params = tern_param_count(n.ctx);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        save_network(n, "kind.safetensors", &cases[i].optimiser, path);
        assert_int_equal(count_of(path, "optimizer.exp_avg."), cases[i].exp_avg * params);
        assert_int_equal(count_of(path, "optimizer.exp_avg_sq."), cases[i].exp_avg_sq * params);
        assert_int_equal(count_of(path, "optimizer.momentum_buffer."),
                         cases[i].momentum_buffer * params);
        assert_int_equal(count_of(path, "ema."), 0);
        assert_true(tern_checkpoint_load(n.ctx, path, &cases[i].optimiser, NULL));
        assert_true(tern_checkpoint_load(n.ctx, path, NULL, NULL)); /* to evaluate */
    }
    tern_checkpoint_load(n.ctx, path, &ADAMW, NULL);
    assert_tern_fails(n.ctx, TERN_ERR_DATA, "what sgd left cannot be gone on with by adamw");
    free_network(n);
}

/* The most memory there was since `from_now_on`; -1 where the system does not say. */
static long peak_bytes(bool from_now_on)
{
    char line[256];
    long kib = -1;
    FILE *refs = from_now_on ? fopen("/proc/self/clear_refs", "w") : NULL;
    if (from_now_on && (!refs || fputs("5", refs) < 0 || fclose(refs) != 0))
        return -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && kib < 0 && fgets(line, sizeof line, status))
        sscanf(line, "VmHWM: %ld", &kib);
    if (status)
        fclose(status);
    return kib < 0 ? -1 : kib * 1024;
}

/* valgrind's own memory grows with every byte that it watches. */
static bool under_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    return preloaded && strstr(preloaded, "vgpreload");
}

static void loading_needs_no_room_for_a_second_copy(void **state)
{
    (void)state;
    if (under_valgrind())
        skip();
    enum { PARAMS = 16, SIDE = 512 };
    const long all = (long)PARAMS * SIDE * SIDE * (long)sizeof(float);
    char path[TEMPORARY_PATH_BYTES], name[8];
    tern_ctx *ctx = open_context((tern_ctx_opts){ .device = "cpu" });
    for (int i = 0; i < PARAMS; i++) {
        snprintf(name, sizeof name, "w%d", i);
        tern_param(ctx, name, 2, (int64_t[]){ SIDE, SIDE }, (tern_param_opts){ 0 });
    }
    tern_params_freeze(ctx);
    temporary_path(path, test_folder, "large.safetensors");
    assert_true(tern_checkpoint_save(ctx, path, NULL, &SAVED));
    long before = peak_bytes(true);
    if (before < 0) {
        tern_ctx_free(ctx);
        skip();
    }
    assert_true(tern_checkpoint_load(ctx, path, NULL, NULL));
    assert_true(peak_bytes(false) - before < all / 2);
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_trip_restores_every_bit),
        cmocka_unit_test(a_checkpoint_without_moments_leaves_them_alone),
        cmocka_unit_test(conv_weights_and_what_belongs_to_them_are_stored_as_pytorch_does),
        cmocka_unit_test(batch_norms_count_their_batches_as_pytorch_does),
        cmocka_unit_test(loading_needs_no_room_for_a_second_copy),
        cmocka_unit_test(a_checkpoint_holds_what_its_optimiser_remembers),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
