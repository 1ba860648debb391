/* SPDX-License-Identifier: MIT */
/*
 * gyre/process.h - child processes for tasks, in direct style
 *
 *     siginfo_t info;
 *     int error = gyre_waitid(P_PID, child, &info, WEXITED);
 *
 * Each call starts an op on the task's own stack (gyre/op_process.h says what
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
#ifndef GYRE_PROCESS_H
#define GYRE_PROCESS_H

#include <gyre/op_process.h>
#include <gyre/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 0, and what became of the child in *info, a siginfo_t (NULL is allowed). */
GYRE_API int gyre_waitid(int type, int id, void *info, int options) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
