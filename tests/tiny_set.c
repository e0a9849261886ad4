/* See tiny_set.h. */
#include "tiny_set.h"

#include "tiny_media.h"

#include <stdio.h>

const char *const tiny_classes[TINY_CLASSES] = { "angry", "happy", "sad" };

static const char *const splits[3] = { "train", "valid", "test" };
static const char *const words[TINY_CLASSES] = { "go away now", "what a day", "it rains again" };

/* Row i of a split: its media and its line. */
static bool make_row(const tiny_set *set, const char *folder, FILE *manifest, int split, int i)
{
    char name[128], path[TEMPORARY_PATH_BYTES];
    int label = i % TINY_CLASSES, shade = 60 + 60 * label + (i * 37 + split * 11) % 50;
    const char *class_name =
        label == TINY_CLASSES - 1 && set->last_class ? set->last_class : tiny_classes[label];
    for (int frame = 0; frame < 2; frame++) {
        snprintf(name, sizeof name, "%s.media/%s%d/%d.png", set->name, splits[split], i, frame);
        if (!tiny_flat_png(temporary_path(path, folder, name), 16, 16, 1, shade + 3 * frame))
            return false;
    }
    snprintf(name, sizeof name, "%s.media/%s%d.wav", set->name, splits[split], i);
    if (!tiny_sound(temporary_path(path, folder, name), 16000, 4000 + 40 * (i % 9),
                    20 * label + (i * 7 + split) % 15))
        return false;
    /* Every fourth sentence is that of another class. */
    return fprintf(manifest, "%s-%s%d\t%s\t%s-%s%d\t%s\t%s.media/%s%d\t%s.media/%s%d.wav\t%s %s\n",
                   set->name, splits[split], i, splits[split], set->name, splits[split], i % 2,
                   class_name, set->name, splits[split], i, set->name, splits[split], i,
                   words[(label + (i % 4 == 3)) % TINY_CLASSES], i % 2 ? "again" : "now") > 0;
}

bool tiny_set_make(const tiny_set *set, const char *folder, char manifest[TEMPORARY_PATH_BYTES])
{
    FILE *file = fopen(temporary_path(manifest, folder, set->name), "w");
    bool ok = file && fputs("id\tsplit\tspeaker\tlabel\tface\taudio\ttext\n", file) >= 0;
    for (int split = 0; split < 3; split++)
        for (int i = 0; ok && i < set->rows[split]; i++)
            ok = make_row(set, folder, file, split, i);
    return (!file || fclose(file) == 0) && ok;
}

tern_trainer_opts tiny_training(const char *manifest, const char *run)
{
    tern_trainer_opts opts = {
        .data = manifest, .run = run, .threads = 1,
        .model = { .streams = 7, .fusion = TERN_FUSION_CROSSMODAL, .size = 8, .heads = 2,
                   .dropout = 0.2, .frames = 2, .height = 16, .width = 16, .channels = 1,
                   .face_width = 2, .seconds = 0.3, .mels = 32, .audio_width = 2, .tokens = 5,
                   .text_layers = 1 },
        .train = tern_train_opts_default(),
    };
    opts.train.epochs = 4;
    opts.train.batch = 6;
    opts.train.seed = 1;
    opts.train.lr = 1e-2;
    opts.train.augment = 1;
    opts.train.modality_dropout = 0.3;
    return opts;
}
