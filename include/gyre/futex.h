/* SPDX-License-Identifier: MIT */
/*
 * gyre/futex.h - futexes for tasks, in direct style
 *
 *     while (atomic_load(&word) == 0)
 *         if ((error = gyre_futex_wait(&word, 0, GYRE_FUTEX_ANY, 0)) < 0 &&
 *             error != -EAGAIN)
 *             return error;
 *
 * Each call starts an op on the task's own stack (gyre/op_futex.h says what
 * each does, since which Linux, and what happens before it), waits for it, and
 * returns its result: >= 0, or a negative errno.
 *
 * Life.     The task does not return from a call while the kernel can touch its
 *           memory.
 * Memory.   Arguments are the caller's, used until the call returns, so they
 *           may lie on the stack.
 * Threads.  Only inside a task; elsewhere a call panics.
 * Cancel.   Every call returns -ECANCELED, or -ETIME for a deadline, when the
 *           task's scope is cancelled before or while it waits. An op that was
 *           done first returns its result.
 */
#ifndef GYRE_FUTEX_H
#define GYRE_FUTEX_H

#include <gyre/op_futex.h>
#include <gyre/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 0, or -EAGAIN: *word is not `expected`. */
GYRE_API int gyre_futex_wait(const void *word, uint32_t expected, uint32_t mask,
                             unsigned flags) GYRE_WAITS;

/* How many were woken. */
GYRE_API int gyre_futex_wake(const void *word, uint32_t count, uint32_t mask,
                             unsigned flags) GYRE_WAITS;

/* The index of one that was woken. */
GYRE_API int gyre_futex_waitv(const gyre_futex *futexes,
                              unsigned count) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
