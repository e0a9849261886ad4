/* Promises of checkpoints: they hold all there is, as PyTorch would; what does not fit is
 * refused by name and changes nothing; what cannot be written costs nothing. */
#include "check.h"
#include "temporary_folder.h"

#include "core/params.h"
#include "core/rng.h"
#include "core/safetensors.h"
#include "datasets/file.h"
#include "kernels/table.h"
#include "models/classifier.h"
#include "train/checkpoint.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[TEMPORARY_PATH_BYTES];
static const tern_checkpoint_info SAVED = { 7, 91, 5, 1.0 / 3 };
static const tern_optimiser ADAMW = { .kind = TERN_OPTIMISER_ADAMW, .ema = 0.9 };

static int make_folder(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is then an error of write() */
    return temporary_folder_make(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    temporary_folder_remove(folder);
    return 0;
}

/* ---------------------------------------------------------------- models -- */

typedef struct network {
    tern_ctx *ctx;
    tern_classifier *model;
} network;

static network new_network(const char *device, uint64_t seed)
{
    tern_error error = { 0 };
    tern_model_config config = {
        .streams = 7, .fusion = TERN_FUSION_ATTENTION, .classes = 3, .class_names = { "a", "b", "c" },
        .size = 8, .heads = 2, .height = 16, .width = 16, .channels = 3, .face_width = 2,
        .seconds = 0.3, .mels = 32, .audio_width = 2, .tokens = 5, .vocabulary = 9, .text_layers = 1,
    };
    if (!tern_model_config_resolve(&config, &error))
        fail_msg("%s", error.message);
    network n = { .ctx = tern_open((tern_ctx_opts){ .device = device, .threads = 1, .seed = seed },
                                   &error) };
    if (!n.ctx)
        fail_msg("%s", error.message);
    n.model = tern_classifier_new(n.ctx, &config);
    tern_params_freeze(n.ctx);
    tern_average_begin(n.ctx);
    assert_tern_ok(n.ctx);
    return n;
}

static void free_network(network n)
{
    tern_classifier_free(n.model);
    tern_ctx_free(n.ctx);
}

/* Every tensor that a checkpoint holds: parameter i, its moments and average, then states
 * and theirs. */
enum { PARAM_PARTS = 4, STATE_PARTS = 2 };
static bool tensor_at(tern_ctx *ctx, int index, tern_tensor *tensor)
{
    static const tern_block blocks[PARAM_PARTS] = { TERN_BLOCK_VALUE, TERN_BLOCK_MOMENT1,
                                                    TERN_BLOCK_MOMENT2, TERN_BLOCK_AVERAGE };
    int state = index - PARAM_PARTS * tern_param_count(ctx);
    if (state >= STATE_PARTS * tern_state_count(ctx))
        return false;
    if (state < 0)
        *tensor = tern_param_slice(ctx, index / PARAM_PARTS, blocks[index % PARAM_PARTS]);
    else if (state % STATE_PARTS)
        *tensor = tern_state_average(ctx, state / STATE_PARTS);
    else
        *tensor = *tern_state_at(ctx, state / STATE_PARTS);
    return true;
}

/* Numbers that use all their digits, in every tensor. */
static void fill(tern_ctx *ctx, uint64_t seed)
{
    tern_rng rng = tern_rng_make(seed, TERN_STREAM_TEST, 1);
    tern_tensor tensor;
    for (int i = 0; tensor_at(ctx, i, &tensor); i++) {
        double *values = malloc((size_t)tensor.count * sizeof *values);
        assert_non_null(values);
        for (int64_t k = 0; k < tensor.count; k++)
            values[k] = fabs(tern_rng_normal(&rng)) / 3;
        tern_write(ctx, &tensor, TERN_F64, values);
        free(values);
    }
    assert_tern_ok(ctx);
}

/* A number that changes with every bit of every tensor. */
static uint64_t hash_of(tern_ctx *ctx)
{
    uint64_t hash = 14695981039346656037u;
    tern_tensor tensor;
    for (int i = 0; tensor_at(ctx, i, &tensor); i++) {
        size_t bytes = tern_tensor_bytes(&tensor);
        uint8_t *values = malloc(bytes);
        assert_non_null(values);
        tern_read(ctx, &tensor, tensor.dtype, values);
        for (size_t k = 0; k < bytes; k++)
            hash = (hash ^ values[k]) * 1099511628211u;
        free(values);
    }
    assert_tern_ok(ctx);
    return hash;
}

static const char *save(network n, const char *name, const tern_optimiser *optimiser,
                        char path[TEMPORARY_PATH_BYTES])
{
    temporary_path(path, folder, name);
    tern_checkpoint_save(n.ctx, path, optimiser, &SAVED);
    assert_tern_ok(n.ctx);
    return path;
}

static tern_safetensors *open_file(const char *path)
{
    tern_error error = { 0 };
    tern_safetensors *file = tern_safetensors_open(path, &error);
    if (!file)
        fail_msg("%s", error.message);
    return file;
}

/* ------------------------------------------------------------- contents -- */

static void a_round_trip_restores_every_bit(void **state)
{
    (void)state;
    static const char *const devices[] = { "cpu", "ref" };
    for (int d = 0; d < 2; d++) {
        char path[TEMPORARY_PATH_BYTES];
        network written = new_network(devices[d], 1), read = new_network(devices[d], 2);
        fill(written.ctx, 3);
        uint64_t want = hash_of(written.ctx);
        assert_true(hash_of(read.ctx) != want);
        tern_checkpoint_info info;
        save(written, "round.safetensors", &ADAMW, path);
        tern_checkpoint_load(read.ctx, path, &ADAMW, &info);
        assert_tern_ok(read.ctx);
        assert_true(hash_of(read.ctx) == want);
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
    fill(n.ctx, 3);
    uint64_t want = hash_of(n.ctx);
    tern_checkpoint_load(n.ctx, save(n, "plain.safetensors", NULL, path), NULL, NULL);
    assert_tern_ok(n.ctx);
    assert_true(hash_of(n.ctx) == want);
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
    fill(n.ctx, 3);
    tern_safetensors *file = open_file(save(n, "conv.safetensors", &ADAMW, path));
    for (int i = 0; i < PARAM_PARTS * tern_param_count(n.ctx); i++) {
        static const char *const prefixes[PARAM_PARTS] = { "", "optimizer.exp_avg.",
                                                           "optimizer.exp_avg_sq.", "ema." };
        tern_tensor tensor;
        int param = i / PARAM_PARTS;
        tensor_at(n.ctx, i, &tensor);
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
    tern_safetensors *file = open_file(save(n, "count.safetensors", NULL, path));
    const tern_stored *count =
        tern_safetensors_find(file, "audio.input_norm.num_batches_tracked", &error);
    if (!count)
        fail_msg("%s", error.message);
    assert_int_equal(count->rank, 0);
    assert_int_equal(*(const int64_t *)count->data, SAVED.step);
    tern_safetensors_close(file);
    free_network(n);
}

/* -------------------------------------------------- what does not fit -- */

/* How a copy of a checkpoint differs from it. */
typedef struct change {
    const char *left_out, *added, *reshaped, *retyped, *metadata_left_out;
} change;

static void copy_changed(const char *from, const char *to, const change *c)
{
    static const char *const keys[] = { "epoch", "step", "best_epoch", "best" };
    static const int64_t seven = 7;
    static const float values[7];
    tern_error error = { 0 };
    tern_safetensors *file = open_file(from);
    tern_safetensors_writer *writer = tern_safetensors_create(to, &error);
    for (int i = 0; i < tern_safetensors_count(file); i++) {
        const tern_stored *stored = tern_safetensors_at(file, i, &error);
        const char *name = stored->name;
        if (c->left_out && strcmp(name, c->left_out) == 0)
            continue;
        if (c->reshaped && strcmp(name, c->reshaped) == 0)
            tern_safetensors_add(writer, name, TERN_F32, 1, &seven, values);
        else
            tern_safetensors_add(writer, name,
                                 c->retyped && strcmp(name, c->retyped) == 0 ? TERN_I32
                                                                             : stored->dtype,
                                 stored->rank, stored->shape, stored->data);
    }
    if (c->added)
        tern_safetensors_add(writer, c->added, TERN_F32, 1, &seven, values);
    for (int i = 0; i < 4; i++)
        if (!c->metadata_left_out || strcmp(keys[i], c->metadata_left_out) != 0)
            tern_safetensors_set_metadata(writer, keys[i], tern_safetensors_metadata(file, keys[i]));
    if (!tern_safetensors_finish(writer))
        fail_msg("%s", error.message);
    tern_safetensors_close(file);
}

/* Refused with this text; nothing has changed; the good one can still be loaded. */
static void assert_refused(network n, const char *path, const char *good, tern_status code,
                           const char *text)
{
    tern_checkpoint_info info;
    fill(n.ctx, 11);
    uint64_t before = hash_of(n.ctx);
    assert_false(tern_checkpoint_load(n.ctx, path, &ADAMW, &info));
    assert_tern_fails(n.ctx, code, text);
    assert_non_null(strstr(tern_ctx_error(n.ctx)->message, path));
    tern_clear_error(n.ctx);
    assert_true(hash_of(n.ctx) == before);
    assert_true(tern_checkpoint_load(n.ctx, good, &ADAMW, &info));
}

static void a_checkpoint_that_does_not_fit_is_refused_by_name(void **state)
{
    (void)state;
    static const char weight[] = "text.layers.0.linear1.weight", conv[] = "face.block1.0.weight",
                      mean[] = "audio.input_norm.running_mean";
    static const struct {
        change how;
        tern_status code;
        const char *text;
    } cases[] = {
        { { .left_out = weight }, TERN_ERR_ARGUMENT, "has no tensor 'text.layers.0.linear1.weight'" },
        { { .left_out = mean }, TERN_ERR_ARGUMENT, "has no tensor 'audio.input_norm.running_mean'" },
        { { .left_out = "optimizer.exp_avg_sq.face.block1.0.weight" }, TERN_ERR_ARGUMENT,
          "has no tensor 'optimizer.exp_avg_sq.face.block1.0.weight'" },
        { { .left_out = "ema.audio.input_norm.running_var" }, TERN_ERR_ARGUMENT,
          "has no tensor 'ema.audio.input_norm.running_var'" },
        { { .added = "ema.nothing" }, TERN_ERR_FORMAT, "has no tensor ema.nothing" },
        { { .added = "optimizer.sum.face.block1.0.weight" }, TERN_ERR_FORMAT,
          "has no tensor optimizer.sum.face.block1.0.weight" },
        { { .added = "face.block9.weight" }, TERN_ERR_FORMAT, "has no tensor face.block9.weight" },
        { { .added = "optimizer.exp_avg.face.nothing" }, TERN_ERR_FORMAT,
          "has no tensor optimizer.exp_avg.face.nothing" },
        { { .added = "face.num_batches_tracked" }, TERN_ERR_FORMAT,
          "has no tensor face.num_batches_tracked" },
        { { .reshaped = weight }, TERN_ERR_SHAPE,
          "text.layers.0.linear1.weight is [7], the model wants [32,8]" },
        { { .reshaped = conv }, TERN_ERR_SHAPE,
          "face.block1.0.weight is [7], the model wants [4,2,3,3]" },
        { { .reshaped = mean }, TERN_ERR_SHAPE,
          "audio.input_norm.running_mean is [7], the model wants [32]" },
        { { .retyped = weight }, TERN_ERR_DTYPE, "is of type i32, the model wants f32 or f64" },
        { { .metadata_left_out = "step" }, TERN_ERR_FORMAT,
          "metadata \"step\" must be a number from 0 on, it is missing" },
    };
    char good[TEMPORARY_PATH_BYTES], bad[TEMPORARY_PATH_BYTES];
    network n = new_network("cpu", 1);
    save(n, "good.safetensors", &ADAMW, good);
    temporary_path(bad, folder, "bad.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        copy_changed(good, bad, &cases[i].how);
        assert_refused(n, bad, good, cases[i].code, cases[i].text);
    }
    free_network(n);
}

static int count_of(const char *path, const char *prefix)
{
    tern_safetensors *file = open_file(path);
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
        save(n, "kind.safetensors", &cases[i].optimiser, path);
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

/* The file says nothing of its optimiser, as those of before there was a choice. */
static void a_checkpoint_of_an_older_version_is_adamws(void **state)
{
    (void)state;
    static const tern_optimiser plain = { .kind = TERN_OPTIMISER_ADAMW },
                                sgd = { .kind = TERN_OPTIMISER_SGD };
    char good[TEMPORARY_PATH_BYTES], old[TEMPORARY_PATH_BYTES];
    network n = new_network("cpu", 1);
    temporary_path(old, folder, "old.safetensors");
    copy_changed(save(n, "good.safetensors", &plain, good), old, &(change){ 0 });
    assert_true(tern_checkpoint_load(n.ctx, old, &plain, NULL));
    tern_checkpoint_load(n.ctx, old, &sgd, NULL);
    assert_tern_fails(n.ctx, TERN_ERR_DATA, "what adamw left cannot be gone on with by sgd");
    free_network(n);
}

static void a_truncated_a_foreign_and_an_absent_file_are_refused_by_name(void **state)
{
    (void)state;
    char good[TEMPORARY_PATH_BYTES], bad[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    size_t size;
    network n = new_network("cpu", 1);
    uint8_t *bytes = tern_file_read(save(n, "good.safetensors", &ADAMW, good), &size, &error);
    assert_non_null(bytes);
    temporary_file(bad, folder, "bad.safetensors", bytes, size - 1);
    assert_refused(n, bad, good, TERN_ERR_FORMAT, "truncated or damaged");
    temporary_file(bad, folder, "bad.safetensors", bytes, 500);
    assert_refused(n, bad, good, TERN_ERR_FORMAT, "truncated or not a safetensors file");
    temporary_file(bad, folder, "bad.safetensors", "PK\3\4", 4);
    assert_refused(n, bad, good, TERN_ERR_FORMAT, "4 bytes are too few");
    unlink(bad);
    assert_refused(n, bad, good, TERN_ERR_IO, "cannot be opened: No such file or directory");
    free(bytes);
    free_network(n);
}

/* --------------------------------------------- what cannot be written -- */

/* Saving other values to `path` fails with this text and leaves the file as it was. */
static void assert_save_fails(network n, const char *path, const char *text)
{
    tern_error error = { 0 };
    size_t size_before, size_after;
    uint8_t *before = tern_file_read(path, &size_before, &error);
    assert_non_null(before);
    fill(n.ctx, 12);
    assert_false(tern_checkpoint_save(n.ctx, path, &ADAMW, &SAVED));
    assert_tern_fails(n.ctx, TERN_ERR_IO, text);
    assert_non_null(strstr(tern_ctx_error(n.ctx)->message, path));
    tern_clear_error(n.ctx);
    uint8_t *after = tern_file_read(path, &size_after, &error);
    assert_non_null(after);
    assert_int_equal(size_after, size_before);
    assert_memory_equal(after, before, size_before);
    free(before);
    free(after);
}

static void a_full_disk_leaves_the_earlier_checkpoint_whole(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES];
    struct rlimit old;
    network n = new_network("cpu", 1);
    save(n, "full/last.safetensors", &ADAMW, path);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    const struct rlimit small = { 5000, old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_save_fails(n, path, "cannot be written: File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    /* Nothing else is left in the folder: it can be removed once the file is. */
    unlink(path);
    *strrchr(path, '/') = '\0';
    assert_int_equal(rmdir(path), 0);
    free_network(n);
}

static void a_read_only_folder_leaves_the_earlier_checkpoint_whole(void **state)
{
    (void)state;
    enum { NOBODY = 65534 };
    char path[TEMPORARY_PATH_BYTES], place[TEMPORARY_PATH_BYTES];
    network n = new_network("cpu", 1);
    bool root = geteuid() == 0; /* whom modes do not stop: be somebody else meanwhile */
    save(n, "sealed/last.safetensors", &ADAMW, path);
    temporary_path(place, folder, "sealed");
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(chmod(place, 0555), 0);
    if (root && seteuid(NOBODY) != 0) {
        free_network(n);
        skip();
    }
    assert_save_fails(n, path, "cannot be created: Permission denied");
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(place, 0755), 0);
    free_network(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_trip_restores_every_bit),
        cmocka_unit_test(a_checkpoint_without_moments_leaves_them_alone),
        cmocka_unit_test(conv_weights_and_what_belongs_to_them_are_stored_as_pytorch_does),
        cmocka_unit_test(batch_norms_count_their_batches_as_pytorch_does),
        cmocka_unit_test(a_checkpoint_that_does_not_fit_is_refused_by_name),
        cmocka_unit_test(a_checkpoint_holds_what_its_optimiser_remembers),
        cmocka_unit_test(a_checkpoint_of_an_older_version_is_adamws),
        cmocka_unit_test(a_truncated_a_foreign_and_an_absent_file_are_refused_by_name),
        cmocka_unit_test(a_full_disk_leaves_the_earlier_checkpoint_whole),
        cmocka_unit_test(a_read_only_folder_leaves_the_earlier_checkpoint_whole),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
