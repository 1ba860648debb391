/* SPDX-License-Identifier: MIT */
/*
 * gyre/splice.h - bytes between descriptors, and pipes, for tasks
 *
 *     int fds[2], err = gyre_pipe(fds, O_NONBLOCK);
 *     ssize_t n = gyre_splice(file, 0, fds[1], GYRE_CURRENT_POSITION, 8192, 0);
 *
 * Each call starts an op on the task's own stack (gyre/op_splice.h says what
 * each does, and its errors), waits for it, and returns its result: >= 0, or a
 * negative errno.
 *
 * Memory.   Arguments are the caller's, used until the call returns.
 * Threads.  Only inside a task; elsewhere a call panics.
 * Cancel.   Each returns -ECANCELED, or -ETIME for a deadline, when the task's
 *           scope is cancelled before or while it waits; what was done first is
 *           returned.
 */
#ifndef GYRE_SPLICE_H
#define GYRE_SPLICE_H

#include <gyre/op_splice.h>
#include <gyre/task.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes moved (tee: copied), which may be fewer than asked for; 0: the end of
 * `in`. Waits, also on a descriptor with O_NONBLOCK, unless `flags` has
 * SPLICE_F_NONBLOCK: then -EAGAIN. */
GYRE_API ssize_t gyre_splice(int in, uint64_t in_offset, int out,
                             uint64_t out_offset, size_t size,
                             unsigned flags) GYRE_WAITS;
GYRE_API ssize_t gyre_tee(int in, int out, size_t size,
                          unsigned flags) GYRE_WAITS;

/* Both ends with O_CLOEXEC, and `flags`. On an error there are none; if the
 * scope is cancelled and they are made all the same, 0 is returned. */
GYRE_API int gyre_pipe(int fds[2], int flags) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
