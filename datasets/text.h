/* Sentences to words to ids.
 *
 * Words: Unicode NFC, lower case, split at white space; punctuation and symbols
 * are words of their own ("!!!!" is one word, "!!!": runs are kept to three);
 * an apostrophe inside a word stays ("don't"); CJK ideographs stand alone;
 * placeholders such as [NAME] are one word, "[name]".
 *
 * Ids: 0 padding, 1 unknown, 2 [CLS] (first id of every sentence), then the words
 * of the training sentences, the most frequent first, ties in byte order.
 */
#ifndef TERN_DATASETS_TEXT_H
#define TERN_DATASETS_TEXT_H

#include "core/error.h"
#include "datasets/clips.h"

#include <stdint.h>

enum { TERN_TOKEN_PADDING = 0, TERN_TOKEN_UNKNOWN = 1, TERN_TOKEN_CLS = 2, TERN_TOKEN_FIRST = 3 };

typedef struct tern_words {
    int count;
    char **word; /* [count] UTF-8                          */
    char *bytes; /* what they point into; owned, like word */
} tern_words;

/* Errors: TERN_ERR_FORMAT if text is not UTF-8. */
bool tern_text_split(const char *text, tern_words *words, tern_error *error);
void tern_words_free(tern_words *words);
bool tern_text_is_utf8(const char *text);

typedef struct tern_vocabulary tern_vocabulary;

typedef struct tern_vocabulary_opts {
    int min_count; /* a word counts from so many occurrences on; default 2      */
    int max_size;  /* ids in all, the special ones included; default 20000      */
} tern_vocabulary_opts;

tern_vocabulary *tern_vocabulary_build(const char *const *sentences, int64_t count,
                                       tern_vocabulary_opts opts, tern_error *error);
/* From the sentences of the train split. */
tern_vocabulary *tern_vocabulary_from_clips(const tern_clips *clips, tern_vocabulary_opts opts,
                                            tern_error *error);
void tern_vocabulary_free(tern_vocabulary *vocabulary);

/* A text file, one word a line, line number = id, counted from 0. */
bool tern_vocabulary_save(const tern_vocabulary *vocabulary, const char *path, tern_error *error);
tern_vocabulary *tern_vocabulary_load(const char *path, tern_error *error);

int tern_vocabulary_size(const tern_vocabulary *vocabulary);
const char *tern_vocabulary_word(const tern_vocabulary *vocabulary, int id);
/* TERN_TOKEN_UNKNOWN if the word is not in it. */
int32_t tern_vocabulary_id(const tern_vocabulary *vocabulary, const char *word);

/* ids and mask are [length]: [CLS], then the first length - 1 words, then padding
 * with mask 0. */
bool tern_vocabulary_encode(const tern_vocabulary *vocabulary, const char *text, int length,
                            int32_t *ids, uint8_t *mask, tern_error *error);

#endif
