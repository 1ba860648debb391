/* SPDX-License-Identifier: MIT */
/*
 * gyre/epoll.h - the program's own epoll descriptors for tasks, in direct style
 *
 *     int count = gyre_epoll_wait(epoll, events, 16);
 *
 * For code that has an epoll already and is to be served by a task. Each call
 * starts an op on the task's own stack (gyre/op_epoll.h says what each does,
 * since which Linux, and what happens before it), waits for it, and returns its
 * result: >= 0, or a negative errno.
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
#ifndef GYRE_EPOLL_H
#define GYRE_EPOLL_H

#include <gyre/op_epoll.h>
#include <gyre/task.h>

#ifdef __cplusplus
extern "C" {
#endif

GYRE_API int gyre_epoll_ctl(int epoll, int change, int fd,
                            const struct epoll_event *event) GYRE_WAITS;

/* How many of `events` were filled, 1 to `max`. */
GYRE_API int gyre_epoll_wait(int epoll, struct epoll_event *events,
                             int max) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
