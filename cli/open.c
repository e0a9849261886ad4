#include "cli/open.h"

#include "core/registry.h"
#include "kernels/table.h"

tern_ctx *cli_open(tern_ctx_opts opts, const cli_list *plugins, tern_error *error)
{
    tern_ctx *ctx = tern_open(opts, error);
    for (int i = 0; ctx && i < plugins->count; i++)
        tern_load_plugin(ctx, plugins->items[i]);
    if (ctx && !tern_ok(ctx)) {
        *error = *tern_ctx_error(ctx);
        tern_ctx_free(ctx);
        return NULL;
    }
    return ctx;
}
