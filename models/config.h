/* What a classifier is made of: everything needed to build it again.
 *
 * The same struct is written to a run's config.json.  Zero fields take the
 * defaults below through tern_model_config_resolve.
 */
#ifndef TERN_MODELS_CONFIG_H
#define TERN_MODELS_CONFIG_H

#include "core/error.h"

#include <jansson.h>
#include <stdint.h>

/* The three streams, in the order in which everything lists them. */
enum { TERN_STREAM_FACE, TERN_STREAM_AUDIO, TERN_STREAM_TEXT, TERN_STREAMS };
extern const char *const tern_stream_names[TERN_STREAMS + 1];

typedef enum tern_fusion {
    TERN_FUSION_CONCAT,     /* pooled vectors side by side          */
    TERN_FUSION_ATTENTION,  /* attention over time, then modalities */
    TERN_FUSION_CROSSMODAL, /* six directional cross-modal encoders */
    TERN_FUSIONS
} tern_fusion;
extern const char *const tern_fusion_names[TERN_FUSIONS + 1];

enum { TERN_MAX_CLASSES = 64, TERN_CLASS_NAME_BYTES = 48 };

typedef struct tern_model_config {
    unsigned streams; /* bit set of 1 << TERN_STREAM_...: which the model has */
    tern_fusion fusion;
    int64_t classes;
    char class_names[TERN_MAX_CLASSES][TERN_CLASS_NAME_BYTES];

    int64_t size;    /* width D of every stream; default 128              */
    int64_t heads;   /* default 4                                         */
    double dropout;  /* default 0.1; negative means none                  */

    int64_t frames, height, width, channels; /* faces; defaults 8, 64, 64, 3          */
    int64_t face_width;  /* channels of the first convolution; default 8              */
    int64_t face_stride; /* of the first convolution; default 2                       */

    int64_t rate;        /* default 16000                                             */
    double seconds;      /* of sound; default 3                                       */
    int64_t mels;        /* default 64                                                */
    int64_t audio_width; /* channels of the first convolution; default 16             */

    int64_t tokens;      /* default 32                                                */
    int64_t vocabulary;  /* ids; known only once the training sentences are           */
    int64_t text_layers; /* default 2                                                 */

    int64_t cross_layers; /* of each cross-modal encoder; default 1                   */
} tern_model_config;

/* Fill in defaults and check; an error names the field and what it may be. */
bool tern_model_config_resolve(tern_model_config *config, tern_error *error);
/* Set one number by name ("size", "64"); unknown names suggest the nearest. */
bool tern_model_config_set(tern_model_config *config, const char *name, const char *value,
                           tern_error *error);
/* For --help: option i, from 0, with its default ("model.size=128"), and what it is; false
 * after the last. */
enum { TERN_MODEL_OPTION_TEXT = 48 };
bool tern_model_option_help(int i, char text[TERN_MODEL_OPTION_TEXT], const char **doc);
int tern_model_stream_count(const tern_model_config *config);
static inline bool tern_model_has(const tern_model_config *config, int stream)
{
    return (config->streams >> stream) & 1;
}
/* Samples of sound the model is given. */
int64_t tern_model_samples(const tern_model_config *config);

/* False, and an error that names it and suggests the nearest, if the object has a key
 * that is not in `known` (which NULL ends), or is no object; `what` is its name. */
bool tern_json_keys(const json_t *object, const char *what, const char *const *known,
                    tern_error *error);

/* To and from JSON.  Unknown or missing keys are errors that name the key. */
json_t *tern_model_config_to_json(const tern_model_config *config);
bool tern_model_config_from_json(const json_t *json, tern_model_config *config, tern_error *error);

#endif
