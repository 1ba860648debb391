/* SPDX-License-Identifier: MIT */
/*
 * fault.h - a word before a thread dies of a bad address
 *
 * A handler of SIGSEGV and SIGBUS that asks one function whether it knows the
 * address, writes what that says to standard error, and then lets happen what
 * would have happened without it: the handler before it, or the signal's
 * default. A stack that overflowed cannot run a handler, so it takes an
 * alternate signal stack, one for each thread.
 *
 * Threads.  fault_handle() any; begin and end for the thread that calls.
 */
#ifndef KERNEL_FAULT_H
#define KERNEL_FAULT_H

#include <stdbool.h>
#include <stddef.h>

/* Put what is known of a fault there into text; its length, 0: nothing. Called
 * in a signal handler, on the thread at fault. */
typedef size_t fault_tell_fn(const void *address, char *text, size_t size);

/* Set the handler, once for all; later calls do nothing. 0 or -errno. */
int fault_handle(fault_tell_fn *tell);

/* Give this thread an alternate signal stack, if the handler is set and there
 * is none yet. True if fault_end_thread() is to be called for it. */
bool fault_begin_thread(void);
void fault_end_thread(void);

#endif
