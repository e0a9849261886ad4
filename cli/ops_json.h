/* What `tern ops --json` prints, made from the contracts. */
#ifndef TERN_CLI_OPS_JSON_H
#define TERN_CLI_OPS_JSON_H

#include "core/op.h"

#include <jansson.h>

/* Name, summary and, for each device of which there is a context, what is implemented:
 *   "backends": { "cpu": { "forward": true, "backward": true, "providers": ["hand"] } }  */
json_t *cli_op_row_json(const tern_op *op, tern_ctx *const *contexts, int count);

/* The same with documentation, inputs, outputs and options. */
json_t *cli_op_json(const tern_op *op, tern_ctx *const *contexts, int count);

#endif
