/* SPDX-License-Identifier: MIT */
/*
 * signal_stack.h - an alternate stack for this thread's signal handlers
 *
 * For handlers that need more room than a task's stack may have left, or that
 * run because it has none. A thread that has one already keeps it. Each begin
 * that said yes is ended once, by the same thread.
 */
#ifndef KERNEL_SIGNAL_STACK_H
#define KERNEL_SIGNAL_STACK_H

#include <stdbool.h>

/* True if signal_stack_end() is to be called for it; false: the thread has one
 * that is not ours, or there is no memory. */
bool signal_stack_begin(void);
void signal_stack_end(void);

#endif
