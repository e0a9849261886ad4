#include "train/history.h"

#include "datasets/file.h"
#include "train/run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char FILE_NAME[] = "metrics.jsonl";

json_t *tern_json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

bool tern_history_append(const char *run, const tern_epoch_metrics *m, tern_error *error)
{
    char path[TERN_PATH_BYTES];
    if (!tern_run_path(run, FILE_NAME, path, error))
        return false;
    json_t *line = json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:f}", "epoch",
                             (json_int_t)m->epoch, "step", (json_int_t)m->step, "train_loss",
                             tern_json_real(m->train_loss), "valid_loss",
                             tern_json_real(m->valid_loss), "valid_accuracy",
                             tern_json_real(m->valid_accuracy), "valid_uar",
                             tern_json_real(m->valid_uar), "valid_macro_f1",
                             tern_json_real(m->valid_macro_f1), "valid_auc",
                             tern_json_real(m->valid_auc), "seconds", m->seconds);
    FILE *file = line ? fopen(path, "a") : NULL;
    bool ok = file && json_dumpf(line, file, JSON_REAL_PRECISION(9)) == 0 &&
              putc('\n', file) != EOF;
    int reason = errno;
    if (file && fclose(file) != 0) {
        reason = errno;
        ok = false;
    }
    json_decref(line);
    return ok || tern_error_set(error, TERN_ERR_IO, "%s: cannot be written: %s", path,
                                strerror(reason));
}

/* Does this line tell of an epoch that is to be kept? */
static bool is_kept(const char *line, int64_t epochs)
{
    json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    json_int_t epoch = json_integer_value(json_object_get(json, "epoch"));
    json_decref(json);
    return epoch >= 1 && epoch <= epochs;
}

/* Copy the lines that stay; *dropped tells whether any does not. */
static bool copy_kept(FILE *from, int64_t epochs, FILE *to, bool *dropped)
{
    char *line = NULL;
    size_t room = 0;
    *dropped = false;
    while (getline(&line, &room, from) >= 0)
        if (is_kept(line, epochs))
            fputs(line, to);
        else
            *dropped = true;
    free(line);
    return !ferror(from) && !ferror(to);
}

bool tern_history_cut(const char *run, int64_t epochs, tern_error *error)
{
    char path[TERN_PATH_BYTES], *kept = NULL;
    size_t size = 0;
    bool dropped = false;
    if (!tern_run_path(run, FILE_NAME, path, error))
        return false;
    FILE *from = fopen(path, "r");
    if (!from)
        return errno == ENOENT || tern_error_set(error, TERN_ERR_IO, "%s: cannot be opened: %s",
                                                 path, strerror(errno));
    FILE *to = open_memstream(&kept, &size);
    bool ok = to && copy_kept(from, epochs, to, &dropped);
    ok = (!to || fclose(to) == 0) && ok;
    fclose(from);
    if (!ok)
        tern_error_set(error, TERN_ERR_IO, "%s: cannot be read", path);
    else if (dropped)
        ok = tern_file_replace(path, kept, size, error);
    free(kept);
    return ok;
}

/* As many losses as there are lines; false if the file cannot be read. */
static bool read_losses(FILE *file, void (*see)(void *user, double valid_loss), void *user,
                        int64_t *lines)
{
    char *line = NULL;
    size_t room = 0;
    for (*lines = 0; getline(&line, &room, file) >= 0; ++*lines) {
        json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        const json_t *loss = json_object_get(json, "valid_loss");
        see(user, json_is_number(loss) ? json_number_value(loss) : NAN);
        json_decref(json);
    }
    free(line);
    return !ferror(file);
}

bool tern_history_losses(const char *run, int64_t epochs,
                         void (*see)(void *user, double valid_loss), void *user,
                         tern_error *error)
{
    char path[TERN_PATH_BYTES];
    int64_t lines = 0;
    if (!tern_run_path(run, FILE_NAME, path, error))
        return false;
    FILE *file = fopen(path, "r");
    if (!file && errno != ENOENT)
        return tern_error_set(error, TERN_ERR_IO, "%s: cannot be opened: %s", path,
                              strerror(errno));
    bool ok = !file || read_losses(file, see, user, &lines);
    if (file)
        fclose(file);
    if (!ok)
        return tern_error_set(error, TERN_ERR_IO, "%s: cannot be read", path);
    return lines == epochs ||
           tern_error_set(error, TERN_ERR_DATA,
                          "%s tells of %lld epochs, the run has finished %lld: the schedule cannot "
                          "go on from their losses", path, (long long)lines, (long long)epochs);
}
