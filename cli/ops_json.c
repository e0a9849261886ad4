#include "cli/ops_json.h"

#include "core/registry.h"

#include <string.h>

static json_t *backend_json(const tern_ctx *ctx, const tern_op *op)
{
    const tern_impl *used = tern_find_impl(ctx, op), *impl;
    json_t *providers = json_array();
    for (int i = 0; (impl = tern_impl_at(ctx, i)); i++)
        if (strcmp(impl->op, op->name) == 0 && strcmp(impl->backend, tern_device(ctx)) == 0)
            json_array_append_new(providers, json_string(impl->provider));
    return json_pack("{s:b, s:b, s:o}", "forward", used != NULL, "backward",
                     used && used->backward, "providers", providers);
}

json_t *cli_op_row_json(const tern_op *op, tern_ctx *const *contexts, int count)
{
    json_t *backends = json_object();
    for (int i = 0; i < count; i++)
        if (contexts[i])
            json_object_set_new(backends, tern_device(contexts[i]), backend_json(contexts[i], op));
    return json_pack("{s:s, s:s, s:o}", "name", op->name, "summary", op->summary, "backends",
                     backends);
}

static json_t *arguments_json(const tern_arg *list, int count)
{
    static const char *const kinds[] = { [TERN_REAL] = "real", [TERN_INDEX] = "index",
                                         [TERN_MASK] = "mask", [TERN_ANY] = "any" };
    json_t *json = json_array();
    for (int i = 0; i < count; i++) {
        unsigned flags = list[i].flags;
        json_array_append_new(
            json, json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:b}", "name", list[i].name, "kind",
                            kinds[list[i].kind], "shape", list[i].shape, "optional",
                            (flags & TERN_OPTIONAL) != 0, "differentiable",
                            (flags & TERN_DIFF) != 0, "changed", (flags & TERN_MUTATED) != 0,
                            "variadic", (flags & TERN_VARIADIC) != 0));
    }
    return json;
}

static json_t *option_json(const tern_option *option)
{
    static const char *const types[] = { [TERN_OPTION_INT] = "int", [TERN_OPTION_REAL] = "real",
                                         [TERN_OPTION_BOOL] = "bool",
                                         [TERN_OPTION_CHOICE] = "choice" };
    json_t *json = json_pack("{s:s, s:s, s:i, s:s}", "name", option->name, "type",
                             types[option->type], "length", option->length > 1 ? option->length : 1,
                             "doc", option->doc);
    if (option->type == TERN_OPTION_CHOICE) {
        json_t *choices = json_array();
        for (int i = 0; option->choices[i]; i++)
            json_array_append_new(choices, json_string(option->choices[i]));
        json_object_set_new(json, "choices", choices);
        json_object_set_new(json, "default", json_string(option->choices[0]));
    } else if (option->type == TERN_OPTION_BOOL) {
        json_object_set_new(json, "default", json_false());
    } else {
        bool none = (option->has_offset || option->list) && option->fallback == 0;
        json_object_set_new(json, "default", none ? json_null() : json_real(option->fallback));
    }
    if (option->lowest < option->highest) {
        json_object_set_new(json, "lowest", json_real(option->lowest));
        json_object_set_new(json, "highest", json_real(option->highest));
    }
    return json;
}

json_t *cli_op_json(const tern_op *op, tern_ctx *const *contexts, int count)
{
    json_t *json = cli_op_row_json(op, contexts, count), *options = json_array();
    for (const tern_option *option = op->options; option && option->type; option++)
        json_array_append_new(options, option_json(option));
    json_object_set_new(json, "doc", json_string(op->doc));
    json_object_set_new(json, "inputs", arguments_json(op->in, tern_op_input_count(op)));
    json_object_set_new(json, "outputs", arguments_json(op->out, tern_op_output_count(op)));
    json_object_set_new(json, "options", options);
    return json;
}
