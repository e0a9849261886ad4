/* The batch loader; see loader.h.
 *
 * Batches of an epoch are numbered.  Number n lives in slot n % slots of a ring;
 * a worker may begin number n when n < oldest + slots, where `oldest` is the batch
 * the consumer holds or waits for.  A worker fills a whole batch by itself, outside
 * the lock, so a batch never depends on who else is working.
 *
 *       oldest            next
 *         v                v
 *   | held | ready | filling | free |      slots = queue + 1                     */
#include "datasets/loader.h"

#include "datasets/batch_fill.h"
#include "datasets/media.h"
#include "datasets/sample_order.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORKERS = 64, MAX_QUEUE = 256 };

typedef struct loader_slot {
    tern_batch *batch;
    bool ready;       /* filled, or failed with error */
    tern_error error;
} loader_slot;

struct tern_loader {
    const tern_clips *clips;
    tern_loader_opts opts;    /* defaults filled in              */
    tern_augment augment;     /* what filler.augment points to   */
    tern_batch_shape shape;
    tern_sample_order *order;
    int64_t samples, batches; /* of an epoch                     */
    tern_media *media;
    tern_batch_filler filler; /* its epoch is set like row below */

    pthread_t worker[MAX_WORKERS];
    int workers; /* threads that run */

    pthread_mutex_t lock;
    pthread_cond_t work_there;  /* to the workers: a batch may be begun, or stop  */
    pthread_cond_t batch_ready; /* to the consumer: a batch is ready, or all rest */

    /* Under the lock. */
    bool stop;
    int working;            /* workers that fill a batch                         */
    int64_t oldest, next;   /* batch numbers, see above                          */
    bool holds;             /* the consumer holds batch `oldest`                 */
    loader_slot *slot;      /* [slots]                                           */
    int slots;

    /* Written by tern_loader_start while no worker works, read by workers after. */
    bool started;
    tern_sample_row *row;   /* [samples]                                         */
};

/* --------------------------------------------------------------- workers -- */

static void fill_batch(tern_loader *loader, int64_t number, loader_slot *slot)
{
    int64_t first = number * loader->shape.rows, left = loader->samples - first;
    int rows = left < loader->shape.rows ? (int)left : loader->shape.rows;
    slot->error = (tern_error){ 0 };
    tern_batch_clear(slot->batch);
    for (int row = 0; row < rows; row++)
        if (!tern_batch_fill_row(&loader->filler, slot->batch, row, first + row,
                                 &loader->row[first + row], &slot->error))
            return;
    slot->batch->filled = rows;
}

static void *work(void *argument)
{
    tern_loader *loader = argument;
    pthread_mutex_lock(&loader->lock);
    for (;;) {
        while (!loader->stop && (loader->next >= loader->batches ||
                                 loader->next >= loader->oldest + loader->slots))
            pthread_cond_wait(&loader->work_there, &loader->lock);
        if (loader->stop)
            break;
        int64_t number = loader->next++;
        loader_slot *slot = &loader->slot[number % loader->slots];
        loader->working++;
        pthread_mutex_unlock(&loader->lock);
        fill_batch(loader, number, slot);
        pthread_mutex_lock(&loader->lock);
        loader->working--;
        slot->ready = true;
        pthread_cond_signal(&loader->batch_ready);
    }
    pthread_mutex_unlock(&loader->lock);
    return NULL;
}

static bool start_workers(tern_loader *loader, tern_error *error)
{
    while (loader->workers < loader->opts.workers) {
        int failure = pthread_create(&loader->worker[loader->workers], NULL, work, loader);
        if (failure)
            return tern_error_set(error, TERN_ERR_MEMORY, "loader: thread %d of %d: %s",
                                  loader->workers + 1, loader->opts.workers, strerror(failure));
        loader->workers++;
    }
    return true;
}

bool tern_loader_start(tern_loader *loader, uint32_t epoch, tern_error *error)
{
    if (error->code)
        return false;
    pthread_mutex_lock(&loader->lock);
    loader->next = loader->batches; /* begin no more of the epoch before */
    while (loader->working > 0)
        pthread_cond_wait(&loader->batch_ready, &loader->lock);
    loader->started = true;
    loader->filler.epoch = epoch;
    tern_sample_order_epoch(loader->order, epoch, loader->row);
    for (int i = 0; i < loader->slots; i++)
        loader->slot[i].ready = false;
    loader->oldest = loader->next = 0;
    loader->holds = false;
    pthread_cond_broadcast(&loader->work_there);
    pthread_mutex_unlock(&loader->lock);
    return true;
}

const tern_batch *tern_loader_next(tern_loader *loader, tern_error *error)
{
    if (error->code)
        return NULL;
    const tern_batch *batch = NULL;
    pthread_mutex_lock(&loader->lock);
    if (!loader->started)
        tern_error_set(error, TERN_ERR_STATE, "loader: next before start");
    if (loader->holds) { /* give back the batch before */
        loader->slot[loader->oldest % loader->slots].ready = false;
        loader->holds = false;
        loader->oldest++;
        pthread_cond_broadcast(&loader->work_there);
    }
    if (loader->started && loader->oldest < loader->batches) {
        loader_slot *slot = &loader->slot[loader->oldest % loader->slots];
        while (!slot->ready)
            pthread_cond_wait(&loader->batch_ready, &loader->lock);
        if (slot->error.code)
            tern_error_set(error, slot->error.code, "%s", slot->error.message);
        else
            batch = slot->batch;
        loader->holds = batch != NULL;
    }
    pthread_mutex_unlock(&loader->lock);
    return batch;
}

/* ---------------------------------------------------------- new and free -- */

static tern_loader_opts with_defaults(tern_loader_opts opts)
{
    opts.modalities = opts.modalities ? opts.modalities : TERN_WANT_ALL;
    opts.batch = opts.batch ? opts.batch : 16;
    opts.frames = opts.frames ? opts.frames : 8;
    opts.height = opts.height ? opts.height : 64;
    opts.width = opts.width ? opts.width : 64;
    opts.channels = opts.channels ? opts.channels : 3;
    opts.seconds = opts.seconds != 0 ? opts.seconds : 3;
    opts.rate = opts.rate ? opts.rate : 16000;
    opts.tokens = opts.tokens ? opts.tokens : 32;
    opts.workers = opts.workers ? opts.workers : 2;
    opts.queue = opts.queue ? opts.queue : 4;
    opts.cache_bytes = opts.cache_bytes ? opts.cache_bytes : (int64_t)1 << 30;
    return opts;
}

/* What tern_batch_new does not check. */
static bool check_options(const tern_loader *loader, tern_error *error)
{
    const tern_loader_opts *opts = &loader->opts;
    if (opts->workers < 1 || opts->workers > MAX_WORKERS || opts->queue < 1 ||
        opts->queue > MAX_QUEUE)
        return tern_error_set(error, TERN_ERR_OPTION,
                              "loader: %d workers, queue of %d; 1 to %d and 1 to %d",
                              opts->workers, opts->queue, MAX_WORKERS, MAX_QUEUE);
    if (!(opts->seconds > 0 && opts->seconds <= 3600) || opts->rate < 1000 || opts->rate > 192000)
        return tern_error_set(error, TERN_ERR_OPTION,
                              "loader: %g seconds at %d Hz; up to 3600, and 1000 to 192000",
                              opts->seconds, opts->rate);
    if ((unsigned)opts->split >= TERN_SPLIT_COUNT || opts->epoch_samples < 0)
        return tern_error_set(error, TERN_ERR_OPTION, "loader: split %d, %lld samples an epoch",
                              (int)opts->split, (long long)opts->epoch_samples);
    if ((opts->modalities & TERN_WANT_TEXT) && !loader->filler.vocabulary)
        return tern_error_set(error, TERN_ERR_ARGUMENT, "loader: text needs a vocabulary");
    return true;
}

/* A model cannot learn a modality that is nowhere in the training split; any other
 * split may lack it. */
static bool check_rows(const tern_loader *loader, tern_error *error)
{
    const tern_loader_opts *opts = &loader->opts;
    const char *split = tern_split_names[opts->split];
    bool there[TERN_MODALITY_COUNT] = { false };
    if (tern_clips_in_split(loader->clips, opts->split) == 0)
        return tern_error_set(error, TERN_ERR_DATA, "loader: split %s has no rows", split);
    if (loader->samples == 0)
        return tern_error_set(error, TERN_ERR_DATA,
                              "loader: no row of split %s has a modality that is wanted", split);
    if (loader->samples > UINT32_MAX)
        return tern_error_set(error, TERN_ERR_DATA, "loader: %lld samples an epoch; at most %u",
                              (long long)loader->samples, UINT32_MAX);
    for (int64_t i = 0; i < loader->clips->count; i++) {
        const tern_clip *clip = &loader->clips->clip[i];
        if (clip->split != opts->split)
            continue;
        there[TERN_FACE] |= clip->face != NULL;
        there[TERN_AUDIO] |= clip->audio != NULL;
        there[TERN_TEXT] |= clip->text != NULL;
    }
    for (int m = 0; m < TERN_MODALITY_COUNT && opts->split == TERN_TRAIN; m++)
        if ((opts->modalities & 1u << m) && !there[m])
            return tern_error_set(error, TERN_ERR_DATA, "loader: no row of split %s has %s", split,
                                  tern_modality_names[m]);
    return true;
}

static bool allocate(tern_loader *loader, tern_error *error)
{
    loader->slots = loader->opts.queue + 1;
    loader->row = calloc((size_t)loader->samples, sizeof *loader->row);
    loader->slot = calloc((size_t)loader->slots, sizeof *loader->slot);
    if (!loader->row || !loader->slot)
        return tern_error_set(error, TERN_ERR_MEMORY, "loader: no memory for %lld samples",
                              (long long)loader->samples);
    for (int i = 0; i < loader->slots; i++)
        if (!(loader->slot[i].batch = tern_batch_new(loader->shape, error)))
            return false;
    return true;
}

/* Everything but the threads; what is made is freed by tern_loader_free. */
static bool prepare(tern_loader *loader, tern_error *error)
{
    const tern_loader_opts *opts = &loader->opts;
    if (!check_options(loader, error))
        return false;
    loader->shape = (tern_batch_shape){
        .rows = opts->batch, .modalities = opts->modalities, .frames = opts->frames,
        .height = opts->height, .width = opts->width, .channels = opts->channels,
        .samples = llround(opts->seconds * opts->rate), .tokens = opts->tokens,
    };
    tern_media_format format = { opts->frames, opts->height, opts->width, opts->channels,
                                 opts->rate };
    loader->media = tern_media_new(loader->clips, opts->split, format, opts->cache_bytes, error);
    loader->order = tern_sample_order_new(loader->clips, opts->split, opts->modalities,
                                          opts->shuffle, opts->epoch_samples, opts->seed, error);
    if (!loader->media || !loader->order)
        return false;
    loader->filler.media = loader->media;
    loader->samples = tern_sample_order_count(loader->order);
    if (!check_rows(loader, error))
        return false;
    loader->batches = (loader->samples + opts->batch - 1) / opts->batch;
    loader->next = loader->batches; /* nothing to do before start */
    return allocate(loader, error);
}

tern_loader *tern_loader_new(const tern_clips *clips, const tern_vocabulary *vocabulary,
                             tern_loader_opts opts, tern_error *error)
{
    if (error->code)
        return NULL;
    tern_loader *loader = calloc(1, sizeof *loader);
    if (!loader) {
        tern_error_set(error, TERN_ERR_MEMORY, "loader: no memory");
        return NULL;
    }
    loader->clips = clips;
    loader->opts = with_defaults(opts);
    loader->filler = (tern_batch_filler){
        .clips = clips, .vocabulary = vocabulary, .rate = loader->opts.rate, .seed = opts.seed,
    };
    if (opts.augment) {
        loader->augment = *opts.augment;
        loader->filler.augment = &loader->augment;
    }
    pthread_mutex_init(&loader->lock, NULL);
    pthread_cond_init(&loader->work_there, NULL);
    pthread_cond_init(&loader->batch_ready, NULL);
    if (!prepare(loader, error) || !start_workers(loader, error)) {
        tern_loader_free(loader);
        return NULL;
    }
    return loader;
}

void tern_loader_free(tern_loader *loader)
{
    if (!loader)
        return;
    pthread_mutex_lock(&loader->lock);
    loader->stop = true;
    pthread_cond_broadcast(&loader->work_there);
    pthread_mutex_unlock(&loader->lock);
    for (int i = 0; i < loader->workers; i++)
        pthread_join(loader->worker[i], NULL);
    for (int i = 0; loader->slot && i < loader->slots; i++)
        tern_batch_free(loader->slot[i].batch);
    free(loader->slot);
    free(loader->row);
    tern_media_free(loader->media);
    tern_sample_order_free(loader->order);
    pthread_cond_destroy(&loader->work_there);
    pthread_cond_destroy(&loader->batch_ready);
    pthread_mutex_destroy(&loader->lock);
    free(loader);
}

int64_t tern_loader_samples(const tern_loader *loader)
{
    return loader->samples;
}

int64_t tern_loader_batches(const tern_loader *loader)
{
    return loader->batches;
}

tern_batch_shape tern_loader_shape(const tern_loader *loader)
{
    return loader->shape;
}

const tern_clips *tern_loader_clips(const tern_loader *loader)
{
    return loader->clips;
}
