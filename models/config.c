/* Defaults, checks and JSON of a model's configuration, from one table of fields. */
#include "models/config.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const tern_stream_names[TERN_STREAMS + 1] = { "face", "audio", "text", NULL };
const char *const tern_fusion_names[TERN_FUSIONS + 1] = { "concat", "attention", "crossmodal",
                                                          NULL };

typedef struct whole_field {
    const char *name;
    size_t offset;
    int64_t fallback, lowest, highest;
    const char *doc;
} whole_field;

#define WHOLE(name, fallback, lowest, highest, doc)                                               \
    { #name, offsetof(tern_model_config, name), fallback, lowest, highest, doc }

static const whole_field whole_fields[] = {
    WHOLE(size, 128, 4, 4096, "width of every stream"),
    WHOLE(heads, 4, 1, 64, "of attention"),
    WHOLE(frames, 8, 1, 256, "of a clip's face"),
    WHOLE(height, 64, 16, 512, "of a face, pixels"),
    WHOLE(width, 64, 16, 512, "of a face, pixels"),
    WHOLE(channels, 3, 1, 3, "of a face: 3 colours or 1 grey"),
    WHOLE(face_width, 8, 1, 512, "channels of the face's first convolution"),
    WHOLE(face_stride, 2, 1, 2, "of the face's first convolution"),
    WHOLE(rate, 16000, 8000, 48000, "samples of sound a second"),
    WHOLE(mels, 64, 32, 256, "bands of the spectrogram"),
    WHOLE(audio_width, 16, 1, 512, "channels of the voice's first convolution"),
    WHOLE(tokens, 32, 2, 512, "words of a sentence"),
    WHOLE(text_layers, 2, 1, 24, "of the text encoder"),
    WHOLE(cross_layers, 1, 1, 24, "of each cross-modal encoder"),
};
enum { WHOLE_FIELDS = sizeof whole_fields / sizeof whole_fields[0] };

static int64_t *field_of(tern_model_config *config, const whole_field *field)
{
    return (int64_t *)(void *)((char *)config + field->offset);
}

bool tern_model_config_resolve(tern_model_config *config, tern_error *error)
{
    for (int i = 0; i < WHOLE_FIELDS; i++) {
        const whole_field *field = &whole_fields[i];
        int64_t *value = field_of(config, field);
        if (*value == 0)
            *value = field->fallback;
        if (*value < field->lowest || *value > field->highest)
            return tern_error_set(error, TERN_ERR_OPTION, "model: %s is %lld, it may be %lld to %lld",
                                  field->name, (long long)*value, (long long)field->lowest,
                                  (long long)field->highest);
    }
    if (config->dropout == 0)
        config->dropout = 0.1;
    if (config->seconds == 0)
        config->seconds = 3;
    if (!(config->dropout < 1) || !(config->seconds >= 0.1 && config->seconds <= 60))
        return tern_error_set(error, TERN_ERR_OPTION,
                              "model: dropout %g must be below 1 and seconds %g from 0.1 to 60",
                              config->dropout, config->seconds);
    if (config->size % config->heads || config->size % 2)
        return tern_error_set(error, TERN_ERR_OPTION,
                              "model: size %lld must be even and a multiple of heads %lld",
                              (long long)config->size, (long long)config->heads);
    if (!config->streams || config->streams >> TERN_STREAMS)
        return tern_error_set(error, TERN_ERR_OPTION, "model: no modality chosen");
    if (config->classes < 2 || config->classes > TERN_MAX_CLASSES)
        return tern_error_set(error, TERN_ERR_OPTION, "model: %lld classes, 2 to %d are possible",
                              (long long)config->classes, TERN_MAX_CLASSES);
    if (tern_model_has(config, TERN_STREAM_TEXT) && config->vocabulary < 3)
        return tern_error_set(error, TERN_ERR_OPTION, "model: text needs a vocabulary");
    return true;
}

static bool unknown_option(const char *name, tern_error *error)
{
    const char *names[WHOLE_FIELDS + 2] = { "dropout", "seconds" };
    for (int i = 0; i < WHOLE_FIELDS; i++)
        names[i + 2] = whole_fields[i].name;
    const char *nearest = tern_nearest_name(name, names, WHOLE_FIELDS + 2);
    return tern_error_set(error, TERN_ERR_OPTION, "there is no model option %s%s%s%s", name,
                          nearest ? ", did you mean " : "", nearest ? nearest : "",
                          nearest ? "?" : "");
}

bool tern_model_config_set(tern_model_config *config, const char *name, const char *value,
                           tern_error *error)
{
    const whole_field *field = whole_fields, *end = whole_fields + WHOLE_FIELDS;
    bool is_dropout = strcmp(name, "dropout") == 0, is_seconds = strcmp(name, "seconds") == 0;
    char *rest;
    double number = strtod(value, &rest);
    while (field < end && strcmp(field->name, name) != 0)
        field++;
    if (field == end && !is_dropout && !is_seconds)
        return unknown_option(name, error);
    if (rest == value || *rest)
        return tern_error_set(error, TERN_ERR_OPTION, "model.%s=%s: a number wanted", name, value);
    if (field < end) {
        /* Checked here too: a zero would later stand for the default. */
        if (!(number >= (double)field->lowest && number <= (double)field->highest) ||
            number != floor(number))
            return tern_error_set(error, TERN_ERR_OPTION,
                                  "model.%s=%s: a whole number from %lld to %lld wanted", name,
                                  value, (long long)field->lowest, (long long)field->highest);
        *field_of(config, field) = (int64_t)number;
        return true;
    }
    if (is_dropout ? !(number >= 0 && number < 1) : !(number > 0))
        return tern_error_set(error, TERN_ERR_OPTION, "model.%s=%s: %s", name, value,
                              is_dropout ? "0 or more and below 1 wanted" : "more than 0 wanted");
    if (is_dropout)
        config->dropout = number == 0 ? -1 : number; /* zero stands for the default */
    else
        config->seconds = number;
    return true;
}

bool tern_model_option_help(int i, char text[TERN_MODEL_OPTION_TEXT], const char **doc)
{
    if (i < WHOLE_FIELDS) {
        snprintf(text, TERN_MODEL_OPTION_TEXT, "model.%s=%lld", whole_fields[i].name,
                 (long long)whole_fields[i].fallback);
        *doc = whole_fields[i].doc;
        return true;
    }
    bool is_dropout = i == WHOLE_FIELDS;
    snprintf(text, TERN_MODEL_OPTION_TEXT, is_dropout ? "model.dropout=0.1" : "model.seconds=3");
    *doc = is_dropout ? "0: none" : "of sound";
    return i < WHOLE_FIELDS + 2;
}

int tern_model_stream_count(const tern_model_config *config)
{
    int count = 0;
    for (int s = 0; s < TERN_STREAMS; s++)
        count += tern_model_has(config, s);
    return count;
}

int64_t tern_model_samples(const tern_model_config *config)
{
    return (int64_t)(config->seconds * (double)config->rate + 0.5);
}

/* --------------------------------------------------------------- JSON -- */

json_t *tern_model_config_to_json(const tern_model_config *config)
{
    json_t *json = json_object(), *streams = json_array(), *classes = json_array();
    tern_model_config copy = *config;
    for (int s = 0; s < TERN_STREAMS; s++)
        if (tern_model_has(config, s))
            json_array_append_new(streams, json_string(tern_stream_names[s]));
    for (int64_t c = 0; c < config->classes; c++)
        json_array_append_new(classes, json_string(config->class_names[c]));
    json_object_set_new(json, "modalities", streams);
    json_object_set_new(json, "fusion", json_string(tern_fusion_names[config->fusion]));
    json_object_set_new(json, "classes", classes);
    json_object_set_new(json, "vocabulary", json_integer(config->vocabulary));
    json_object_set_new(json, "dropout", json_real(config->dropout));
    json_object_set_new(json, "seconds", json_real(config->seconds));
    for (int i = 0; i < WHOLE_FIELDS; i++)
        json_object_set_new(json, whole_fields[i].name,
                            json_integer(*field_of(&copy, &whole_fields[i])));
    return json;
}

static int name_index(const char *const *names, const char *name)
{
    for (int i = 0; name && names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

static bool read_lists(const json_t *json, tern_model_config *config, tern_error *error)
{
    const json_t *streams = json_object_get(json, "modalities");
    const json_t *classes = json_object_get(json, "classes");
    for (size_t i = 0; i < json_array_size(streams); i++) {
        int stream = name_index(tern_stream_names, json_string_value(json_array_get(streams, i)));
        if (stream < 0)
            return tern_error_set(error, TERN_ERR_FORMAT, "\"modalities\" has an unknown entry");
        config->streams |= 1u << stream;
    }
    if (json_array_size(classes) < 2 || json_array_size(classes) > TERN_MAX_CLASSES)
        return tern_error_set(error, TERN_ERR_FORMAT, "\"classes\" must be a list of 2 to %d names",
                              TERN_MAX_CLASSES);
    config->classes = (int64_t)json_array_size(classes);
    for (size_t i = 0; i < json_array_size(classes); i++) {
        const char *name = json_string_value(json_array_get(classes, i));
        if (!name || strlen(name) >= TERN_CLASS_NAME_BYTES)
            return tern_error_set(error, TERN_ERR_FORMAT, "\"classes\"[%zu] is no name", i);
        for (size_t before = 0; before < i; before++)
            if (strcmp(config->class_names[before], name) == 0)
                return tern_error_set(error, TERN_ERR_FORMAT, "\"classes\" names %s twice", name);
        memcpy(config->class_names[i], name, strlen(name) + 1);
    }
    return true;
}

bool tern_json_keys(const json_t *object, const char *what, const char *const *known,
                    tern_error *error)
{
    const char *key;
    json_t *value;
    int count = 0;
    if (!json_is_object(object))
        return tern_error_set(error, TERN_ERR_FORMAT, "%s is missing or no object", what);
    while (known[count])
        count++;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        if (name_index(known, key) >= 0)
            continue;
        const char *nearest = tern_nearest_name(key, known, count);
        return tern_error_set(error, TERN_ERR_FORMAT, "unknown key \"%s\" in %s%s%s%s", key, what,
                              nearest ? ", did you mean \"" : "", nearest ? nearest : "",
                              nearest ? "\"?" : "");
    }
    return true;
}

bool tern_model_config_from_json(const json_t *json, tern_model_config *config, tern_error *error)
{
    const char *keys[WHOLE_FIELDS + 7] = { "modalities", "fusion",  "classes",
                                           "vocabulary", "dropout", "seconds" };
    *config = (tern_model_config){ 0 };
    for (int i = 0; i < WHOLE_FIELDS; i++)
        keys[6 + i] = whole_fields[i].name;
    if (!tern_json_keys(json, "\"model\"", keys, error))
        return false;
    for (int i = 0; i < WHOLE_FIELDS; i++) {
        const json_t *number = json_object_get(json, whole_fields[i].name);
        if (!json_is_integer(number))
            return tern_error_set(error, TERN_ERR_FORMAT, "\"model\".\"%s\" must be a whole number",
                                  whole_fields[i].name);
        *field_of(config, &whole_fields[i]) = json_integer_value(number);
    }
    int fusion = name_index(tern_fusion_names, json_string_value(json_object_get(json, "fusion")));
    if (fusion < 0 || !json_is_number(json_object_get(json, "dropout")) ||
        !json_is_number(json_object_get(json, "seconds")) ||
        !json_is_integer(json_object_get(json, "vocabulary")))
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "\"model\" needs fusion, dropout, seconds and vocabulary");
    config->fusion = (tern_fusion)fusion;
    config->dropout = json_number_value(json_object_get(json, "dropout"));
    config->seconds = json_number_value(json_object_get(json, "seconds"));
    config->vocabulary = json_integer_value(json_object_get(json, "vocabulary"));
    return read_lists(json, config, error) && tern_model_config_resolve(config, error);
}
