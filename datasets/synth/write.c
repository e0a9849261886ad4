/* See write.h.  The order is what keeps a folder honest: synth.txt first, so that
 * an interrupted run is known for what it is; then media, clip by clip on all
 * threads; manifest.tsv last. */
#include "datasets/synth/write.h"

#include "core/threads.h"
#include "datasets/audio.h"
#include "datasets/image.h"
#include "datasets/synth/face.h"
#include "datasets/synth/folder.h"
#include "datasets/synth/tables.h"
#include "datasets/synth/voice.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLIPS_AT_ONCE = 64 }; /* between two calls of progress */

/* The files of some clips, one tile each. */
typedef struct media_job {
    const char *dir;
    const tern_synth_opts *opts;
    int64_t first; /* of all clips of all splits */
    tern_error error[CLIPS_AT_ONCE];
} media_job;

tern_rng tern_synth_stream(const tern_synth_opts *opts, tern_synth_streams stream,
                           tern_split split, int number)
{
    return tern_rng_make(opts->seed, TERN_STREAM_SYNTH + (uint32_t)stream,
                         (uint32_t)split << 28 | (uint32_t)number);
}

static tern_synth_actor actor_of(const tern_synth_opts *opts, const tern_synth_clip *clip)
{
    tern_rng rng = tern_synth_stream(opts, TERN_SYNTH_STREAM_ACTOR, clip->split, clip->actor);
    return tern_synth_draw_actor(&rng);
}

static void write_faces(const media_job *job, const tern_synth_clip *clip,
                        const tern_synth_actor *actor, tern_error *error)
{
    const tern_synth_opts *opts = job->opts;
    tern_rng rng = tern_synth_stream(opts, TERN_SYNTH_STREAM_FACE, clip->split, clip->number);
    tern_synth_scene scene = tern_synth_draw_scene(actor, clip->cues.face, &rng);
    uint8_t flashed = tern_synth_marked_slots(&clip->cues, clip->cues.flashed);
    char path[TERN_SYNTH_PATH_BYTES], id[TERN_SYNTH_ID_BYTES];
    tern_image image;

    tern_synth_clip_id(clip, id);
    if (!tern_image_new(opts->size, opts->size, 3, &image, error))
        return;
    if (tern_synth_path(path, error, "%s/faces/%s", job->dir, id))
        tern_synth_make_folder(path, error);
    for (int frame = 0; frame < opts->frames && !error->code; frame++) {
        int slot = frame * TERN_SYNTH_SLOTS / opts->frames;
        tern_synth_draw_frame(&scene, flashed >> slot & 1, &rng, &image);
        /* Names of one length, so that their order is the frames'. */
        if (tern_synth_path(path, error, "%s/faces/%s/%0*d.png", job->dir, id,
                            opts->frames > 9 ? 2 : 1, frame + 1))
            tern_image_write_png(path, &image, error);
    }
    tern_image_free(&image);
}

static void write_voice(const media_job *job, const tern_synth_clip *clip,
                        const tern_synth_actor *actor, tern_error *error)
{
    tern_rng rng = tern_synth_stream(job->opts, TERN_SYNTH_STREAM_VOICE, clip->split,
                                     clip->number);
    tern_audio sound = { (int64_t)(job->opts->seconds * TERN_SYNTH_RATE), TERN_SYNTH_RATE, NULL };
    char path[TERN_SYNTH_PATH_BYTES], id[TERN_SYNTH_ID_BYTES];

    tern_synth_clip_id(clip, id);
    sound.samples = malloc((size_t)sound.count * sizeof *sound.samples);
    if (!sound.samples) {
        tern_error_set(error, TERN_ERR_MEMORY, "synth: no memory for %g seconds of sound",
                       job->opts->seconds);
        return;
    }
    tern_synth_speak(actor, clip->cues.voice,
                     tern_synth_marked_slots(&clip->cues, clip->cues.stressed), &rng, &sound);
    if (tern_synth_path(path, error, "%s/voices/%s.wav", job->dir, id))
        tern_audio_write_wav(path, &sound, error);
    tern_audio_free(&sound);
}

static void write_clip(void *argument, int64_t tile, int worker)
{
    (void)worker;
    media_job *job = argument;
    int64_t number = job->first + tile;
    int split = 0;
    while (number >= job->opts->clips[split])
        number -= job->opts->clips[split++];
    tern_synth_clip clip = tern_synth_clip_at(job->opts, (tern_split)split, (int)number);
    tern_synth_actor actor = actor_of(job->opts, &clip);
    write_faces(job, &clip, &actor, &job->error[tile]);
    write_voice(job, &clip, &actor, &job->error[tile]);
}

static bool write_media(const char *dir, tern_synth_report *report, tern_error *error)
{
    const tern_synth_opts *opts = &report->opts;
    media_job *job = calloc(1, sizeof *job);
    tern_pool *pool = tern_pool_new(opts->threads, error);
    int64_t total = 0, *done = &report->clips_written;

    if (!job)
        tern_error_set(error, TERN_ERR_MEMORY, "synth: no memory to begin with");
    for (int split = 0; split < TERN_SPLIT_COUNT; split++)
        total += opts->clips[split];
    while (*done < total && !error->code && !report->stopped) {
        int64_t count = total - *done < CLIPS_AT_ONCE ? total - *done : CLIPS_AT_ONCE;
        *job = (media_job){ .dir = dir, .opts = opts, .first = *done };
        tern_parallel(pool, count, write_clip, job);
        for (int64_t i = 0; i < count && !error->code; i++)
            *error = job->error[i];
        *done += error->code ? 0 : count;
        if (opts->progress && !error->code)
            opts->progress(*done, total, opts->user);
        report->stopped = opts->stop && opts->stop(opts->user);
    }
    tern_pool_free(pool);
    free(job);
    return !error->code;
}

/* The clips as a data set, and their cues as text. */
static bool write_tables(const char *dir, const tern_synth_opts *opts, tern_error *error)
{
    tern_clips *clips = tern_clips_new(error);
    tern_synth_table *cues = tern_synth_table_new(error);
    for (int split = 0; split < TERN_SPLIT_COUNT; split++)
        for (int number = 0; number < opts->clips[split] && !error->code; number++) {
            tern_synth_clip clip = tern_synth_clip_at(opts, (tern_split)split, number);
            tern_synth_actor actor = actor_of(opts, &clip);
            tern_rng rng = tern_synth_stream(opts, TERN_SYNTH_STREAM_SENTENCE, clip.split, number);
            char sentence[TERN_SYNTH_SENTENCE_BYTES];
            tern_synth_write_sentence(&actor, clip.cues.text, clip.cues.things, &rng, sentence);
            tern_synth_add_clip(clips, &clip, sentence, error);
            tern_synth_add_cues(cues, &clip);
        }
    bool ok = tern_synth_write_cues(dir, cues, error) &&
              tern_synth_write_manifest(dir, clips, opts, error);
    tern_synth_table_free(cues);
    tern_clips_free(clips);
    return ok;
}

bool tern_synth_write_files(const char *dir, tern_synth_report *report, tern_error *error)
{
    const tern_synth_opts *opts = &report->opts;
    if (!tern_synth_open_folder(dir, opts, &report->was_there, error))
        return false;
    return report->was_there || (write_media(dir, report, error) &&
                                 (report->stopped || write_tables(dir, opts, error)));
}
