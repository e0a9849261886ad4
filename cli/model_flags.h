/* What train shares with others: lists of modalities and fusions as text, and the
 * progress bar. */
#ifndef TERN_CLI_MODEL_FLAGS_H
#define TERN_CLI_MODEL_FLAGS_H

#include "models/config.h"
#include "train/trainer.h"

/* "face,audio" -> bit set; an error suggests the nearest name. */
bool cli_parse_modalities(const char *text, unsigned *streams, tern_error *error);
bool cli_parse_fusion(const char *text, tern_fusion *fusion, tern_error *error);

/* A tern_trainer_opts.progress: a bar on a terminal, one line an epoch elsewhere. */
void cli_show_progress(const tern_progress *progress, void *user);

#endif
