/* SPDX-License-Identifier: MIT */
/*
 * gyre/poll.h - readiness for tasks, in direct style
 *
 *     int events = gyre_poll(fd, POLLIN);
 *
 * Each call starts an op on the task's own stack (gyre/op_poll.h says what each
 * does, since which Linux, and what happens before it), waits for it, and
 * returns its result: >= 0, or a negative errno.
 *
 * Life.     The task does not return from a call while the kernel can touch its
 *           memory.
 * Memory.   Arguments are the caller's, used until the call returns, so they
 *           may lie on the stack.
 * Threads.  Only inside a task; elsewhere a call panics.
 * Cancel.   Every call returns -ECANCELED, or -ETIME for a
 *           deadline, when the task's scope is cancelled before or while it
 *           waits. An op that was done first returns its result.
 */
#ifndef GYRE_POLL_H
#define GYRE_POLL_H

#include <gyre/op_poll.h>
#include <gyre/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The events of `events` (POLLIN, POLLOUT ...) that are there. */
GYRE_API int gyre_poll(int fd, unsigned events) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
