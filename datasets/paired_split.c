/* Who goes where: sounds by actor, images and sentences by the hash of their
 * content.  The splits depend on the content alone, not on a seed, so two runs with
 * different seeds share their test sets. */
#include "datasets/paired_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const tern_paired_item_names[TERN_MODALITY_COUNT] = { "faces", "sounds", "sentences" };

static int compare_hashes(const void *a, const void *b)
{
    const paired_item *x = *(paired_item *const *)a, *y = *(paired_item *const *)b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x < y ? -1 : 1; /* in the order they were read */
}

/* Of equal items keep the first; none when their labels differ, since then one of
 * the labels is wrong.  sorted holds all items by hash. */
static int64_t drop_duplicates(paired_item **sorted, int64_t count)
{
    int64_t dropped = 0;
    for (int64_t first = 0, end; first < count; first = end) {
        bool contradict = false;
        for (end = first + 1; end < count && sorted[end]->hash == sorted[first]->hash; end++)
            contradict |= sorted[end]->label != sorted[first]->label;
        for (int64_t i = first; i < end; i++) {
            sorted[i]->dropped = i > first || contradict;
            dropped += sorted[i]->dropped;
        }
    }
    return dropped;
}

/* Within each class in the order of the hashes: first the test part, then valid,
 * the rest is train.  With a test file of its own, no test part is cut off. */
static void split_by_hash(const paired_job *job, paired_item **sorted, int64_t count,
                          bool has_test_file)
{
    double test_fraction = has_test_file ? 0 : job->opts.test_fraction;
    for (int label = 0; label < CLASSES; label++) {
        int64_t all = 0, at = 0;
        for (int64_t i = 0; i < count; i++)
            all += sorted[i]->label == label && !sorted[i]->dropped && !sorted[i]->in_test_file;
        int64_t test = llround((double)all * test_fraction);
        int64_t valid = llround((double)all * job->opts.valid_fraction);
        for (int64_t i = 0; i < count; i++) {
            paired_item *item = sorted[i];
            if (item->label != label || item->dropped)
                continue;
            if (item->in_test_file)
                item->split = TERN_TEST;
            else
                item->split = at < test ? TERN_TEST : at < test + valid ? TERN_VALID : TERN_TRAIN;
            at += !item->in_test_file;
        }
    }
}

static bool split_list(paired_job *job, tern_modality modality, int64_t *dropped)
{
    paired_list *list = &job->list[modality];
    paired_item **sorted = malloc((size_t)(list->count + 1) * sizeof *sorted);
    if (!sorted)
        return tern_error_set(job->error, TERN_ERR_MEMORY, "paired: no memory for %lld %s",
                              (long long)list->count, tern_paired_item_names[modality]);
    for (int64_t i = 0; i < list->count; i++)
        sorted[i] = &list->item[i];
    qsort(sorted, (size_t)list->count, sizeof *sorted, compare_hashes);
    *dropped = drop_duplicates(sorted, list->count);
    split_by_hash(job, sorted, list->count, modality == TERN_TEXT && job->opts.text_test);
    free(sorted);
    return true;
}

static void split_by_actor(paired_job *job)
{
    paired_list *list = &job->list[TERN_AUDIO];
    for (int64_t i = 0; i < list->count; i++) {
        int split = job->actor_split[list->item[i].actor];
        list->item[i].dropped = split < 0;
        list->item[i].split = split < 0 ? TERN_TRAIN : (tern_split)split;
        job->counts.audio_other += split < 0;
    }
}

bool tern_paired_make_splits(paired_job *job)
{
    int64_t(*const counts[TERN_MODALITY_COUNT])[CLASSES] = { job->counts.faces, job->counts.audio,
                                                             job->counts.text };
    split_by_actor(job);
    if (!split_list(job, TERN_FACE, &job->counts.faces_dropped) ||
        !split_list(job, TERN_TEXT, &job->counts.text_dropped))
        return false;
    for (int m = 0; m < TERN_MODALITY_COUNT; m++) {
        for (int64_t i = 0; i < job->list[m].count; i++) {
            const paired_item *item = &job->list[m].item[i];
            counts[m][item->split][item->label] += !item->dropped;
        }
        for (int split = 0; split < TERN_SPLIT_COUNT; split++)
            for (int label = 0; label < CLASSES; label++)
                if (counts[m][split][label] == 0)
                    return tern_error_set(job->error, TERN_ERR_DATA,
                                          "paired: no %s of class %s for split %s",
                                          tern_paired_item_names[m], tern_paired_class_names[label],
                                          tern_split_names[split]);
    }
    return true;
}
