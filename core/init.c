/* Drawing the first values of parameters; see init.h. */
#include "core/init.h"

#include <math.h>
#include <string.h>

double tern_gain_leaky_relu(double slope)
{
    return sqrt(2 / (1 + slope * slope));
}

tern_init tern_init_fan_in(int64_t fan_in)
{
    if (fan_in <= 0)
        return (tern_init){ .kind = TERN_INIT_ZERO };
    return (tern_init){ .kind = TERN_INIT_UNIFORM, .scale = 1 / sqrt((double)fan_in) };
}

tern_init tern_init_or(tern_init asked, tern_init otherwise)
{
    return asked.kind == TERN_INIT_DEFAULT ? otherwise : asked;
}

static bool needs_fans(tern_init_kind kind)
{
    return kind >= TERN_INIT_XAVIER_UNIFORM;
}

static bool is_positive_or_default(double value)
{
    return value >= 0 && isfinite(value);
}

const char *tern_init_problem(const tern_init *init, int rank, const int64_t *shape)
{
    if ((unsigned)init->kind > TERN_INIT_KAIMING_NORMAL)
        return "there is no such kind of initialisation";
    if (needs_fans(init->kind) && rank < 2)
        return "Xavier and Kaiming initialisation need inputs and outputs: two axes or more";
    if (!is_positive_or_default(init->scale) || !is_positive_or_default(init->bound) ||
        !is_positive_or_default(init->gain))
        return "scale, bound and gain of an initialisation must be positive, or 0 for the default";
    if (init->has_zero_row && (rank < 1 || init->zero_row < 0 || init->zero_row >= shape[0]))
        return "the row that is to be zero is not there";
    return NULL;
}

/* ------------------------------------------------------- distributions -- */

typedef struct fans {
    double in, out;
} fans;

static fans count_fans(int rank, const int64_t *shape)
{
    double receptive_field = 1;
    for (int axis = 1; axis < rank - 1; axis++)
        receptive_field *= (double)shape[axis];
    return (fans){ receptive_field * (double)shape[rank - 1], receptive_field * (double)shape[0] };
}

/* The bound of a uniform distribution, the standard deviation of a normal one. */
static double spread(const tern_init *init, int rank, const int64_t *shape)
{
    if (!needs_fans(init->kind))
        return init->scale != 0 ? init->scale : 1;
    fans fan = count_fans(rank, shape);
    double sum = fan.in + fan.out, one = init->fan_out ? fan.out : fan.in;
    switch (init->kind) {
    case TERN_INIT_XAVIER_UNIFORM: return (init->gain != 0 ? init->gain : 1) * sqrt(6 / sum);
    case TERN_INIT_XAVIER_NORMAL: return (init->gain != 0 ? init->gain : 1) * sqrt(2 / sum);
    case TERN_INIT_KAIMING_UNIFORM:
        return (init->gain != 0 ? init->gain : TERN_GAIN_RELU) * sqrt(3 / one);
    default: return (init->gain != 0 ? init->gain : TERN_GAIN_RELU) / sqrt(one);
    }
}

static double draw_uniform(tern_rng *rng)
{
    return 2 * tern_rng_uniform(rng) - 1;
}

/* A normal value within [-bound, bound], by rejection.  Few normal draws lie within a
 * narrow bound; there uniform ones are drawn and kept as often as their density says. */
static double draw_truncated(tern_rng *rng, double bound)
{
    for (;;) {
        bool narrow = bound < 1;
        double value = narrow ? bound * draw_uniform(rng) : tern_rng_normal(rng);
        if (narrow ? tern_rng_uniform(rng) < exp(-value * value / 2) : fabs(value) <= bound)
            return value;
    }
}

static double draw(const tern_init *init, double size, tern_rng *rng)
{
    switch (init->kind) {
    case TERN_INIT_DEFAULT:
    case TERN_INIT_ZERO: break;
    case TERN_INIT_ONE: return 1;
    case TERN_INIT_UNIFORM:
    case TERN_INIT_XAVIER_UNIFORM:
    case TERN_INIT_KAIMING_UNIFORM: return size * draw_uniform(rng);
    case TERN_INIT_NORMAL:
    case TERN_INIT_XAVIER_NORMAL:
    case TERN_INIT_KAIMING_NORMAL: return size * tern_rng_normal(rng);
    case TERN_INIT_TRUNCATED_NORMAL:
        return size * draw_truncated(rng, init->bound != 0 ? init->bound / size : 2);
    }
    return 0;
}

void tern_init_draw(const tern_init *init, int rank, const int64_t *shape, tern_rng *rng,
                    int64_t first, int64_t count, double *values)
{
    int64_t row = 1;
    for (int axis = 1; axis < rank; axis++)
        row *= shape[axis];
    double size = count ? spread(init, rank, shape) : 0;
    for (int64_t i = 0; i < count; i++)
        values[i] = draw(init, size, rng);
    for (int64_t i = 0; init->has_zero_row && i < count; i++)
        if ((first + i) / row == init->zero_row)
            values[i] = 0;
}
