/* The op interface: a contract says WHAT an op is, an implementation says HOW
 * one backend computes it.
 *
 * The contract (`const tern_op`) names inputs, outputs, options, shapes, what
 * backward reads, cost and sample problems.  Everything generic is made from
 * it: `tern ops`, `tern op --set`, gradient checks, benchmarks, fixtures.
 * Implementations (`const tern_impl`) are registered in a context, keyed by
 * (op, backend, provider); a plugin registers its own through tern_host.
 */
#ifndef TERN_CORE_OP_H
#define TERN_CORE_OP_H

#include "core/error.h"
#include "core/tensor.h"

TERN_API_BEGIN

enum { TERN_MAX_ARGS = 16, TERN_MAX_SAVED = 4 };

/* ------------------------------------------------------------ contract -- */

/* What a tensor argument may hold. */
typedef enum tern_kind {
    TERN_KIND_END = 0, /* marks the end of an argument list                */
    TERN_REAL,         /* the device's real type: f64 on ref, f32 elsewhere */
    TERN_INDEX,        /* i32: class numbers, token ids, lengths            */
    TERN_MASK,         /* u8: 1 = valid, 0 = padding                        */
    TERN_ANY           /* any of these (concat, slice); samples make reals   */
} tern_kind;

enum {
    TERN_OPTIONAL = 1,       /* may be NULL                                     */
    TERN_DIFF = 2,           /* differentiable input                            */
    TERN_BACKWARD_READS = 4, /* backward reads its values; all others arrive in
                                backward as headers with data == NULL           */
    TERN_MUTATED = 8,        /* forward changes it in place (running statistics,
                                parameters in an optimiser)                     */
    TERN_VARIADIC = 16,      /* last input: may be given 1 to N times (concat)  */
    TERN_NO_GRAD = 32        /* an output that no gradient flows through        */
};

typedef struct tern_arg {
    const char *name;  /* as the documentation and `tern op` name it */
    tern_kind kind;
    unsigned flags;
    const char *shape; /* documentation, "[N,H,W,C]"                 */
} tern_arg;

typedef enum tern_option_type {
    TERN_OPTION_END = 0,
    TERN_OPTION_INT,   /* int64_t                                    */
    TERN_OPTION_REAL,  /* double                                     */
    TERN_OPTION_BOOL,  /* bool                                       */
    TERN_OPTION_CHOICE /* int: index into choices                    */
} tern_option_type;

/* One field of an op's options struct.  A field that is zero means `fallback`
 * (tern_apply puts the fallback in before shape rule and kernels see it), unless
 * another field says that zero was meant. */
typedef struct tern_option {
    const char *name;
    tern_option_type type;
    size_t offset;
    int length;              /* 0 or 1: one value; else an array, "2,1"   */
    double fallback;         /* what zero stands for                      */
    double lowest, highest;  /* allowed range after the fallback          */
    const char *const *choices; /* NULL-terminated, TERN_OPTION_CHOICE    */
    const char *doc;
    bool list; /* an array that may end early: one number in text is its first
                  entry, not all of them (reshape's shape)                 */
    size_t count_offset; /* of a list in which 0 is an entry as any other: the
                            int64_t that says how many there are, set with the list;
                            0: there is none                               */
    size_t has_offset;   /* of one for which zero is a value as any other: the bool that
                            says it was given, set with it; 0: there is none */
} tern_option;

typedef struct tern_cost {
    double flops; /* multiply and add count as two                        */
    double bytes; /* least traffic; 0: every tensor that is read or written, once */
    double executed; /* FLOPs of this implementation; a contract leaves it alone   */
} tern_cost;

/* A sample problem: gradient checks, tests and benchmarks share them.
 *   inputs   "x=[2,5,3] weight=[4,3] lengths=[2]{1..5}"
 *            {lo..hi}: uniform in the range, inclusive for integers.  Without
 *            it reals are normal with |value| >= 0.05 (off the kinks), masks
 *            are 1 three times in four, indices are 0 or 1.
 *   options  "stride=2,1 activation=relu", as after `tern op --set`        */
enum {
    TERN_SAMPLE_CHECK = 1,
    TERN_SAMPLE_BENCH = 2,
    TERN_SAMPLE_NO_DERIVATIVE = 4 /* for comparing implementations, not for gradient
                                     checks: backward leaves out what it is told to */
};
typedef struct tern_sample {
    unsigned uses; /* 0 ends the list */
    const char *inputs;
    const char *options;
} tern_sample;

struct tern_call;

typedef struct tern_op {
    const char *name;
    const char *summary; /* one line                                     */
    const char *doc;     /* formula, shapes, notes: shown by `tern ops NAME` */
    tern_arg in[TERN_MAX_ARGS];
    tern_arg out[TERN_MAX_SAVED];
    tern_arg saved[TERN_MAX_SAVED]; /* made by forward for backward only; not
                                       allocated in inference             */
    size_t options_size;
    const tern_option *options; /* ends with TERN_OPTION_END, or NULL     */

    /* Check the inputs and options and declare each output and saved tensor
     * with tern_declare_out / tern_declare_saved.  Report errors through
     * tern_call_fail and return; the caller looks at the context. */
    void (*shape)(struct tern_call *call);
    /* backward: of the gradients that call->grad_in asks for. */
    void (*cost)(const struct tern_call *call, tern_cost *forward, tern_cost *backward);
    const tern_sample *samples; /* ends with uses == 0                    */
    bool aliases; /* output 0 is input 0 under another shape (reshape)    */
    /* Elements of output 0 are sums of products, and their index along axis 0 is that of
     * input 0: a part of the output can be checked from a part of that input.  */
    bool sums_products;
} tern_op;

/* -------------------------------------------------------- implementation -- */

/* One application of an op, as the shape rule and the kernels see it.
 *
 * Arrays are indexed like the contract's lists; an absent optional input is
 * NULL, `saved` is NULL throughout in inference.
 * In backward, for each input with grad_in[i] != NULL write the gradient:
 * overwrite when !accumulate[i], add when accumulate[i].  grad_out[i] is never
 * NULL.  Kernels have no error path of their own for sizes: the shape rule has
 * checked them.  Empty tensors (count == 0) do reach kernels.               */
typedef struct tern_call {
    tern_ctx *ctx;
    const tern_op *op;
    const void *options; /* resolved: fallbacks filled in */
    int inputs, outputs, saveds;
    tern_tensor *in[TERN_MAX_ARGS];
    tern_tensor *out[TERN_MAX_SAVED];
    tern_tensor *saved[TERN_MAX_SAVED];
    tern_tensor *grad_out[TERN_MAX_SAVED];
    tern_tensor *grad_in[TERN_MAX_ARGS];
    bool accumulate[TERN_MAX_ARGS];
    void *workspace; /* as many bytes as the implementation asked for, 64-byte
                        aligned, contents undefined                        */
    /* Set by the shape rule, of what these options make of the contract. */
    bool out_is_unread[TERN_MAX_SAVED]; /* backward does not read it, whatever its flags say */
    bool is_restorable;                 /* see tern_impl's restore */
    bool training;   /* dropout drops, batch norm uses batch statistics    */
    bool frozen_state; /* leave TERN_MUTATED state alone (gradient checks)  */
    /* Philox stream of this call: see core/rng.h */
    uint64_t rng_seed;
    uint32_t rng_step, rng_position;
} tern_call;

typedef void (*tern_kernel)(tern_call *call);

typedef struct tern_impl {
    const char *op;
    const char *backend;  /* "ref", "cpu", "cuda", "cuda-sim" */
    const char *provider; /* "hand" is the default            */
    tern_kernel forward;
    tern_kernel backward; /* NULL if the op has no differentiable input */
    /* Writes output 0 once more, to the bit, from the saved tensors alone.  Other ops'
     * backward then finds it again although its memory was given up after forward.  NULL:
     * the output is kept. */
    tern_kernel restore;
    /* Bytes of workspace; NULL means none. */
    size_t (*forward_workspace)(const tern_call *call);
    size_t (*backward_workspace)(const tern_call *call);
    /* Inputs, as bits, of which forward reads nothing but what tern_packing keeps, if it
     * keeps them (core/packing.h); NULL means none. */
    uint32_t (*packs)(const tern_call *call);
    /* With which compiler flags it was built, "-O3 -march=native", for benchmark reports.
     * NULL: not told, or one of tern's own, whose Makefile knows. */
    const char *flags;
    /* FLOPs that are executed, where they are not the contract's: Winograd's convolution needs
     * fewer.  What a machine could do is held against these.  NULL: the contract's. */
    double (*executed_flops)(const tern_call *call, bool in_backward);
} tern_impl;

/* ----------------------------------------------- for shape rules and kernels -- */

void tern_declare_out(tern_call *call, int index, tern_dtype dtype, int rank, const int64_t *shape);
void tern_declare_saved(tern_call *call, int index, tern_dtype dtype, int rank,
                        const int64_t *shape);
/* The device's real type: f64 on ref, f32 elsewhere. */
tern_dtype tern_real(const tern_call *call);
/* The values of an input; NULL where it is not given. */
static inline void *tern_in_values(const tern_call *call, int input)
{
    return call->in[input] ? call->in[input]->data : NULL;
}
/* Set the context's error; the op's name and layer path are put before it. */
void tern_call_fail(tern_call *call, tern_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What one call costs: the contract's figures, and where it names no bytes those of all
 * tensors that are read or written, once each; and what the context's implementation executes. */
tern_cost tern_call_cost(const tern_call *call, bool in_backward);

/* ---------------------------------------------------------------- applying -- */

/* Apply an op: resolve options, check, plan outputs, run, record on the tape.
 * inputs holds op's inputs in order (NULL for an absent optional one; a
 * variadic last input is given 1 to N times).  outputs receives the op's
 * outputs and may be NULL when only the first is wanted.  Returns the first
 * output; after an error a harmless empty tensor, never NULL. */
tern_tensor *tern_apply(tern_ctx *ctx, const tern_op *op, tern_tensor *const *inputs, int count,
                        const void *options, tern_tensor **outputs);

/* Set one option in an options struct from text ("2,1", "relu", "true").
 * False and an error naming the choices or range if it does not fit. */
bool tern_option_parse(const tern_op *op, void *options, const char *name, const char *value,
                       tern_error *error);

/* The reverse: what differs from the defaults as "stride=2,1 activation=relu", cut off at
 * size - 1 characters.  Returns the length of the whole text. */
size_t tern_options_text(const tern_op *op, const void *options, char *text, size_t size);

/* The samples' and command line's inputs text, one item after the other:
 * "x=[2,5]{0..1}" -> name, rank, shape, range.  Returns the rest of the text, or
 * NULL at its end or on an error. */
typedef struct tern_sample_input {
    char name[32];
    int rank;
    int64_t shape[TERN_MAX_RANK];
    bool has_range;
    double low, high;
} tern_sample_input;
const char *tern_sample_next(const char *text, tern_sample_input *input, tern_error *error);

int tern_op_input_count(const tern_op *op);  /* length of op->in, etc. */
int tern_op_output_count(const tern_op *op);
int tern_op_saved_count(const tern_op *op);

TERN_API_END

#endif
