/* Fibers: stacks that take turns on one thread of the process.
 *
 * A switch saves the registers that a function call preserves, changes the stack
 * pointer and restores the other side's: about 20 instructions on x86-64, written by
 * hand in fiber.cpp; elsewhere the C library's ucontext does it, slower.  Sanitizers
 * and valgrind are told of every stack, so that they follow.
 */
#ifndef TERN_KERNELS_CUDA_SIM_FIBER_H
#define TERN_KERNELS_CUDA_SIM_FIBER_H

#include "core/error.h"

#include <stddef.h>

#if !defined(__x86_64__) || defined(TERN_SIM_UCONTEXT)
#define TERN_FIBER_UCONTEXT 1
#include <ucontext.h>
#endif

struct tern_fiber {
    char *stack; /* lowest usable byte; NULL for the process's own stack */
    size_t stack_bytes;
#ifdef TERN_FIBER_UCONTEXT
    ucontext_t context;
#else
    void *stack_pointer;
#endif
    void *sanitizer_stack; /* AddressSanitizer's, while the fiber sleeps */
    unsigned valgrind_id;
};

/* Give a fiber its stack, which tern_fiber_free takes away again. */
bool tern_fiber_make(tern_fiber *fiber, tern_error *error);
void tern_fiber_free(tern_fiber *fiber);
/* The next switch to the fiber calls entry; whatever the fiber was doing is dropped.
 * entry begins with tern_fiber_entered and ends with tern_fiber_leave. */
void tern_fiber_start(tern_fiber *fiber, void (*entry)(void));
void tern_fiber_entered(void);
/* Go on with `to`; returns when somebody switches back to `from`. */
void tern_fiber_switch(tern_fiber *from, tern_fiber *to);
/* Go on with `to` for good. */
[[noreturn]] void tern_fiber_leave(tern_fiber *from, tern_fiber *to);

#endif
