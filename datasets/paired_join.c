/* Joining faces, sounds and sentences of one label. */
#include "datasets/paired_private.h"

#include "core/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Streams of the pairing: this and one for each modality. */
static const uint32_t PAIRING_STREAM = TERN_STREAM_SHUFFLE + 16;

/* Walks through some items in random orders, round after round: none comes again
 * before all have come. */
typedef struct item_walk {
    const paired_item **item;
    int64_t count, at;
    tern_rng rng;
} item_walk;

static const paired_item *walk_next(item_walk *walk)
{
    if (walk->at == 0)
        for (int64_t i = walk->count - 1; i > 0; i--) {
            int64_t j = tern_rng_below(&walk->rng, (uint32_t)(i + 1));
            const paired_item *item = walk->item[i];
            walk->item[i] = walk->item[j];
            walk->item[j] = item;
        }
    const paired_item *item = walk->item[walk->at];
    walk->at = (walk->at + 1) % walk->count;
    return item;
}

static bool walk_new(const paired_job *job, int modality, int split, int label, item_walk *walk)
{
    const paired_list *list = &job->list[modality];
    *walk = (item_walk){ .item = malloc((size_t)list->count * sizeof *walk->item) };
    if (!walk->item)
        return tern_error_set(job->error, TERN_ERR_MEMORY, "paired: no memory for %lld %s",
                              (long long)list->count, tern_paired_item_names[modality]);
    for (int64_t i = 0; i < list->count; i++) {
        const paired_item *item = &list->item[i];
        if (!item->dropped && (int)item->split == split && item->label == label)
            walk->item[walk->count++] = item;
    }
    walk->rng = tern_rng_make(job->opts.seed, PAIRING_STREAM + (uint32_t)modality, (uint32_t)split);
    walk->rng.next = (uint64_t)label << 40; /* each label draws from its own part */
    return true;
}

static bool append_pairs(paired_job *job, int split, int label, int pairs)
{
    item_walk walk[TERN_MODALITY_COUNT] = { { 0 } };
    bool ok = true;
    for (int m = 0; ok && m < TERN_MODALITY_COUNT; m++)
        ok = walk_new(job, m, split, label, &walk[m]);
    for (int i = 0; ok && i < pairs; i++) {
        const paired_item *sound = walk_next(&walk[TERN_AUDIO]);
        char id[64], speaker[32];
        snprintf(id, sizeof id, "%s-%s-%04d", tern_split_names[split],
                 tern_paired_class_names[label], i);
        snprintf(speaker, sizeof speaker, "actor-%02d", sound->actor);
        tern_clip clip = { id, (tern_split)split, speaker, label,
                           walk_next(&walk[TERN_FACE])->media, sound->media,
                           walk_next(&walk[TERN_TEXT])->media };
        ok = tern_clips_append(job->clips, &clip, job->error);
    }
    for (int m = 0; m < TERN_MODALITY_COUNT; m++)
        free(walk[m].item);
    job->counts.pairs[split][label] = pairs;
    return ok;
}

/* One row for each training item, only its own modality filled. */
static bool append_pool(paired_job *job, int modality)
{
    const paired_list *list = &job->list[modality];
    for (int64_t i = 0; i < list->count; i++) {
        const paired_item *item = &list->item[i];
        char *id = NULL, speaker[32] = "";
        if (item->dropped || item->split != TERN_TRAIN)
            continue;
        if (asprintf(&id, "%s-%s", tern_modality_names[modality], item->name) < 0)
            return tern_error_set(job->error, TERN_ERR_MEMORY, "paired: no memory for an id");
        if (modality == TERN_AUDIO)
            snprintf(speaker, sizeof speaker, "actor-%02d", item->actor);
        tern_clip clip = { .id = id, .split = TERN_TRAIN, .speaker = speaker,
                           .label = item->label };
        const char **media[TERN_MODALITY_COUNT] = { &clip.face, &clip.audio, &clip.text };
        *media[modality] = item->media;
        bool ok = tern_clips_append(job->clips, &clip, job->error);
        free(id);
        if (!ok)
            return false;
    }
    return true;
}

bool tern_paired_make_clips(paired_job *job)
{
    job->clips = tern_clips_new(job->error);
    if (!job->clips ||
        !tern_clips_set_classes(job->clips, tern_paired_class_names, CLASSES, job->error))
        return false;
    job->clips->train_unpaired = true;
    job->clips->epoch_samples = job->opts.epoch_samples;
    for (int label = 0; label < CLASSES; label++)
        if (!append_pairs(job, TERN_TEST, label, job->opts.test_pairs / CLASSES))
            return false;
    for (int label = 0; label < CLASSES; label++)
        if (!append_pairs(job, TERN_VALID, label, job->opts.valid_pairs / CLASSES))
            return false;
    for (int m = 0; m < TERN_MODALITY_COUNT; m++)
        if (!append_pool(job, m))
            return false;
    return true;
}
