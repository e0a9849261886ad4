/* Any device against ref, on the sample problems of an op's contract or a test's own.
 *
 * The bound is |found - ref| <= 8 * eps * sqrt(K) * S for each element of each output,
 * gradient and changed state, eps = 2^-23.
 *   K  how many terms are added up for it: the contract's FLOPs, halved, over the
 *      elements of the tensor, at least 1.
 *   S  the sum of the terms' magnitudes, measured from below: ref runs again with
 *      every number that the kernels read or write (inputs, upstream gradients,
 *      saved tensors, outputs) moved by a relative eps times a normal deviate;
 *      S = |ref| + the farthest that the element moved in 8 such runs / eps.
 * For y = sum_i x_i w_i the element moves by eps * sum_i x_i w_i (n_i + m_i), so its
 * farthest move is about eps * |x w| in the Euclidean norm: never above the order of
 * the sum of |x_i w_i|, and often well below.  For other functions it is what they do
 * to rounding errors that cannot be avoided.  A term that is dropped, doubled or of
 * the wrong sign changes the element by about S / sqrt(K), millions of eps.
 *
 * Where that is more than a twentieth of a tensor's largest value, as with ties in a maximum,
 * which any rounding breaks, the problem is refused: it would test nothing.
 *
 * Nine more runs of ref are too many for large problems.  Where an op adds up products, one
 * run on absolute values is S and one on ones is K; for the others a test says what share
 * of the largest value of a tensor its elements may be off.
 *
 * What is too small for a float32 may be off by the smallest normal one.
 */
#ifndef TERN_TESTS_AGAINST_REF_H
#define TERN_TESTS_AGAINST_REF_H

#include "core/context.h"
#include "core/op.h"
#include "tests/op_run.h"

/* Every context gives what ref gives, up to that bound: in training, with gradients
 * written, added to those of earlier uses, and added to any numbers, and in inference.
 * Contexts of the same device and SIMD level, that differ in threads, give the same bits.
 * Of the samples those for checks are taken.  Contexts should be open with .poison; step
 * signatures are used up.  Fails the running test. */
void assert_follows_ref(const tern_op *op, const tern_sample *samples, tern_ctx *const *contexts,
                        int count);

/* cpu at every SIMD level that this machine has, each with 1, 2 and 3 threads.  Returns
 * how many. */
enum { MAX_CPUS = 9 };
int open_cpus(tern_ctx **contexts);

/* The same for one problem on all cpus.  tolerance 0: the bound above. */
void assert_cpu_follows_ref(const char *op, const char *inputs, const char *options,
                            double tolerance);

/* The same for an op that adds up products, and may put an activation behind them; with
 * a provider of it, whose bits may depend on the threads, or NULL for the default. */
void assert_sums_follow_ref(const char *op, const char *provider, const char *inputs,
                            const char *options);

/* Every value of found within tolerance of the largest value of wanted. */
void assert_values_near(const op_value *found, const op_value *wanted, double tolerance);

#endif
