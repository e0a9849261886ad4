/* A context for a subcommand that works on ops: opened, with the user's plugins. */
#ifndef TERN_CLI_OPEN_H
#define TERN_CLI_OPEN_H

#include "cli/args.h"
#include "core/context.h"

#define CLI_PLUGIN_FLAG(list)                                                                     \
    { "--plugin", CLI_REPEAT, &(list), "FILE", "load your own ops (docs/own-op.md)" }

/* NULL with an error. */
tern_ctx *cli_open(tern_ctx_opts opts, const cli_list *plugins, tern_error *error);

#endif
