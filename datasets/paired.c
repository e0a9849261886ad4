/* Joining three unimodal sources on the label; see paired.h. */
#include "datasets/paired_private.h"

#include "datasets/manifest.h"
#include "datasets/set_folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --------------------------------------------------------------- options -- */

/* "1-12,15" -> these actors belong to the split. */
static bool parse_actors(paired_job *job, const char *text, tern_split split)
{
    const char *at = text;
    for (;;) {
        char *end;
        long first = strtol(at, &end, 10), last = first;
        bool ok = end != at;
        if (ok && *end == '-') {
            at = end + 1;
            last = strtol(at, &end, 10);
            ok = end != at;
        }
        if (!ok || first < 1 || last < first || last > HIGHEST_ACTOR || (*end && *end != ','))
            return tern_error_set(job->error, TERN_ERR_OPTION,
                                  "paired: %s actors \"%s\"; numbers 1 to %d and ranges with "
                                  "commas between are expected, as 1-12,15",
                                  tern_split_names[split], text, HIGHEST_ACTOR);
        for (long actor = first; actor <= last; actor++) {
            int other = job->actor_split[actor];
            if (other >= 0 && other != (int)split)
                return tern_error_set(job->error, TERN_ERR_OPTION,
                                      "paired: actor %ld is in %s and in %s; no speaker may be in "
                                      "two splits", actor, tern_split_names[other],
                                      tern_split_names[split]);
            job->actor_split[actor] = (int)split;
        }
        if (!*end)
            return true;
        at = end + 1;
    }
}

tern_paired_opts tern_paired_opts_default(void)
{
    return (tern_paired_opts){
        .train_actors = "1-12", .valid_actors = "13-14", .test_actors = "15-18",
        .valid_fraction = 0.1, .test_fraction = 0.15, .valid_pairs = 700, .test_pairs = 1400,
    };
}

static void fill_in_defaults(tern_paired_opts *opts)
{
    const tern_paired_opts defaults = tern_paired_opts_default();
    opts->train_actors = opts->train_actors ? opts->train_actors : defaults.train_actors;
    opts->valid_actors = opts->valid_actors ? opts->valid_actors : defaults.valid_actors;
    opts->test_actors = opts->test_actors ? opts->test_actors : defaults.test_actors;
    if (opts->valid_fraction == 0)
        opts->valid_fraction = defaults.valid_fraction;
    if (opts->test_fraction == 0)
        opts->test_fraction = defaults.test_fraction;
    opts->valid_pairs = opts->valid_pairs ? opts->valid_pairs : defaults.valid_pairs;
    opts->test_pairs = opts->test_pairs ? opts->test_pairs : defaults.test_pairs;
}

static bool resolve_options(paired_job *job)
{
    tern_paired_opts *opts = &job->opts;
    const int most = TERN_PAIRED_MAX_PAIRS;
    if (!opts->out || !opts->faces || !opts->audio || !opts->text)
        return tern_error_set(job->error, TERN_ERR_ARGUMENT,
                              "paired: out, faces, audio and text are all needed");
    fill_in_defaults(opts);
    if (!(opts->valid_fraction > 0) || !(opts->test_fraction > 0) ||
        !(opts->valid_fraction + opts->test_fraction < 1))
        return tern_error_set(job->error, TERN_ERR_OPTION,
                              "paired: fractions %g valid and %g test; both above 0, together "
                              "below 1", opts->valid_fraction, opts->test_fraction);
    if (opts->valid_pairs < CLASSES || opts->test_pairs < CLASSES || opts->valid_pairs > most ||
        opts->test_pairs > most)
        return tern_error_set(job->error, TERN_ERR_OPTION,
                              "paired: %d valid and %d test pairs; %d to %d of each can be made",
                              opts->valid_pairs, opts->test_pairs, CLASSES, most);
    if (opts->epoch_samples < 0 || opts->epoch_samples > UINT32_MAX)
        return tern_error_set(job->error, TERN_ERR_OPTION,
                              "paired: %lld samples an epoch; 1 to %u can be drawn",
                              (long long)opts->epoch_samples, UINT32_MAX);
    for (int actor = 0; actor <= HIGHEST_ACTOR; actor++)
        job->actor_split[actor] = -1;
    return parse_actors(job, opts->train_actors, TERN_TRAIN) &&
           parse_actors(job, opts->valid_actors, TERN_VALID) &&
           parse_actors(job, opts->test_actors, TERN_TEST);
}

/* --------------------------------------------------------------- sources -- */

/* ".../goemotions_ekman_train.tsv" -> ".../goemotions_ekman_labels.txt" */
static char *labels_path(paired_job *job)
{
    static const char ending[] = "train.tsv";
    const char *text = job->opts.text;
    size_t length = strlen(text), end = strlen(ending);
    char *path = NULL;
    if (job->opts.text_labels) {
        path = strdup(job->opts.text_labels);
    } else if (length < end || strcmp(text + length - end, ending) != 0) {
        tern_error_set(job->error, TERN_ERR_ARGUMENT,
                       "paired: %s does not end in train.tsv, so its labels file must be given",
                       text);
        return NULL;
    } else if (asprintf(&path, "%.*slabels.txt", (int)(length - end), text) < 0) {
        path = NULL;
    }
    if (!path)
        tern_error_set(job->error, TERN_ERR_MEMORY, "paired: no memory for a path");
    return path;
}

static bool read_text_sources(paired_job *job)
{
    char *labels = labels_path(job);
    paired_list *list = &job->list[TERN_TEXT];
    bool ok = labels && tern_paired_read_text(job->opts.text, labels, false, list, job->error) &&
              (!job->opts.text_test ||
               tern_paired_read_text(job->opts.text_test, labels, true, list, job->error));
    free(labels);
    return ok;
}

/* Absolute, so that the manifest can be read from anywhere. */
static char *absolute(const char *path, tern_error *error)
{
    char *full = realpath(path, NULL);
    if (!full)
        tern_error_set(error, TERN_ERR_IO, "%s: %s", path, strerror(errno));
    return full;
}

static bool read_sources(paired_job *job)
{
    char *faces = absolute(job->opts.faces, job->error);
    char *audio = faces ? absolute(job->opts.audio, job->error) : NULL;
    bool ok = audio && tern_paired_read_faces(faces, &job->list[TERN_FACE], job->error) &&
              tern_paired_read_audio(audio, &job->list[TERN_AUDIO], job->error) &&
              read_text_sources(job);
    free(faces);
    free(audio);
    job->counts.audio_other = job->list[TERN_AUDIO].others;
    job->counts.text_other = job->list[TERN_TEXT].others;
    return ok;
}

/* --------------------------------------------------------------- writing -- */

static void write_counts(FILE *stream, const tern_paired_counts *counts)
{
    const struct {
        const char *name;
        const int64_t (*count)[CLASSES];
    } tables[] = { { "faces", counts->faces }, { "sounds", counts->audio },
                   { "sentences", counts->text }, { "pairs", counts->pairs } };
    fprintf(stream, "%-16s", "");
    for (int label = 0; label < CLASSES; label++)
        fprintf(stream, " %8s", tern_paired_class_names[label]);
    fputc('\n', stream);
    for (int split = 0; split < TERN_SPLIT_COUNT; split++)
        for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
            if (tables[t].count == counts->pairs && split == TERN_TRAIN)
                continue;
            fprintf(stream, "%-6s%-10s", tern_split_names[split], tables[t].name);
            for (int label = 0; label < CLASSES; label++)
                fprintf(stream, " %8lld", (long long)tables[t].count[split][label]);
            fputc('\n', stream);
        }
    fprintf(stream, "duplicates dropped: %lld faces, %lld sentences\n",
            (long long)counts->faces_dropped, (long long)counts->text_dropped);
    fprintf(stream, "left out: %lld sounds (calm, song, other actors), %lld sentences (several "
            "labels or other classes)\n", (long long)counts->audio_other,
            (long long)counts->text_other);
}

/* 64-bit FNV-1a, over more bytes. */
static uint64_t hash_more(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ byte[i]) * 0x100000001B3u;
    return hash;
}

/* Of all items: where they are, what they are, of which class. */
static uint64_t hash_sources(const paired_job *job)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (int m = 0; m < TERN_MODALITY_COUNT; m++)
        for (int64_t i = 0; i < job->list[m].count; i++) {
            const paired_item *item = &job->list[m].item[i];
            hash = hash_more(hash, item->media, strlen(item->media) + 1);
            hash = hash_more(hash, &item->hash, sizeof item->hash);
            hash = hash_more(hash, &item->label, sizeof item->label);
        }
    return hash;
}

/* The command that makes the same set again, the counts, and a fingerprint of the sources.
 * NULL when memory is out. */
static char *describe(const paired_job *job)
{
    const tern_paired_opts *opts = &job->opts;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return NULL;
    fprintf(stream, "tern data paired %s --faces %s --audio %s --text %s", opts->out, opts->faces,
            opts->audio, opts->text);
    if (opts->text_test)
        fprintf(stream, " --text-test %s", opts->text_test);
    if (opts->text_labels)
        fprintf(stream, " --text-labels %s", opts->text_labels);
    fprintf(stream, " --train-actors %s --valid-actors %s --test-actors %s", opts->train_actors,
            opts->valid_actors, opts->test_actors);
    fprintf(stream, " --valid-fraction %g --test-fraction %g --valid-pairs %d --test-pairs %d",
            opts->valid_fraction, opts->test_fraction, opts->valid_pairs, opts->test_pairs);
    if (opts->epoch_samples)
        fprintf(stream, " --epoch-samples %lld", (long long)opts->epoch_samples);
    fprintf(stream, " --seed %llu\n", (unsigned long long)opts->seed);
    write_counts(stream, &job->counts);
    fprintf(stream, "fingerprint of the sources: %016llx\n",
            (unsigned long long)hash_sources(job));
    bool ok = !ferror(stream);
    if (fclose(stream) != 0 || !ok) {
        free(text);
        return NULL;
    }
    return text;
}

static bool write_folder(paired_job *job)
{
    const char *out = job->opts.out;
    char *text = describe(job), *manifest = NULL;
    if (!text || asprintf(&manifest, "%s/manifest.tsv", out) < 0)
        tern_error_set(job->error, TERN_ERR_MEMORY, "paired: no memory for the description");
    else if (tern_set_folder_begin(out, "README.txt", text, &job->counts.was_there, job->error) &&
             !job->counts.was_there)
        tern_manifest_write(manifest, job->clips, text, job->error);
    free(text);
    free(manifest);
    return !job->error->code;
}

bool tern_paired_write(tern_paired_opts opts, tern_paired_counts *counts, tern_error *error)
{
    if (error->code)
        return false;
    paired_job job = { .opts = opts, .error = error };
    bool ok = resolve_options(&job) && read_sources(&job) && tern_paired_make_splits(&job) &&
              tern_paired_make_clips(&job) && write_folder(&job);
    if (counts)
        *counts = job.counts;
    for (int m = 0; m < TERN_MODALITY_COUNT; m++)
        tern_paired_list_free(&job.list[m]);
    tern_clips_free(job.clips);
    return ok;
}
