/* Sentences to words; see text.h for the rules. */
#include "datasets/text.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum {
    LONGEST_RUN = 3,          /* "!!!!!" is kept as "!!!"                        */
    LONGEST_PLACEHOLDER = 24, /* letters in [NAME]                               */
    MOST_BYTES_A_WORD = 5     /* of one code point: four, and the NUL after it   */
};

/* What a code point does to the words around it. */
typedef enum letter_kind {
    LETTER,    /* of a word: letters, digits, combining marks      */
    IDEOGRAPH, /* a word by itself, however many stand in a row    */
    MARK,      /* punctuation or symbol: a word of its own         */
    SPACE,
    IGNORED    /* joiners and variation selectors: not seen at all */
} letter_kind;

/* Words are written one after the other into one block of memory. */
typedef struct word_writer {
    tern_words *words;
    char *at;      /* where the next byte goes        */
    char *started; /* the open word, NULL if there is none */
} word_writer;

static bool is_ideograph(utf8proc_int32_t code)
{
    return (code >= 0x4E00 && code <= 0x9FFF) || (code >= 0x3400 && code <= 0x4DBF) ||
           (code >= 0xF900 && code <= 0xFAFF) || (code >= 0x20000 && code <= 0x3FFFD);
}

static letter_kind kind_of(utf8proc_int32_t code)
{
    if (code >= 0xFE00 && code <= 0xFE0F)
        return IGNORED;
    if (is_ideograph(code))
        return IDEOGRAPH;
    switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return LETTER;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_CC:
        return SPACE;
    case UTF8PROC_CATEGORY_CF:
        return IGNORED;
    default:
        return MARK;
    }
}

static bool is_apostrophe(utf8proc_int32_t code)
{
    return code == '\'' || code == 0x2019;
}

static void end_word(word_writer *writer)
{
    if (!writer->started)
        return;
    *writer->at++ = 0;
    writer->words->word[writer->words->count++] = writer->started;
    writer->started = NULL;
}

static void put(word_writer *writer, utf8proc_int32_t code)
{
    if (!writer->started)
        writer->started = writer->at;
    writer->at += utf8proc_encode_char(code, (utf8proc_uint8_t *)writer->at);
}

/* The length of "[NAME]" at the start of text, 0 if something else stands there. */
static size_t placeholder_length(const char *text)
{
    size_t letters = 0;
    if (*text != '[')
        return 0;
    while (((text[1 + letters] | 0x20) >= 'a' && (text[1 + letters] | 0x20) <= 'z') ||
           text[1 + letters] == '_')
        letters++;
    bool closed = letters > 0 && letters <= LONGEST_PLACEHOLDER && text[1 + letters] == ']';
    return closed ? letters + 2 : 0;
}

static utf8proc_int32_t code_at(const char *text, size_t *length)
{
    utf8proc_int32_t code = 0;
    utf8proc_ssize_t bytes = utf8proc_iterate((const utf8proc_uint8_t *)text, -1, &code);
    *length = bytes > 0 ? (size_t)bytes : 1;
    return code;
}

/* An apostrophe belongs to the word when letters stand on both its sides. */
static bool joins_letters(const word_writer *writer, const char *behind)
{
    size_t length;
    return writer->started && *behind && kind_of(code_at(behind, &length)) == LETTER;
}

/* text is NFC and valid UTF-8. */
static void write_words(word_writer *writer, const char *text)
{
    utf8proc_int32_t mark = 0; /* the mark before, for runs */
    int run = 0;

    while (*text) {
        size_t length = placeholder_length(text);
        if (length) {
            end_word(writer);
            for (size_t i = 0; i < length; i++)
                put(writer, utf8proc_tolower(text[i]));
            end_word(writer);
            text += length;
            mark = 0;
            continue;
        }
        utf8proc_int32_t code = code_at(text, &length);
        letter_kind kind = kind_of(code);
        text += length;
        if (kind == IGNORED)
            continue;
        if (kind == LETTER) {
            if (mark)
                end_word(writer);
            put(writer, utf8proc_tolower(code));
        } else if (is_apostrophe(code) && !mark && joins_letters(writer, text)) {
            put(writer, '\'');
        } else if (kind == MARK) {
            run = code == mark ? run + 1 : 1;
            if (run == 1)
                end_word(writer);
            if (run <= LONGEST_RUN)
                put(writer, code);
            mark = code;
            continue;
        } else {
            end_word(writer);
            if (kind == IDEOGRAPH) {
                put(writer, code);
                end_word(writer);
            }
        }
        mark = 0;
    }
    end_word(writer);
}

bool tern_text_split(const char *text, tern_words *words, tern_error *error)
{
    *words = (tern_words){ 0 };
    if (error->code)
        return false;
    utf8proc_uint8_t *normal = NULL;
    utf8proc_ssize_t bytes =
        utf8proc_map((const utf8proc_uint8_t *)text, 0, &normal,
                     UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (bytes < 0)
        return tern_error_set(error, bytes == UTF8PROC_ERROR_NOMEM ? TERN_ERR_MEMORY
                                                                   : TERN_ERR_FORMAT,
                              "text \"%.40s\": %s", text, utf8proc_errmsg(bytes));
    size_t most = (size_t)bytes + 1;
    words->word = malloc(most * sizeof *words->word);
    words->bytes = malloc(most * MOST_BYTES_A_WORD);
    if (!words->word || !words->bytes) {
        tern_words_free(words);
        free(normal);
        return tern_error_set(error, TERN_ERR_MEMORY, "text: no memory for %zu bytes", most);
    }
    word_writer writer = { words, words->bytes, NULL };
    write_words(&writer, (const char *)normal);
    free(normal);
    return true;
}

void tern_words_free(tern_words *words)
{
    free(words->word);
    free(words->bytes);
    *words = (tern_words){ 0 };
}

bool tern_text_is_utf8(const char *text)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    while (*at) {
        utf8proc_int32_t code;
        utf8proc_ssize_t bytes = utf8proc_iterate(at, -1, &code);
        if (bytes <= 0)
            return false;
        at += bytes;
    }
    return true;
}
