/* Made-up reports; see bench_report.h. */
#include "tests/bench_report.h"

#include "tests/check.h"

#include <stdlib.h>
#include <string.h>

static json_t *row_json(int row, int count, double factor, tern_rng *rng)
{
    char inputs[64];
    double size = 16 * (row + 1), flops = 2 * size * size * size;
    double *samples = malloc((size_t)count * sizeof *samples);
    json_t *list = json_array();
    assert_non_null(samples);
    timing_noise_draw(&timing_noises[row % TIMING_NOISES], rng, factor * flops / 1e11, samples,
                      count);
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_real(samples[i]));
    free(samples);
    snprintf(inputs, sizeof inputs, "a=[%g,%g] b=[%g,%g]", size, size, size, size);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:{}, s:f, s:f, s:o, s:s, "
                     "s:s}", "op", "matmul", "inputs", inputs, "options", "", "pass", "fwd",
                     "provider", "hand", "device", "cpu", "dtype", "f32", "threads", 1, "simd",
                     "avx2", "cache", "hot", "tags", "flops", flops, "bytes", 12 * size * size,
                     "samples", list, "verdict", "ok", "command", "tern bench matmul");
}

json_t *bench_report_make(int rows, int samples, const double *factors, uint64_t seed)
{
    json_t *list = json_array();
    tern_rng rng = tern_rng_make(seed, TERN_STREAM_TEST, 5);
    for (int r = 0; r < rows; r++)
        json_array_append_new(list, row_json(r, samples, factors ? factors[r] : 1, &rng));
    json_t *report = json_pack(
        "{s:s, s:s, s:{s:s, s:i}, s:[{s:s, s:s, s:i, s:f}, {s:s, s:s, s:i, s:i, s:f}, "
        "{s:s, s:s, s:i, s:i, s:f}], s:o}", "format", "tern bench 1", "date",
        "2026-11-22T22:50:00Z", "host", "cpu", "made up", "cores", 2, "ceilings", "kind", "fma",
        "simd", "avx2", "threads", 1, "per_second", 1.2e11, "kind", "read", "level", "L1",
        "threads", 1, "bytes", 24576, "per_second", 3e11, "kind", "read", "level", "memory",
        "threads", 1, "bytes", 1 << 27, "per_second", 1.4e10, "rows", list);
    assert_non_null(report);
    return report;
}

bench_recorded *bench_report_read(json_t *report)
{
    tern_error error = { 0 };
    char *text = json_dumps(report, JSON_REAL_PRECISION(9));
    json_decref(report);
    assert_non_null(text);
    bench_recorded *read = bench_recorded_parse("made.json", text, strlen(text), &error);
    free(text);
    if (!read)
        fail_msg("%s", error.message);
    return read;
}

json_t *bench_report_row(json_t *report, int row)
{
    return json_array_get(json_object_get(report, "rows"), (size_t)row);
}
