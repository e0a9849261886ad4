/* The order of samples: every clip once an epoch, the same again whatever the workers do
 * and after a restart, and joined on the label where modalities are not paired. */
#include "tests/check.h"

#include "tests/tiny_loader.h"

static void an_epoch_shows_every_clip_once_and_epochs_differ(void **state)
{
    (void)state;
    tern_loader_opts opts = small;
    opts.shuffle = true;
    tern_loader *loader = new_loader(clips, opts);
    int64_t order[2][CLIPS];
    for (uint32_t epoch = 0; epoch < 2; epoch++) {
        int seen[CLIPS] = { 0 }, count = 0;
        start(loader, epoch);
        for (const tern_batch *b; (b = next(loader));)
            for (int row = 0; row < b->filled; row++) {
                seen[b->clip[row]]++;
                order[epoch][count++] = b->clip[row];
            }
        for (int i = 0; i < CLIPS; i++)
            assert_int_equal(seen[i], 1);
    }
    assert_memory_not_equal(order[0], order[1], sizeof order[0]);
    tern_loader_free(loader);
}

static void batches_do_not_depend_on_workers_queue_or_cache(void **state)
{
    (void)state;
    static const struct {
        int workers, queue;
        int64_t cache_bytes;
    } cases[] = { { 1, 1, 0 }, { 2, 4, 0 }, { 5, 3, -1 }, { 3, 16, 3000 } };
    tern_augment augment = tern_augment_standard();
    uint64_t expected[2] = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tern_loader_opts opts = training(&augment);
        opts.workers = cases[i].workers;
        opts.queue = cases[i].queue;
        opts.cache_bytes = cases[i].cache_bytes;
        tern_loader *loader = new_loader(clips, opts);
        for (uint32_t epoch = 0; epoch < 2; epoch++) {
            uint64_t hash = epoch_hash(loader, epoch);
            if (i == 0)
                expected[epoch] = hash;
            assert_true(hash == expected[epoch]);
        }
        tern_loader_free(loader);
    }
    assert_true(expected[0] != expected[1]);
}

static void a_resumed_epoch_repeats_exactly(void **state)
{
    (void)state;
    tern_augment augment = tern_augment_standard();
    tern_loader *whole = new_loader(clips, training(&augment));
    tern_loader *resumed = new_loader(clips, training(&augment));
    uint64_t hash = 0;
    for (uint32_t epoch = 0; epoch <= 3; epoch++)
        hash = epoch_hash(whole, epoch);
    assert_true(epoch_hash(resumed, 3) == hash);
    tern_loader_free(whole);
    tern_loader_free(resumed);
    tern_loader_opts other = training(&augment);
    other.seed++;
    resumed = new_loader(clips, other);
    assert_true(epoch_hash(resumed, 3) != hash);
    tern_loader_free(resumed);
}

static void a_loader_may_be_dropped_or_restarted_at_any_moment(void **state)
{
    (void)state;
    tern_augment augment = tern_augment_standard();
    for (int taken = -1; taken < 8; taken++) {
        tern_loader *loader = new_loader(clips, training(&augment));
        if (taken >= 0) {
            start(loader, 0);
            for (int i = 0; i < taken; i++)
                next(loader);
            start(loader, 1);
            assert_non_null(next(loader));
        }
        tern_loader_free(loader);
    }
}

/* ------------------------------------------------------------- unpaired -- */

/* A copy of the clips whose training rows hold one modality each. */
static tern_clips *pools(void)
{
    static const char *const classes[] = { "a", "b", "c" };
    tern_error error = { 0 };
    tern_clips *of = tern_clips_new(&error);
    assert_true(tern_clips_set_classes(of, classes, 3, &error));
    for (int i = 0; i < 30; i++) {
        char id[16], text[32];
        snprintf(id, sizeof id, "x%d", i);
        snprintf(text, sizeof text, "number %d", i);
        int kind = i % 3, label = i / 3 % 3;
        if (kind == TERN_AUDIO && label == 2)
            continue; /* class c has no sound */
        tern_clip clip = { id, TERN_TRAIN, NULL, label, NULL, NULL, NULL };
        if (kind == TERN_FACE)
            clip.face = clips->clip[0].face;
        if (kind == TERN_AUDIO)
            clip.audio = clips->clip[2].audio;
        if (kind == TERN_TEXT)
            clip.text = text;
        assert_true(tern_clips_append(of, &clip, &error));
    }
    of->train_unpaired = true;
    return of;
}

static void pools_are_joined_on_the_label_without_early_reuse(void **state)
{
    (void)state;
    tern_clips *of = pools();
    tern_loader_opts opts = small;
    opts.shuffle = true;
    opts.epoch_samples = 12;
    tern_loader *loader = new_loader(of, opts);
    assert_int_equal(tern_loader_samples(loader), 12);
    int uses[32] = { 0 }, labels[3] = { 0 };
    for (uint32_t epoch = 0; epoch < 5; epoch++) { /* 60 samples, 20 of each label */
        start(loader, epoch);
        for (const tern_batch *b; (b = next(loader));)
            for (int row = 0; row < b->filled; row++) {
                labels[b->label[row]]++;
                assert_int_equal(b->clip[row], -1);
                assert_int_equal(b->has[TERN_AUDIO][row], b->label[row] != 2);
                for (int m = 0; m < 3; m++) {
                    int64_t source = b->source[row * 3 + m];
                    assert_int_equal(source >= 0, b->has[m][row]);
                    if (source < 0)
                        continue;
                    assert_int_equal(of->clip[source].label, b->label[row]);
                    uses[source]++;
                }
            }
    }
    for (int label = 0; label < 3; label++)
        assert_int_equal(labels[label], 20);
    /* A pool of n is used round after round: 20 draws are 20/n or one more each. */
    for (int64_t i = 0; i < of->count; i++) {
        int64_t size = 0;
        for (int64_t j = 0; j < of->count; j++)
            size += of->clip[j].label == of->clip[i].label &&
                    !of->clip[j].face == !of->clip[i].face &&
                    !of->clip[j].audio == !of->clip[i].audio;
        assert_in_range(uses[i], 20 / size, (20 + size - 1) / size);
    }
    tern_loader_free(loader);
    tern_clips_free(of);
}

static void unpaired_epochs_repeat_exactly_too(void **state)
{
    (void)state;
    tern_clips *of = pools();
    tern_augment augment = tern_augment_standard();
    tern_loader *a = new_loader(of, training(&augment)), *b = new_loader(of, training(&augment));
    assert_int_equal(tern_loader_samples(a), 10); /* the median of 10, 7 and 10 */
    epoch_hash(a, 0);
    uint64_t hash = epoch_hash(a, 1);
    assert_true(epoch_hash(b, 1) == hash);
    assert_true(epoch_hash(b, 2) != hash);
    tern_loader_free(a);
    tern_loader_free(b);
    tern_clips_free(of);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_shows_every_clip_once_and_epochs_differ),
        cmocka_unit_test(batches_do_not_depend_on_workers_queue_or_cache),
        cmocka_unit_test(a_resumed_epoch_repeats_exactly),
        cmocka_unit_test(a_loader_may_be_dropped_or_restarted_at_any_moment),
        cmocka_unit_test(pools_are_joined_on_the_label_without_early_reuse),
        cmocka_unit_test(unpaired_epochs_repeat_exactly_too),
    };
    return cmocka_run_group_tests(tests, tiny_loader_make, tiny_loader_remove);
}
