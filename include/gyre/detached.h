/* SPDX-License-Identifier: MIT */
/*
 * gyre/detached.h - calls that can be stuck, and a caller that need not be
 *
 *     gyre_scope_open(&scope, &(gyre_scope_options){ .deadline_ns = soon });
 *     n = gyre_detached_read(fd, buf, sizeof buf, 0);      -ETIME: it is stuck
 *
 * A deadline is a request to cancel, and some things Linux does not give back:
 * a read from a file server that is gone, the opening of a FIFO that nobody
 * writes to, a library's blocking call. The plain calls of gyre/file.h wait for
 * the end, since the kernel may still write into their buffers. These do not.
 *
 * Life.     The request and its buffers belong to the runtime. A caller that is
 *           cancelled leaves at once; the request is asked to end, and what
 *           comes of it later is disposed of: a descriptor is closed, bytes are
 *           dropped. The loop's end still waits for it.
 *
 * Memory.   Each call allocates (-ENOMEM), and copies paths and data; `read`
 *           and `write` move at most GYRE_DETACHED_MAX bytes.
 *
 * Threads.  Only inside a task.
 *
 * Cancel.   Returns -ECANCELED or -ETIME at once. Whether a write happened is
 *           then unknown. The descriptor may be closed: gyre_close() does not
 *           wait for a request that was left behind.
 */
#ifndef GYRE_DETACHED_H
#define GYRE_DETACHED_H

#include <gyre/file.h>
#include <gyre/types.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GYRE_DETACHED_MAX ((size_t)1 << 20)

/* As gyre_open(), gyre_read(), gyre_write(), gyre_fsync(), gyre_statx() of the
 * working directory. -ENAMETOOLONG: the path has 4096 bytes or more. */
GYRE_API int gyre_detached_open(const char *path, int flags,
                                unsigned mode) GYRE_WAITS;
GYRE_API ssize_t gyre_detached_read(int fd, void *buffer, size_t size,
                                    uint64_t offset) GYRE_WAITS;
GYRE_API ssize_t gyre_detached_write(int fd, const void *buffer, size_t size,
                                     uint64_t offset) GYRE_WAITS;
GYRE_API int gyre_detached_fsync(int fd, bool data_only) GYRE_WAITS;
GYRE_API int gyre_detached_statx(const char *path, int flags, unsigned mask,
                                 struct statx *result) GYRE_WAITS;

/*
 * Run function(arg) on a thread of the loop's bounded pool, as
 * gyre_call_blocking() does. If the call returns -ECANCELED or -ETIME, then
 * dispose(arg, result) (it may be NULL) is called exactly once on the loop's
 * thread, in the call or, if the function is under way, when it has returned;
 * it releases `arg`. `result` is the function's, or -ECANCELED if it never
 * began. If the call returns anything else, dispose is not called.
 */
GYRE_API int gyre_detached_call(int (*function)(void *arg), void *arg,
                                void (*dispose)(void *arg,
                                                int result)) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
