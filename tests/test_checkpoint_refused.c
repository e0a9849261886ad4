/* Promises of checkpoints: one of an older version is read; what does not fit is refused by
 * name and changes nothing; what cannot be written costs nothing. */
#include "tests/check.h"
#include "tests/checkpointed.h"

#include "datasets/file.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_folder(void **state)
{
    signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is then an error of write() */
    return test_folder_make(state);
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
    tern_safetensors *file = open_checkpoint(from);
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
    fill_network(n.ctx, 11);
    uint64_t before = hash_of_network(n.ctx);
    assert_false(tern_checkpoint_load(n.ctx, path, &ADAMW, &info));
    assert_tern_fails(n.ctx, code, text);
    assert_non_null(strstr(tern_ctx_error(n.ctx)->message, path));
    tern_clear_error(n.ctx);
    assert_true(hash_of_network(n.ctx) == before);
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
    save_network(n, "good.safetensors", &ADAMW, good);
    temporary_path(bad, test_folder, "bad.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        copy_changed(good, bad, &cases[i].how);
        assert_refused(n, bad, good, cases[i].code, cases[i].text);
    }
    free_network(n);
}

static void a_checkpoint_of_an_older_version_is_adamws(void **state)
{
    (void)state;
    static const tern_optimiser plain = { .kind = TERN_OPTIMISER_ADAMW },
                                sgd = { .kind = TERN_OPTIMISER_SGD };
    char good[TEMPORARY_PATH_BYTES], old[TEMPORARY_PATH_BYTES];
    network n = new_network("cpu", 1);
    temporary_path(old, test_folder, "old.safetensors");
    copy_changed(save_network(n, "good.safetensors", &plain, good), old, &(change){ 0 });
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
    save_network(n, "good.safetensors", &ADAMW, good);
    uint8_t *bytes = tern_file_read(good, &size, &error);
    assert_non_null(bytes);
    temporary_file(bad, test_folder, "bad.safetensors", bytes, size - 1);
    assert_refused(n, bad, good, TERN_ERR_FORMAT, "truncated or damaged");
    temporary_file(bad, test_folder, "bad.safetensors", bytes, 500);
    assert_refused(n, bad, good, TERN_ERR_FORMAT, "truncated or not a safetensors file");
    temporary_file(bad, test_folder, "bad.safetensors", "PK\3\4", 4);
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
    fill_network(n.ctx, 12);
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
    save_network(n, "full/last.safetensors", &ADAMW, path);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    const struct rlimit small = { 5000, old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_save_fails(n, path, "cannot be written: File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    /* Nothing else is left in the test_folder: it can be removed once the file is. */
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
    save_network(n, "sealed/last.safetensors", &ADAMW, path);
    temporary_path(place, test_folder, "sealed");
    assert_int_equal(chmod(test_folder, 0755), 0);
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
        cmocka_unit_test(a_checkpoint_that_does_not_fit_is_refused_by_name),
        cmocka_unit_test(a_checkpoint_of_an_older_version_is_adamws),
        cmocka_unit_test(a_truncated_a_foreign_and_an_absent_file_are_refused_by_name),
        cmocka_unit_test(a_full_disk_leaves_the_earlier_checkpoint_whole),
        cmocka_unit_test(a_read_only_folder_leaves_the_earlier_checkpoint_whole),
    };
    return cmocka_run_group_tests(tests, make_folder, test_folder_remove);
}
