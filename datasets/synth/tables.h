/* The two tables of the synthetic set: manifest.tsv and cues.tsv. */
#ifndef TERN_DATASETS_SYNTH_TABLES_H
#define TERN_DATASETS_SYNTH_TABLES_H

#include "datasets/synth/sentence.h"
#include "datasets/synth/synth.h"

enum { TERN_SYNTH_ID_BYTES = 32 };

/* "train0001" */
void tern_synth_clip_id(const tern_synth_clip *clip, char id[TERN_SYNTH_ID_BYTES]);

bool tern_synth_add_clip(tern_clips *clips, const tern_synth_clip *clip, const char *sentence,
                         tern_error *error);
bool tern_synth_write_manifest(const char *dir, tern_clips *clips, const tern_synth_opts *opts,
                               tern_error *error);

/* Rows of cues.tsv; an error while they are added is reported when they are
 * written. */
typedef struct tern_synth_table tern_synth_table;

tern_synth_table *tern_synth_table_new(tern_error *error);
void tern_synth_table_free(tern_synth_table *table);
void tern_synth_add_cues(tern_synth_table *table, const tern_synth_clip *clip);
bool tern_synth_write_cues(const char *dir, tern_synth_table *table, tern_error *error);

#endif
