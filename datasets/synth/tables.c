/* See tables.h. */
#include "datasets/synth/tables.h"

#include "datasets/file.h"
#include "datasets/manifest.h"
#include "datasets/synth/folder.h"

#include <stdio.h>
#include <stdlib.h>

struct tern_synth_table {
    FILE *stream; /* into text */
    char *text;
    size_t size;
};

void tern_synth_clip_id(const tern_synth_clip *clip, char id[TERN_SYNTH_ID_BYTES])
{
    snprintf(id, TERN_SYNTH_ID_BYTES, "%s%04d", tern_split_names[clip->split], clip->number + 1);
}

/* ------------------------------------------------------- manifest.tsv -- */

bool tern_synth_add_clip(tern_clips *clips, const tern_synth_clip *clip, const char *sentence,
                         tern_error *error)
{
    char id[TERN_SYNTH_ID_BYTES], speaker[32], face[64], audio[64];
    tern_synth_clip_id(clip, id);
    snprintf(speaker, sizeof speaker, "%s-actor%02d", tern_split_names[clip->split],
             clip->actor + 1);
    snprintf(face, sizeof face, "faces/%s", id);
    snprintf(audio, sizeof audio, "voices/%s.wav", id);
    return tern_clips_append(clips,
                             &(tern_clip){ .id = id, .split = clip->split, .speaker = speaker,
                                           .label = clip->cues.label, .face = face,
                                           .audio = audio, .text = sentence }, error);
}

bool tern_synth_write_manifest(const char *dir, tern_clips *clips, const tern_synth_opts *opts,
                               tern_error *error)
{
    char path[TERN_SYNTH_PATH_BYTES], comment[128];
    snprintf(comment, sizeof comment, "made by `tern data synth`, seed %llu; see synth.txt",
             (unsigned long long)opts->seed);
    return !error->code &&
           tern_clips_set_classes(clips, tern_synth_emotions, TERN_SYNTH_EMOTIONS, error) &&
           tern_synth_path(path, error, "%s/manifest.tsv", dir) &&
           tern_manifest_write(path, clips, comment, error);
}

/* ----------------------------------------------------------- cues.tsv -- */

tern_synth_table *tern_synth_table_new(tern_error *error)
{
    tern_synth_table *table = calloc(1, sizeof *table);
    if (table)
        table->stream = open_memstream(&table->text, &table->size);
    if (!table || !table->stream) {
        free(table);
        tern_error_set(error, TERN_ERR_MEMORY, "synth: no memory for the table of cues");
        return NULL;
    }
    fputs("id\tsplit\tlabel\tface\tvoice\ttext\twords\tstressed\tflashed\tstresses\tflashes",
          table->stream);
    for (int label = 0; label < TERN_SYNTH_EMOTIONS; label++)
        fprintf(table->stream, "\tp_%s", tern_synth_emotions[label]);
    fputc('\n', table->stream);
    return table;
}

void tern_synth_table_free(tern_synth_table *table)
{
    if (!table)
        return;
    if (table->stream)
        fclose(table->stream);
    free(table->text);
    free(table);
}

/* One letter for each slot, the first slot first. */
static void write_slots(FILE *stream, uint8_t slots, char set, char clear)
{
    for (int slot = 0; slot < TERN_SYNTH_SLOTS; slot++)
        fputc(slots >> slot & 1 ? set : clear, stream);
    fputc('\t', stream);
}

void tern_synth_add_cues(tern_synth_table *table, const tern_synth_clip *clip)
{
    static const char *const kinds[] = { "thing", "qualifier" };
    const tern_synth_cues *cues = &clip->cues;
    const unsigned all = TERN_SYNTH_FACE | TERN_SYNTH_VOICE | TERN_SYNTH_TEXT | TERN_SYNTH_TIMING;
    double posterior[TERN_SYNTH_EMOTIONS];
    char id[TERN_SYNTH_ID_BYTES];

    if (!table)
        return;
    tern_synth_clip_id(clip, id);
    fprintf(table->stream, "%s\t%s\t%s\t%s\t%s\t%s\t", id, tern_split_names[clip->split],
            tern_synth_emotions[cues->label], tern_synth_emotions[cues->face],
            tern_synth_emotions[cues->voice], tern_synth_emotions[cues->text]);
    write_slots(table->stream, cues->things, 't', 'q');
    fprintf(table->stream, "%s\t%s\t", kinds[cues->stressed], kinds[cues->flashed]);
    write_slots(table->stream, tern_synth_marked_slots(cues, cues->stressed), '1', '0');
    write_slots(table->stream, tern_synth_marked_slots(cues, cues->flashed), '1', '0');
    tern_synth_posterior(cues, all, posterior);
    for (int label = 0; label < TERN_SYNTH_EMOTIONS; label++)
        fprintf(table->stream, "%.6f%c", posterior[label],
                label < TERN_SYNTH_EMOTIONS - 1 ? '\t' : '\n');
}

bool tern_synth_write_cues(const char *dir, tern_synth_table *table, tern_error *error)
{
    char path[TERN_SYNTH_PATH_BYTES];
    if (error->code || !tern_synth_path(path, error, "%s/cues.tsv", dir))
        return false;
    bool whole = !ferror(table->stream);
    whole = fclose(table->stream) == 0 && whole;
    table->stream = NULL;
    if (!whole)
        return tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for its text", path);
    return tern_file_replace(path, table->text, table->size, error);
}
