/* The report as JSON; see report.h.
 *
 *   {"command", "wall_seconds", "steps": {...}, "device": {...}, "ceilings": {...} or null,
 *    "parts": [{"name", "seconds"}], "tree": NODE, "ops": [...], "memory": {...},
 *    "profiler": {...}}
 *   NODE: {"name", "kind", "total_seconds", "self_seconds", "calls", "flops", "bytes",
 *          "roof_seconds", "at_most", "first", "below": [NODE...]} */
#include "bench/profile/report.h"

#include <stdlib.h>

static const double NS = 1e-9;

static json_t *node_json(const profile_recorder *r, int at)
{
    const profile_node *node = &r->nodes[at];
    json_t *below = json_array();
    for (int i = at + 1; i < r->node_count; i++)
        if (r->nodes[i].parent == at)
            json_array_append_new(below, node_json(r, i));
    json_t *json = json_pack("{s:s, s:s, s:f, s:f, s:I, s:f, s:f, s:f, s:f, s:b, s:b, s:o}", "name",
                             node->name, "kind", profile_kind_name(node->kind), "total_seconds",
                             NS * (double)node->total_ns, "self_seconds",
                             NS * (double)profile_node_own_ns(node), "calls",
                             (json_int_t)node->calls, "flops", node->flops, "bytes", node->bytes,
                             "costed_seconds", node->costed_seconds, "roof_seconds",
                             node->roof_seconds, "at_most", node->at_most, "first", node->first,
                             "below", below);
    if (json && node->kind == PROFILE_NODE_OP)
        json_object_set_new(json, "pass", json_string(profile_pass_name(node->pass)));
    return json;
}

static json_t *ops_json(const profile_report *p)
{
    int count;
    profile_op_sum *sums = profile_ops(p, &count);
    json_t *list = json_array();
    for (int i = 0; sums && i < count; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:I, s:f, s:f, s:f, s:f, s:s, s:b}", "op",
                            sums[i].op->name, "pass", profile_pass_name(sums[i].pass), "provider",
                            sums[i].provider, "calls", (json_int_t)sums[i].calls, "seconds",
                            NS * (double)sums[i].total_ns, "flops", sums[i].flops, "bytes",
                            sums[i].bytes, "roof_seconds", sums[i].roof_seconds, "bound_by",
                            profile_bound_name(&sums[i]), "at_most", sums[i].at_most));
    free(sums);
    return list;
}

static json_t *parts_json(const profile_recorder *r)
{
    profile_part parts[PROFILE_MOST_PARTS];
    int count = profile_parts(r, parts);
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:s, s:f}", "name", parts[i].name, "seconds",
                                              NS * (double)parts[i].ns));
    return list;
}

static json_t *memory_json(const profile_report *p)
{
    const tern_memory_report *m = &p->recorder->memory;
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "steps_bytes",
                     (json_int_t)m->arena_bytes, "steps_without_reuse_bytes",
                     (json_int_t)m->unplanned_bytes, "workspace_bytes",
                     (json_int_t)p->recorder->workspace_bytes, "parameter_bytes",
                     (json_int_t)m->param_bytes, "packed_bytes", (json_int_t)m->packed_bytes,
                     "kept_bytes", (json_int_t)m->kept_bytes, "process_bytes",
                     (json_int_t)p->process_bytes);
}

static json_t *roof_json(const profile_roof *roof)
{
    if (!roof)
        return json_null();
    json_t *json = json_object();
    json_object_set_new(json, "flops_per_second",
                        json_real(bench_fma_ceiling(&roof->ceilings, roof->simd, roof->threads)));
    json_t *levels = json_object();
    for (int i = BENCH_L1; i < BENCH_LEVELS; i++)
        json_object_set_new(levels, bench_level_name((bench_level)i),
                            json_real(bench_bandwidth_ceiling(&roof->ceilings, (bench_level)i,
                                                              roof->threads)));
    json_object_set_new(json, "bytes_per_second", levels);
    return json;
}

json_t *profile_json(const profile_report *p)
{
    const profile_recorder *r = p->recorder;
    return json_pack(
        "{s:s, s:f, s:{s:I, s:I, s:I}, s:{s:s, s:s, s:i}, s:o, s:o, s:o, s:o, s:o, "
        "s:{s:I, s:f, s:b}}",
        "command", r->command, "wall_seconds", NS * (double)r->wall_ns, "steps", "all",
        (json_int_t)r->steps, "first_of_their_shape", (json_int_t)r->first_steps, "planning",
        (json_int_t)r->dry_steps, "device", "name", r->device, "simd", r->simd, "threads",
        r->threads, "ceilings", roof_json(p->roof), "parts", parts_json(r), "tree",
        node_json(r, 0), "ops", ops_json(p), "memory", memory_json(p), "profiler", "heard",
        (json_int_t)r->heard, "seconds", NS * (double)r->recorder_ns, "out_of_memory", r->failed);
}
