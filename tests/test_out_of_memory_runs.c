/* Whatever allocation of reading data, of training and of predicting fails, the error says
 * so, nothing leaks and no worker hangs. */
#include "tests/failing_memory.h"

#include "datasets/loader.h"
#include "datasets/manifest.h"
#include "infer/predict.h"
#include "tests/tiny_set.h"
#include "train/trainer.h"

static char folder[TEMPORARY_PATH_BYTES], manifest[TEMPORARY_PATH_BYTES];
static char run[TEMPORARY_PATH_BYTES];

static int make_data(void **state)
{
    (void)state;
    const tiny_set set = { "set.tsv", { 9, 3, 3 }, NULL };
    json_set_alloc_funcs(failing_json_malloc, free);
    return temporary_folder_make(folder) && tiny_set_make(&set, folder, manifest) ? 0 : -1;
}

static int remove_data(void **state)
{
    (void)state;
    temporary_folder_remove(folder);
    return 0;
}

static void read_manifest(tern_error *error)
{
    tern_clips_free(tern_manifest_read(manifest, (tern_manifest_opts){ 0 }, error));
}

static void a_manifest_is_read_or_said_why(void **state)
{
    (void)state;
    try_all(read_manifest, "reading a manifest");
}

static void load_an_epoch(tern_error *error)
{
    tern_clips *clips = tern_manifest_read(manifest, (tern_manifest_opts){ 0 }, error);
    tern_vocabulary *words =
        clips ? tern_vocabulary_from_clips(clips, (tern_vocabulary_opts){ 0 }, error) : NULL;
    tern_loader *loader = NULL;
    if (words)
        loader = tern_loader_new(clips, words,
                                 (tern_loader_opts){ .batch = 3, .frames = 2, .height = 16,
                                                     .width = 16, .channels = 1, .seconds = 0.3,
                                                     .tokens = 5, .shuffle = true, .workers = 2 },
                                 error);
    if (loader && tern_loader_start(loader, 0, error))
        while (tern_loader_next(loader, error)) {
        }
    tern_loader_free(loader);
    tern_vocabulary_free(words);
    tern_clips_free(clips);
}

static void an_epoch_is_loaded_or_said_why(void **state)
{
    (void)state;
    try_some(load_an_epoch, "loading an epoch", 40);
}

static void train(tern_error *error)
{
    tern_trainer_opts opts = tiny_training(manifest, run);
    tern_train_result result;
    opts.train.epochs = 1;
    tern_train(&opts, &result, error);
    trial.armed = false; /* removing the folder is no part of the story */
    temporary_folder_remove(run);
}

static void training_ends_or_says_why(void **state)
{
    (void)state;
    temporary_path(run, folder, "run");
    try_some(train, "training", 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_is_read_or_said_why),
        cmocka_unit_test(an_epoch_is_loaded_or_said_why),
        cmocka_unit_test(training_ends_or_says_why),
    };
    return cmocka_run_group_tests_name("out_of_memory_runs", tests, make_data, remove_data);
}
