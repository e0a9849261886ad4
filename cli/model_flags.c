#include "cli/model_flags.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int find_name(const char *const *names, int count, const char *what, const char *text,
                     tern_error *error)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    const char *nearest = tern_nearest_name(text, names, count);
    tern_error_set(error, TERN_ERR_ARGUMENT, "there is no %s %s%s%s%s", what, text,
                   nearest ? ", did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    return -1;
}

bool cli_parse_modalities(const char *text, unsigned *streams, tern_error *error)
{
    char copy[64], *rest = copy, *word;
    *streams = 0;
    snprintf(copy, sizeof copy, "%s", text);
    while ((word = strsep(&rest, ","))) {
        int stream = find_name(tern_stream_names, TERN_STREAMS, "modality", word, error);
        if (stream < 0)
            return false;
        *streams |= 1u << stream;
    }
    return true;
}

bool cli_parse_fusion(const char *text, tern_fusion *fusion, tern_error *error)
{
    int found = find_name(tern_fusion_names, TERN_FUSIONS, "fusion", text, error);
    if (found >= 0)
        *fusion = (tern_fusion)found;
    return found >= 0;
}

static void show_bar(const tern_progress *p)
{
    enum { CELLS = 30 };
    char bar[CELLS + 1];
    int full = p->batches ? (int)(CELLS * p->batch / p->batches) : 0;
    for (int i = 0; i < CELLS; i++)
        bar[i] = i < full ? '#' : '.';
    bar[CELLS] = '\0';
    fprintf(stderr, "\repoch %3lld/%lld [%s] %lld/%lld loss %.4f \x1b[K", (long long)p->epoch,
            (long long)p->epochs, bar, (long long)p->batch, (long long)p->batches, p->loss);
}

void cli_show_progress(const tern_progress *p, void *user)
{
    (void)user;
    bool terminal = isatty(STDERR_FILENO);
    if (!p->epoch_done) {
        if (terminal)
            show_bar(p);
        return;
    }
    fprintf(stderr,
            "%sepoch %3lld/%lld  loss %.4f  valid: loss %.4f accuracy %.1f UAR %.1f AUC %.3f "
            " %.0f s%s%s\n",
            terminal ? "\r" : "", (long long)p->epoch, (long long)p->epochs, p->loss,
            p->valid_loss, 100 * p->valid_accuracy, 100 * p->valid_uar, p->valid_auc, p->seconds,
            p->best ? "  best" : "", terminal ? "\x1b[K" : "");
}
