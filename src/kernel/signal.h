/* SPDX-License-Identifier: MIT */
/*
 * signal.h - hear of a signal, beside whoever heard of it before
 *
 * One function for each signal of the process. The handler that was there
 * before is called after it; a signal that was ignored, or would have ended the
 * process, does neither while it is watched.
 */
#ifndef KERNEL_SIGNAL_H
#define KERNEL_SIGNAL_H

#include <stdbool.h>
#include <stddef.h>

/* `machine` is the ucontext_t of what was interrupted. */
typedef void signal_fn(int number, const void *machine);

/*
 * Call fn(number, machine), on any thread and between any two instructions: it
 * may use what is async-signal-safe and lock-free. errno is kept. 0; -EINVAL:
 * there is no such signal, or it cannot be caught; -EBUSY: it is watched by
 * another function. Not from a signal handler.
 */
int signal_watch(int number, signal_fn *fn);

/* No more. The handler of before comes back, unless another has been installed
 * since: then ours stays below it, and passes signals on. */
void signal_unwatch(int number);

/* Wait until no thread is inside a watcher's fn that began before this. */
void signal_quiesce(void);

/* Let the calling thread have it: true if it was blocked. */
bool signal_unblock(int number);
void signal_block(int number);

/* Where the interrupted thread stood; what a machine does not tell is NULL. */
struct signal_place {
    const void *pc;
    const void *sp;
    const void *frame; /* rbp, x29 */
    const void *base;  /* rbx, x19 */
};

struct signal_place signal_place_of(const void *machine);

/* In a handler, which has come to the byte at `here`: how many are left below
 * it on the thread's alternate stack; SIZE_MAX: it runs on no such stack. */
size_t signal_stack_left(const void *here);

#endif
