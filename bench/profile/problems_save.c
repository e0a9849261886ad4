/* The file of problems that `tern bench --shapes` replays; see problems.h. */
#include "bench/profile/problems.h"

#include "datasets/file.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Most often called first; among equals as they came. */
static int by_calls(const void *left, const void *right)
{
    const profile_problem *a = *(const profile_problem *const *)left;
    const profile_problem *b = *(const profile_problem *const *)right;
    if (a->calls != b->calls)
        return a->calls < b->calls ? 1 : -1;
    return (a > b) - (a < b);
}

static json_t *problem_json(const profile_problem *seen)
{
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:I}", "op", seen->op->name, "inputs",
                             seen->inputs, "options", seen->options, "pass",
                             profile_pass_name(seen->pass), "count", (json_int_t)seen->calls);
    if (json && seen->pass == TERN_PASS_BACKWARD)
        json_object_set_new(json, "gradients", json_string(seen->gradients));
    return json;
}

static json_t *problems_json(const profile_problems *problems)
{
    json_t *list = json_array();
    const profile_problem **order = malloc(((size_t)problems->count + 1) * sizeof *order);
    for (int i = 0; order && i < problems->count; i++)
        order[i] = &problems->seen[i];
    if (order)
        qsort(order, (size_t)problems->count, sizeof *order, by_calls);
    for (int i = 0; order && i < problems->count; i++)
        if (order[i]->pass != TERN_PASS_RESTORE)
            json_array_append_new(list, problem_json(order[i]));
    free(order);
    return order ? list : NULL;
}

bool profile_problems_save(const profile_problems *problems, const char *path, const char *model,
                         int64_t steps, tern_error *error)
{
    json_t *json = json_pack("{s:s, s:s, s:I, s:o}", "format", "tern shapes 1", "model", model,
                             "steps", (json_int_t)steps, "problems", problems_json(problems));
    char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
    json_decref(json);
    bool ok = text ? tern_file_replace(path, text, strlen(text), error)
                   : tern_error_set(error, TERN_ERR_MEMORY,
                                    "%s: no memory to write it, or the command is not UTF-8", path);
    free(text);
    return ok;
}
