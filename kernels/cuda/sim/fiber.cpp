/* Fiber stacks and the switch between them. */
#include "kernels/cuda/sim/fiber.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define TERN_FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TERN_FIBER_ASAN 1
#endif
#endif
#ifdef TERN_FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(low, high) 0
#define VALGRIND_STACK_DEREGISTER(id) (void)(id)
#endif

enum {
#ifdef TERN_FIBER_ASAN
    STACK_BYTES = 512 * 1024, /* instrumented frames are larger */
#else
    STACK_BYTES = 64 * 1024,
#endif
    GUARD_BYTES = 4096 * 16 /* a whole page, however large pages are */
};

bool tern_fiber_make(tern_fiber *fiber, tern_error *error)
{
    void *memory = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return tern_error_set(error, TERN_ERR_MEMORY, "no memory for a simulated thread's stack: %s",
                              strerror(errno));
    if (mprotect(memory, GUARD_BYTES, PROT_NONE) != 0) { /* an overflow stops there */
        munmap(memory, GUARD_BYTES + STACK_BYTES);
        return tern_error_set(error, TERN_ERR_MEMORY,
                              "cannot guard a simulated thread's stack: %s", strerror(errno));
    }
    fiber->stack = static_cast<char *>(memory) + GUARD_BYTES;
    fiber->stack_bytes = STACK_BYTES;
    fiber->valgrind_id = VALGRIND_STACK_REGISTER(fiber->stack, fiber->stack + STACK_BYTES);
    return true;
}

void tern_fiber_free(tern_fiber *fiber)
{
    if (!fiber->stack)
        return;
    VALGRIND_STACK_DEREGISTER(fiber->valgrind_id);
    munmap(fiber->stack - GUARD_BYTES, GUARD_BYTES + STACK_BYTES);
    fiber->stack = NULL;
}

/* ------------------------------------------- what sanitizers are told -- */

#ifdef TERN_FIBER_ASAN

static __thread tern_fiber *left_fiber; /* whoever switched to the one that runs now */

static void announce_switch(tern_fiber *from, tern_fiber *to, bool for_good)
{
    left_fiber = from;
    __sanitizer_start_switch_fiber(for_good ? NULL : &from->sanitizer_stack, to->stack,
                                   to->stack_bytes);
}

/* The process's own stack is learned when a fiber is entered from it. */
static void finish_switch(void *sanitizer_stack)
{
    const void *stack;
    size_t bytes;
    __sanitizer_finish_switch_fiber(sanitizer_stack, &stack, &bytes);
    left_fiber->stack = static_cast<char *>(const_cast<void *>(stack));
    left_fiber->stack_bytes = bytes;
}

static void forget_frames(tern_fiber *fiber)
{
    ASAN_UNPOISON_MEMORY_REGION(fiber->stack, fiber->stack_bytes);
    fiber->sanitizer_stack = NULL;
}

#else

static void announce_switch(tern_fiber *, tern_fiber *, bool) {}
static void finish_switch(void *) {}
static void forget_frames(tern_fiber *) {}

#endif

/* --------------------------------------------------------- the switch -- */

void tern_fiber_entered()
{
    finish_switch(NULL);
}

#ifdef TERN_FIBER_UCONTEXT

void tern_fiber_start(tern_fiber *fiber, void (*entry)(void))
{
    forget_frames(fiber);
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = fiber->stack_bytes;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, entry, 0);
}

static void swap(tern_fiber *from, tern_fiber *to)
{
    swapcontext(&from->context, &to->context);
}

#else

/* void tern_fiber_swap(void **leave_at, void *go_on_at)
 *
 * A sleeping fiber's stack, from its stack pointer upwards:
 *     r15 r14 r13 r12 rbx rbp   what the System V ABI lets no callee change
 *     return address            into tern_fiber_switch, or the entry at the start
 * The control words of the FPU are left alone: nobody here changes them. */
extern "C" void tern_fiber_swap(void **leave_at, void *go_on_at);
asm(R"(
    .text
    .p2align 4
    .hidden tern_fiber_swap
    .globl tern_fiber_swap
    .type tern_fiber_swap, @function
tern_fiber_swap:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size tern_fiber_swap, .-tern_fiber_swap
)");

void tern_fiber_start(tern_fiber *fiber, void (*entry)(void))
{
    enum { SAVED_REGISTERS = 6 };
    forget_frames(fiber);
    uintptr_t top = reinterpret_cast<uintptr_t>(fiber->stack + fiber->stack_bytes) & ~(uintptr_t)15;
    void **slot = reinterpret_cast<void **>(top);
    *--slot = NULL; /* the entry's own return address: the end of a backtrace */
    *--slot = reinterpret_cast<void *>(entry);
    for (int i = 0; i < SAVED_REGISTERS; i++)
        *--slot = NULL;
    fiber->stack_pointer = slot;
}

static void swap(tern_fiber *from, tern_fiber *to)
{
    tern_fiber_swap(&from->stack_pointer, to->stack_pointer);
}

#endif

void tern_fiber_switch(tern_fiber *from, tern_fiber *to)
{
    announce_switch(from, to, false);
    swap(from, to);
    finish_switch(from->sanitizer_stack);
}

void tern_fiber_leave(tern_fiber *from, tern_fiber *to)
{
    announce_switch(from, to, true);
    swap(from, to);
    __builtin_unreachable();
}
