/* How parameters start.
 *
 *   kind              values                                                      paper
 *   ZERO, ONE         0, 1
 *   UNIFORM           uniform in [-scale, scale)
 *   NORMAL            normal, mean 0, standard deviation scale
 *   TRUNCATED_NORMAL  the same, but for values beyond +-bound, drawn anew
 *   XAVIER_UNIFORM    uniform, bound gain * sqrt(6 / (fan_in + fan_out))          [1]
 *   XAVIER_NORMAL     normal, deviation gain * sqrt(2 / (fan_in + fan_out))       [1]
 *   KAIMING_UNIFORM   uniform, bound gain * sqrt(3 / fan)                         [2]
 *   KAIMING_NORMAL    normal, deviation gain / sqrt(fan)                          [2]
 *
 * [1] Glorot & Bengio 2010: signals and gradients keep their variance, a compromise.
 * [2] He et al. 2015, arXiv:1502.01852: signals keep it (fan = fan_in) or gradients do
 *     (fan = fan_out), whatever is lost in the nonlinearity made up for by the gain.
 *
 * A weight is [outputs, ..., inputs].  Each output adds up fan_in products, the extents
 * of all axes but the first; each input goes into fan_out, all but the last:
 *
 *   linear [O,I]            fan_in = I           fan_out = O
 *   conv2d [O,kh,kw,I]      fan_in = kh*kw*I     fan_out = O*kh*kw
 *
 * These are torch.nn.init's distributions and counts; the numbers drawn are tern's own.
 */
#ifndef TERN_CORE_INIT_H
#define TERN_CORE_INIT_H

#include "core/api.h"
#include "core/rng.h"

#include <stdbool.h>
#include <stdint.h>

TERN_API_BEGIN

typedef enum tern_init_kind {
    TERN_INIT_DEFAULT, /* in a layer's options: as PyTorch starts that layer; of a
                          parameter declared by itself: zeros */
    TERN_INIT_ZERO,
    TERN_INIT_ONE,
    TERN_INIT_UNIFORM,
    TERN_INIT_NORMAL,
    TERN_INIT_TRUNCATED_NORMAL,
    TERN_INIT_XAVIER_UNIFORM,
    TERN_INIT_XAVIER_NORMAL,
    TERN_INIT_KAIMING_UNIFORM,
    TERN_INIT_KAIMING_NORMAL
} tern_init_kind;

typedef struct tern_init {
    tern_init_kind kind;
    double scale;  /* of uniform and normal values; default 1                            */
    double bound;  /* of a truncated normal; default 2 * scale                           */
    double gain;   /* of Xavier, default 1; of Kaiming, default TERN_GAIN_RELU           */
    bool fan_out;  /* Kaiming by fan_out                                                 */
    bool has_zero_row; /* row zero_row of the first axis is zero: padding's in a table   */
    int64_t zero_row;
} tern_init;

/* What makes up for a nonlinearity: torch.nn.init.calculate_gain. */
#define TERN_GAIN_LINEAR 1.0 /* and sigmoid */
#define TERN_GAIN_TANH (5.0 / 3)
#define TERN_GAIN_RELU 1.4142135623730951
#define TERN_GAIN_SELU 0.75
double tern_gain_leaky_relu(double slope);

/* PyTorch's default for weights and biases of linear and conv layers: uniform, bound
 * 1/sqrt(fan_in); zeros if there are no inputs. */
tern_init tern_init_fan_in(int64_t fan_in);

/* The first, unless it is TERN_INIT_DEFAULT, then the second: what a layer's caller
 * asked for, and the layer's own. */
tern_init tern_init_or(tern_init asked, tern_init otherwise);

/* NULL if a parameter of this shape can start so, else what is wrong. */
const char *tern_init_problem(const tern_init *init, int rank, const int64_t *shape);

/* The values [first, first + count) of a parameter of this shape, drawn from rng: piece after
 * piece in order, so that a large one never lies in memory twice. */
void tern_init_draw(const tern_init *init, int rank, const int64_t *shape, tern_rng *rng,
                    int64_t first, int64_t count, double *values);

TERN_API_END

#endif
