/* Words to ids; see text.h.
 *
 * Nothing is hashed: words are sorted, equal ones stand together and are counted,
 * and a word is found by bisection.  So the order of ids never depends on chance. */
#include "datasets/text.h"

#include "datasets/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_MIN_COUNT = 2, DEFAULT_MAX_SIZE = 20000 };

static const char *const special_words[TERN_TOKEN_FIRST] = { "[PAD]", "[UNK]", "[CLS]" };

struct tern_vocabulary {
    int size;
    char *bytes;  /* all words, one after the other      */
    char **word;  /* [size] by id                        */
    int *by_name; /* [size] ids in the words' byte order */
};

/* A word and how often it occurs. */
typedef struct word_count {
    const char *word;
    int64_t count;
} word_count;

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_counts(const void *a, const void *b)
{
    const word_count *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return strcmp(x->word, y->word);
}

static int compare_ids(const void *a, const void *b, void *words)
{
    char *const *word = words;
    int x = *(const int *)a, y = *(const int *)b;
    int order = strcmp(word[x], word[y]);
    return order ? order : x - y;
}

void tern_vocabulary_free(tern_vocabulary *vocabulary)
{
    if (!vocabulary)
        return;
    free(vocabulary->bytes);
    free(vocabulary->word);
    free(vocabulary->by_name);
    free(vocabulary);
}

/* Of `size` words, copied; the caller sees to it that they differ. */
static tern_vocabulary *vocabulary_of(const char *const *words, int size, tern_error *error)
{
    size_t bytes = 0;
    for (int id = 0; id < size; id++)
        bytes += strlen(words[id]) + 1;
    tern_vocabulary *vocabulary = calloc(1, sizeof *vocabulary);
    if (vocabulary) {
        vocabulary->size = size;
        vocabulary->bytes = malloc(bytes);
        vocabulary->word = malloc((size_t)size * sizeof(char *));
        vocabulary->by_name = malloc((size_t)size * sizeof(int));
    }
    if (!vocabulary || !vocabulary->bytes || !vocabulary->word || !vocabulary->by_name) {
        tern_vocabulary_free(vocabulary);
        tern_error_set(error, TERN_ERR_MEMORY, "vocabulary: no memory for %d words", size);
        return NULL;
    }
    char *at = vocabulary->bytes;
    for (int id = 0; id < size; id++) {
        vocabulary->word[id] = at;
        vocabulary->by_name[id] = id;
        at = stpcpy(at, words[id]) + 1;
    }
    qsort_r(vocabulary->by_name, (size_t)size, sizeof(int), compare_ids, vocabulary->word);
    return vocabulary;
}

/* All words of all sentences. */
typedef struct word_list {
    int64_t count, room;
    char **word;
} word_list;

static bool append_words(word_list *all, const tern_words *words, tern_error *error)
{
    if (all->count + words->count > all->room) {
        int64_t room = 2 * (all->count + words->count);
        char **larger = realloc(all->word, (size_t)room * sizeof *larger);
        if (!larger)
            return tern_error_set(error, TERN_ERR_MEMORY, "vocabulary: no memory for %lld words",
                                  (long long)room);
        all->word = larger;
        all->room = room;
    }
    for (int i = 0; i < words->count; i++)
        all->word[all->count++] = words->word[i];
    return true;
}

/* Sort the words and count equal ones; returns the number of different ones. */
static int64_t count_words(word_list *all, word_count *counts)
{
    int64_t different = 0;
    if (all->count > 0)
        qsort(all->word, (size_t)all->count, sizeof *all->word, compare_words);
    for (int64_t i = 0; i < all->count; i++) {
        if (i == 0 || strcmp(all->word[i], all->word[i - 1]) != 0)
            counts[different++] = (word_count){ all->word[i], 0 };
        counts[different - 1].count++;
    }
    return different;
}

static tern_vocabulary *vocabulary_of_list(word_list *all, tern_vocabulary_opts opts,
                                           tern_error *error)
{
    word_count *counts = malloc((size_t)(all->count + 1) * sizeof *counts);
    const char **words = malloc((size_t)opts.max_size * sizeof *words);
    tern_vocabulary *vocabulary = NULL;
    if (counts && words) {
        int64_t different = count_words(all, counts);
        if (different > 0)
            qsort(counts, (size_t)different, sizeof *counts, compare_counts);
        int size = TERN_TOKEN_FIRST;
        memcpy(words, special_words, sizeof special_words);
        for (int64_t i = 0; i < different && size < opts.max_size; i++)
            if (counts[i].count >= opts.min_count)
                words[size++] = counts[i].word;
        vocabulary = vocabulary_of(words, size, error);
    } else {
        tern_error_set(error, TERN_ERR_MEMORY, "vocabulary: no memory for %lld words",
                       (long long)all->count);
    }
    free(counts);
    free(words);
    return vocabulary;
}

tern_vocabulary *tern_vocabulary_build(const char *const *sentences, int64_t count,
                                       tern_vocabulary_opts opts, tern_error *error)
{
    if (error->code)
        return NULL;
    opts.min_count = opts.min_count ? opts.min_count : DEFAULT_MIN_COUNT;
    opts.max_size = opts.max_size ? opts.max_size : DEFAULT_MAX_SIZE;
    if (opts.min_count < 1 || opts.max_size <= TERN_TOKEN_FIRST || opts.max_size > 1 << 24) {
        tern_error_set(error, TERN_ERR_OPTION,
                       "vocabulary: min_count %d, max_size %d; at least 1, and %d to %d",
                       opts.min_count, opts.max_size, TERN_TOKEN_FIRST + 1, 1 << 24);
        return NULL;
    }
    tern_vocabulary *vocabulary = NULL;
    tern_words *words = calloc((size_t)count + 1, sizeof *words);
    word_list all = { 0 };
    if (!words)
        tern_error_set(error, TERN_ERR_MEMORY, "vocabulary: no memory for %lld sentences",
                       (long long)count);
    bool ok = words != NULL;
    for (int64_t i = 0; i < count && ok; i++)
        ok = tern_text_split(sentences[i], &words[i], error) &&
             append_words(&all, &words[i], error);
    if (ok)
        vocabulary = vocabulary_of_list(&all, opts, error);
    for (int64_t i = 0; i < count && words; i++)
        tern_words_free(&words[i]);
    free(words);
    free(all.word);
    return vocabulary;
}

tern_vocabulary *tern_vocabulary_from_clips(const tern_clips *clips, tern_vocabulary_opts opts,
                                            tern_error *error)
{
    if (error->code)
        return NULL;
    const char **sentences = malloc((size_t)(clips->count + 1) * sizeof *sentences);
    if (!sentences) {
        tern_error_set(error, TERN_ERR_MEMORY, "vocabulary: no memory for %lld sentences",
                       (long long)clips->count);
        return NULL;
    }
    int64_t count = 0;
    for (int64_t i = 0; i < clips->count; i++)
        if (clips->clip[i].split == TERN_TRAIN && clips->clip[i].text)
            sentences[count++] = clips->clip[i].text;
    tern_vocabulary *vocabulary = tern_vocabulary_build(sentences, count, opts, error);
    free(sentences);
    return vocabulary;
}

bool tern_vocabulary_save(const tern_vocabulary *vocabulary, const char *path, tern_error *error)
{
    if (error->code)
        return false;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for its text", path);
    for (int id = 0; id < vocabulary->size; id++)
        fprintf(stream, "%s\n", vocabulary->word[id]);
    bool written = !ferror(stream);
    bool ok = fclose(stream) == 0 && written;
    ok = ok ? tern_file_replace(path, text, size, error)
            : tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for its text", path);
    free(text);
    return ok;
}

/* What a vocabulary file must be beyond one word a line. */
static bool check_loaded(const tern_vocabulary *vocabulary, const char *path, tern_error *error)
{
    for (int id = 0; id < TERN_TOKEN_FIRST; id++)
        if (id >= vocabulary->size || strcmp(vocabulary->word[id], special_words[id]) != 0)
            return tern_error_set(error, TERN_ERR_FORMAT,
                                  "%s:%d: is not a vocabulary: this line must be %s", path, id + 1,
                                  special_words[id]);
    for (int i = 0; i < vocabulary->size; i++) {
        int id = vocabulary->by_name[i], before = i > 0 ? vocabulary->by_name[i - 1] : -1;
        if (!vocabulary->word[id][0])
            return tern_error_set(error, TERN_ERR_FORMAT, "%s:%d: an empty line; one word each",
                                  path, id + 1);
        if (before >= 0 && strcmp(vocabulary->word[id], vocabulary->word[before]) == 0)
            return tern_error_set(error, TERN_ERR_FORMAT, "%s: \"%s\" stands on lines %d and %d",
                                  path, vocabulary->word[id], before + 1, id + 1);
    }
    return true;
}

tern_vocabulary *tern_vocabulary_load(const char *path, tern_error *error)
{
    char *text = tern_file_read_text(path, error);
    if (!text)
        return NULL;
    int lines = 1;
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    tern_vocabulary *vocabulary = NULL;
    const char **words = malloc((size_t)lines * sizeof *words);
    if (words) {
        int size = 0;
        char *rest = text;
        for (char *line; (line = tern_line_next(&rest));)
            words[size++] = line;
        vocabulary = vocabulary_of(words, size, error);
    } else {
        tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for %d words", path, lines);
    }
    free(words);
    free(text);
    if (vocabulary && !check_loaded(vocabulary, path, error)) {
        tern_vocabulary_free(vocabulary);
        vocabulary = NULL;
    }
    return vocabulary;
}

int tern_vocabulary_size(const tern_vocabulary *vocabulary)
{
    return vocabulary->size;
}

const char *tern_vocabulary_word(const tern_vocabulary *vocabulary, int id)
{
    return id >= 0 && id < vocabulary->size ? vocabulary->word[id] : special_words[1];
}

int32_t tern_vocabulary_id(const tern_vocabulary *vocabulary, const char *word)
{
    int low = 0, high = vocabulary->size;
    while (low < high) {
        int middle = low + (high - low) / 2;
        int order = strcmp(word, vocabulary->word[vocabulary->by_name[middle]]);
        if (order == 0)
            return vocabulary->by_name[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return TERN_TOKEN_UNKNOWN;
}

bool tern_vocabulary_encode(const tern_vocabulary *vocabulary, const char *text, int length,
                            int32_t *ids, uint8_t *mask, tern_error *error)
{
    tern_words words;
    if (!tern_text_split(text, &words, error))
        return false;
    for (int i = 0; i < length; i++) {
        bool there = i <= words.count;
        mask[i] = there;
        ids[i] = i == 0 ? TERN_TOKEN_CLS
                        : there ? tern_vocabulary_id(vocabulary, words.word[i - 1])
                                : TERN_TOKEN_PADDING;
    }
    tern_words_free(&words);
    return true;
}
