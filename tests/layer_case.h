/* A layer against PyTorch's, on every device: the same state names, shapes and layouts on
 * file, and from the same state the same outputs and gradients.  What a fixture holds is
 * said in tests/fixtures/layer_cases.py.
 *
 *     static void run_gate(layer_case *c, const void *opts)
 *     {
 *         gate_layer layer = gate_layer_declare(c->ctx, "layer", ...);
 *         layer_case_begin(c);
 *         tern_tensor *y = gate_layer_forward(c->ctx, &layer, layer_case_input(c, "x"));
 *         layer_case_output(c, "y", y);
 *     }
 *     ...
 *     layer_case_run("tests/fixtures/layers.safetensors", "gate", run_gate, NULL);
 */
#ifndef TERN_TESTS_LAYER_CASE_H
#define TERN_TESTS_LAYER_CASE_H

#include "core/context.h"
#include "core/safetensors.h"

enum { LAYER_CASE_INPUTS = 8 };

typedef struct layer_case {
    tern_ctx *ctx;
    tern_safetensors *file;
    const char *name;
    double tolerance;
    tern_tensor *inputs[LAYER_CASE_INPUTS]; /* that need a gradient */
    int input_count;
} layer_case;

/* Declares the layer under the name "layer" and runs it forward, as above. */
typedef void layer_case_body(layer_case *c, const void *opts);

/* On ref and on cpu run the body, then backward, and compare the gradients of all its
 * inputs and parameters, and the state afterwards. */
void layer_case_run(const char *fixture, const char *name, layer_case_body *body,
                    const void *opts);

/* For bodies: everything is declared; give the parameters the case's state, see that it
 * goes to a file and back, and begin. */
void layer_case_begin(layer_case *c);
/* One of the case's inputs, NULL if it has none of that name. */
tern_tensor *layer_case_input(layer_case *c, const char *name);
/* Compare an output with the case's and give it the gradient that comes back to it. */
void layer_case_output(layer_case *c, const char *name, tern_tensor *out);

#endif
