/* SPDX-License-Identifier: MIT */
/*
 * switch.h - leave one stack, go on with another
 *
 * A context is a flow of control that does not run: where to go on, and on
 * which stack. context_switch() is inline assembly that tells the compiler
 * "every register is lost", so that only what is alive at this very place is
 * saved, by the compiler, in the frame. By hand go the program counter, the
 * stack pointer, and the two registers that compilers keep for themselves to
 * find their frame (frame pointer and base pointer).
 *
 *   - It leaves by an indirect jump, never by a return: the processor predicts
 *     a return from its own stack of calls, and would always be wrong here.
 *     x86-64 lands on `endbr64`, aarch64 on `bti j`.
 *   - Nothing is pushed: below the stack pointer may lie the red zone of the
 *     function this is inlined into.
 *   - The last frame of every context is context_entry(), which has no caller:
 *     undefined return address for debuggers, zero frame pointer for profilers.
 *     The few instructions between two stacks say the same of themselves.
 *   - Tasks share their thread's floating point control words (MXCSR, x87 CW,
 *     FPCR), as they share its errno. Who changes the rounding mode changes it
 *     back before he waits. Signal masks are the thread's too.
 *   - Contexts stay on their thread: the compiler may have computed an address
 *     in thread-local storage before the switch, and use it after.
 *   - Shadow stacks (x86 SHSTK, arm64 GCS) are not followed. switch.c is built
 *     without that mark, so that the linker leaves it off the program, and the
 *     system does not turn them on.
 *
 * GYRE_SWITCH_UCONTEXT (CMake: -DGYRE_SWITCH=ucontext, and automatic on other
 * processors) takes swapcontext() instead: the same contract, 50 times slower.
 */
#ifndef TASK_SWITCH_H
#define TASK_SWITCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"
#include "task/fiber_tools.h"

#if !(defined(__x86_64__) && defined(__LP64__)) &&                             \
    !(defined(__aarch64__) && defined(__LP64__)) &&                            \
    !defined(GYRE_SWITCH_UCONTEXT)
#define GYRE_SWITCH_UCONTEXT 1
#endif

#ifdef GYRE_SWITCH_UCONTEXT
#include <ucontext.h>
#endif

struct stack;

typedef void context_fn(void *arg); /* must not return: see context_exit() */

struct context {
#ifdef GYRE_SWITCH_UCONTEXT
    ucontext_t machine;
#else
    void *pc; /* the assembly knows these four by their offsets */
    void *sp;
    void *frame; /* rbp, x29 */
    void *base;  /* rbx, x19 */
#endif
#if defined(GYRE_SWITCH_UCONTEXT) || GYRE_ASAN
    context_fn *fn; /* until it has begun */
    void *arg;
#endif
#if GYRE_ASAN
    const void *stack_bottom; /* of the stack this context runs on */
    size_t stack_bytes;
    void *fake_stack;         /* while it does not run */
    struct context *previous; /* who switched to it */
#endif
#if GYRE_TSAN
    void *fiber;
#endif
};

/* Make the thread's own flow of control a context, to be left and come back to.
 * Needs nothing undone. */
void context_init_thread(struct context *context);

/*
 * Make a context that begins with fn(arg) at the top of `stack` (below what has
 * been reserved there). It costs nothing to forget it; stack_put() ends it. The
 * struct may lie in the reserved part, and must not move.
 */
void context_make(struct context *context, struct stack *stack, context_fn *fn,
                  void *arg);

/* Leave `from`, which is running, and go on with `to`; returns when somebody
 * switches back to `from`. */
static inline void context_switch(struct context *from, struct context *to);

/* Leave `from`, which is running, for good; go on with `to`. Who goes on may
 * put the stack of `from` back into its pool. */
static inline _Noreturn void context_exit(struct context *from,
                                          struct context *to);

#include "task/switch_inline.h"

#endif
