/* See sample_order.h. */
#include "datasets/sample_order.h"

#include "core/rng.h"

#include <stdlib.h>
#include <string.h>

/* The rows of one modality, grouped by label:
 *   clip[start[c]] .. clip[start[c + 1] - 1]  have label c  */
typedef struct sample_pool {
    int64_t *clip;
    int64_t *start; /* [classes + 1] */
} sample_pool;

struct tern_sample_order {
    const tern_clips *clips;
    bool shuffle, unpaired;
    uint64_t seed;
    int64_t count;

    int64_t *row; /* paired: [count] clip numbers              */

    sample_pool pool[TERN_MODALITY_COUNT]; /* unpaired         */
    int *label;        /* [labels] those that occur in a pool  */
    int labels;
    int64_t *shuffled; /* scratch: one label's pool            */
};

static bool has_modality(const tern_clip *clip, int modality)
{
    const char *const media[TERN_MODALITY_COUNT] = { clip->face, clip->audio, clip->text };
    return media[modality] != NULL;
}

/* Does the clip count: is it in the split, with one of the modalities? */
static bool is_counted(const tern_clip *clip, tern_split split, unsigned modalities)
{
    for (int m = 0; clip->split == split && m < TERN_MODALITY_COUNT; m++)
        if ((modalities & 1u << m) && has_modality(clip, m))
            return true;
    return false;
}

static void swap(char *a, char *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char byte = a[i];
        a[i] = b[i];
        b[i] = byte;
    }
}

/* count items of `size` bytes. */
static void shuffle_items(void *items, int64_t count, size_t size, tern_rng rng)
{
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = tern_rng_below(&rng, (uint32_t)(i + 1));
        swap((char *)items + (size_t)i * size, (char *)items + (size_t)j * size, size);
    }
}

/* ---------------------------------------------------------------- paired -- */

static bool list_rows(tern_sample_order *order, tern_split split, unsigned modalities)
{
    const tern_clips *clips = order->clips;
    order->row = malloc((size_t)(clips->count + 1) * sizeof *order->row);
    if (!order->row)
        return false;
    for (int64_t i = 0; i < clips->count; i++)
        if (is_counted(&clips->clip[i], split, modalities))
            order->row[order->count++] = i;
    return true;
}

static void paired_epoch(tern_sample_order *order, tern_sample_row *rows)
{
    for (int64_t i = 0; i < order->count; i++) {
        const tern_clip *clip = &order->clips->clip[order->row[i]];
        rows[i].clip = order->row[i];
        rows[i].label = clip->label;
        for (int m = 0; m < TERN_MODALITY_COUNT; m++)
            rows[i].source[m] = has_modality(clip, m) ? order->row[i] : -1;
    }
}

/* -------------------------------------------------------------- unpaired -- */

/* Count, then place: rows keep their order within a label. */
static bool fill_pool(sample_pool *pool, const tern_clips *clips, tern_split split, int modality)
{
    int64_t *next = calloc((size_t)clips->classes + 1, sizeof *next);
    pool->start = calloc((size_t)clips->classes + 1, sizeof *pool->start);
    pool->clip = malloc((size_t)(clips->count + 1) * sizeof *pool->clip);
    bool ok = next && pool->start && pool->clip;
    for (int64_t i = 0; ok && i < clips->count; i++)
        if (clips->clip[i].split == split && has_modality(&clips->clip[i], modality))
            pool->start[clips->clip[i].label + 1]++;
    for (int c = 0; ok && c < clips->classes; c++) {
        pool->start[c + 1] += pool->start[c];
        next[c] = pool->start[c];
    }
    for (int64_t i = 0; ok && i < clips->count; i++)
        if (clips->clip[i].split == split && has_modality(&clips->clip[i], modality))
            pool->clip[next[clips->clip[i].label]++] = i;
    free(next);
    return ok;
}

static int64_t pool_size(const tern_sample_order *order, int modality, int label)
{
    const sample_pool *pool = &order->pool[modality];
    return pool->start ? pool->start[label + 1] - pool->start[label] : 0;
}

static int compare_sizes(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Of the sizes of the pools that are not empty; of two the larger. */
static int64_t median_pool_size(const tern_sample_order *order)
{
    int64_t size[TERN_MODALITY_COUNT];
    int count = 0;
    for (int m = 0; m < TERN_MODALITY_COUNT; m++)
        if (order->pool[m].start && order->pool[m].start[order->clips->classes] > 0)
            size[count++] = order->pool[m].start[order->clips->classes];
    qsort(size, (size_t)count, sizeof *size, compare_sizes);
    return count ? size[count / 2] : 0;
}

static bool list_pools(tern_sample_order *order, tern_split split, unsigned modalities)
{
    int64_t largest = 0;
    order->label = malloc(((size_t)order->clips->classes + 1) * sizeof *order->label);
    if (!order->label)
        return false;
    for (int m = 0; m < TERN_MODALITY_COUNT; m++)
        if ((modalities & 1u << m) && !fill_pool(&order->pool[m], order->clips, split, m))
            return false;
    for (int label = 0; label < order->clips->classes; label++) {
        int64_t all = 0;
        for (int m = 0; m < TERN_MODALITY_COUNT; m++) {
            int64_t size = pool_size(order, m, label);
            all += size;
            largest = size > largest ? size : largest;
        }
        if (all > 0)
            order->label[order->labels++] = label;
    }
    order->shuffled = malloc(((size_t)largest + 1) * sizeof *order->shuffled);
    return order->shuffled != NULL;
}

/* Fill one modality of one label's samples: rows first, first + labels, ...
 *
 * All epochs together walk through one endless sequence of random orders of the
 * pool, round after round; this epoch's part begins at epoch * (its samples). */
static void draw_from_pool(tern_sample_order *order, uint32_t epoch, int modality, int first,
                           tern_sample_row *rows)
{
    int label = order->label[first];
    int64_t size = pool_size(order, modality, label);
    int64_t draws = (order->count - first + order->labels - 1) / order->labels;
    int64_t position = size ? (int64_t)epoch * draws : 0, round = -1;

    for (int64_t i = first; i < order->count; i += order->labels, position++) {
        rows[i].source[modality] = -1;
        if (size == 0)
            continue;
        if (position / size != round) {
            round = position / size;
            tern_rng rng = tern_rng_make(order->seed, TERN_STREAM_SHUFFLE + 1 + (uint32_t)modality,
                                         (uint32_t)round);
            rng.next = (uint64_t)label << 40; /* each label draws from its own part */
            memcpy(order->shuffled, order->pool[modality].clip + order->pool[modality].start[label],
                   (size_t)size * sizeof *order->shuffled);
            shuffle_items(order->shuffled, size, sizeof *order->shuffled, rng);
        }
        rows[i].source[modality] = order->shuffled[position % size];
    }
}

static void unpaired_epoch(tern_sample_order *order, uint32_t epoch, tern_sample_row *rows)
{
    for (int64_t i = 0; i < order->count; i++) {
        rows[i].clip = -1;
        rows[i].label = order->label[i % order->labels];
    }
    for (int first = 0; first < order->labels && first < order->count; first++)
        for (int m = 0; m < TERN_MODALITY_COUNT; m++)
            draw_from_pool(order, epoch, m, first, rows);
}

/* ---------------------------------------------------------------- common -- */

void tern_sample_order_epoch(tern_sample_order *order, uint32_t epoch, tern_sample_row *rows)
{
    if (order->unpaired)
        unpaired_epoch(order, epoch, rows);
    else
        paired_epoch(order, rows);
    if (order->shuffle)
        shuffle_items(rows, order->count, sizeof *rows,
                      tern_rng_make(order->seed, TERN_STREAM_SHUFFLE, epoch));
}

tern_sample_order *tern_sample_order_new(const tern_clips *clips, tern_split split,
                                         unsigned modalities, bool shuffle, int64_t epoch_samples,
                                         uint64_t seed, tern_error *error)
{
    if (error->code)
        return NULL;
    tern_sample_order *order = calloc(1, sizeof *order);
    bool ok = order != NULL;
    if (ok) {
        order->clips = clips;
        order->shuffle = shuffle;
        order->unpaired = split == TERN_TRAIN && clips->train_unpaired;
        order->seed = seed;
        ok = order->unpaired ? list_pools(order, split, modalities)
                             : list_rows(order, split, modalities);
    }
    if (!ok) {
        tern_sample_order_free(order);
        tern_error_set(error, TERN_ERR_MEMORY, "loader: no memory for the order of %lld clips",
                       (long long)clips->count);
        return NULL;
    }
    if (order->unpaired && order->labels > 0)
        order->count = epoch_samples          ? epoch_samples
                       : clips->epoch_samples ? clips->epoch_samples
                                              : median_pool_size(order);
    return order;
}

void tern_sample_order_free(tern_sample_order *order)
{
    if (!order)
        return;
    for (int m = 0; m < TERN_MODALITY_COUNT; m++) {
        free(order->pool[m].clip);
        free(order->pool[m].start);
    }
    free(order->row);
    free(order->label);
    free(order->shuffled);
    free(order);
}

int64_t tern_sample_order_count(const tern_sample_order *order)
{
    return order->count;
}
