/* Options, clips and ceilings of the synthetic set; the files are written by
 * write.c.  See synth.h. */
#include "datasets/synth/synth.h"

#include "datasets/synth/write.h"

enum { MAX_CLIPS = 1000000 };

static int least(int a, int b)
{
    return a < b ? a : b;
}

tern_synth_opts tern_synth_opts_default(void)
{
    return (tern_synth_opts){ .clips = { 4800, 300, 1200 }, .frames = TERN_SYNTH_SLOTS, .size = 32,
                              .seconds = 2 };
}

static tern_synth_opts with_defaults(const tern_synth_opts *given)
{
    static const int actors[TERN_SPLIT_COUNT] = { 48, 12, 24 };
    const tern_synth_opts defaults = tern_synth_opts_default();
    tern_synth_opts opts = *given;
    for (int split = 0; split < TERN_SPLIT_COUNT; split++) {
        opts.clips[split] = opts.clips[split] ? opts.clips[split] : defaults.clips[split];
        opts.actors[split] = opts.actors[split] ? opts.actors[split]
                                                : least(actors[split], opts.clips[split]);
    }
    opts.frames = opts.frames ? opts.frames : defaults.frames;
    opts.size = opts.size ? opts.size : defaults.size;
    opts.seconds = opts.seconds != 0 ? opts.seconds : defaults.seconds;
    return opts;
}

static bool check_opts(const tern_synth_opts *opts, tern_error *error)
{
    for (int split = 0; split < TERN_SPLIT_COUNT; split++) {
        if (opts->clips[split] < 1 || opts->clips[split] > MAX_CLIPS)
            return tern_error_set(error, TERN_ERR_OPTION,
                                  "synth: %d clips in split %s; 1 to %d can be made",
                                  opts->clips[split], tern_split_names[split], MAX_CLIPS);
        if (opts->actors[split] < 1 || opts->actors[split] > opts->clips[split])
            return tern_error_set(error, TERN_ERR_OPTION,
                                  "synth: %d actors for the %d clips of split %s; there must be "
                                  "at least one actor and a clip for each", opts->actors[split],
                                  opts->clips[split], tern_split_names[split]);
    }
    if (opts->frames < TERN_SYNTH_SLOTS || opts->frames > 64)
        return tern_error_set(error, TERN_ERR_OPTION,
                              "synth: %d frames; %d (one for each word) to 64 can be made",
                              opts->frames, TERN_SYNTH_SLOTS);
    if (opts->size < 16 || opts->size > 512)
        return tern_error_set(error, TERN_ERR_OPTION,
                              "synth: frames of %d pixels a side; 16 to 512 can be made",
                              opts->size);
    if (!(opts->seconds >= 1 && opts->seconds <= 30))
        return tern_error_set(error, TERN_ERR_OPTION,
                              "synth: %g seconds of sound; 1 to 30 can be made", opts->seconds);
    return true;
}

tern_synth_clip tern_synth_clip_at(const tern_synth_opts *opts, tern_split split, int number)
{
    tern_rng rng = tern_synth_stream(opts, TERN_SYNTH_STREAM_CUES, split, number);
    return (tern_synth_clip){ split, number, number % opts->actors[split],
                              tern_synth_draw_cues(&rng) };
}

/* Part of the split's clips for which the best guess is right. */
static double realised_accuracy(const tern_synth_opts *opts, tern_split split, unsigned parts)
{
    int right = 0;
    for (int number = 0; number < opts->clips[split]; number++) {
        tern_synth_clip clip = tern_synth_clip_at(opts, split, number);
        right += tern_synth_best_guess(&clip.cues, parts) == clip.cues.label;
    }
    return (double)right / opts->clips[split];
}

static void find_ceilings(const tern_synth_opts *opts, tern_synth_report *report)
{
    for (int i = 0; i < TERN_SYNTH_EVIDENCES; i++) {
        tern_synth_ceiling *ceiling = &report->ceiling[i];
        ceiling->name = tern_synth_evidences[i].name;
        ceiling->parts = tern_synth_evidences[i].parts;
        ceiling->expected = tern_synth_expected_accuracy(ceiling->parts);
        for (int split = 0; split < TERN_SPLIT_COUNT; split++)
            ceiling->realised[split] = realised_accuracy(opts, (tern_split)split, ceiling->parts);
    }
}

bool tern_synth_write(const char *dir, const tern_synth_opts *given, tern_synth_report *report,
                      tern_error *error)
{
    tern_synth_report unread;
    report = report ? report : &unread;
    *report = (tern_synth_report){ .opts = with_defaults(given) };
    if (error->code || !check_opts(&report->opts, error) ||
        !tern_synth_write_files(dir, report, error))
        return false;
    find_ceilings(&report->opts, report);
    return true;
}
