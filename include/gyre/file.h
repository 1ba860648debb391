/* SPDX-License-Identifier: MIT */
/*
 * gyre/file.h - files for tasks, in direct style
 *
 *     ssize_t n = gyre_read(fd, buf, sizeof buf, offset);
 *
 * Each call starts an op on the task's own stack (gyre/op_file.h says what each
 * does, since which Linux, and what happens before it), waits for it, and
 * returns its result: >= 0, or a negative errno.
 *
 * Life.     The task does not return from a call while the kernel can touch its
 *           memory.
 * Memory.   Arguments are the caller's, used until the call returns, so they
 *           may lie on the stack.
 * Threads.  Only inside a task; elsewhere a call panics.
 * Cancel.   Every call but gyre_close() returns -ECANCELED, or -ETIME for a
 *           deadline, when the task's scope is cancelled before or while it
 *           waits. An op that was done first returns its result.
 */
#ifndef GYRE_FILE_H
#define GYRE_FILE_H

#include <gyre/op_file.h>
#include <gyre/task.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `offset` in bytes, or GYRE_CURRENT_POSITION. Bytes moved, which may be fewer
 * than asked for; 0 from a read of more than 0 bytes: the end. */
GYRE_API ssize_t gyre_read(int fd, void *buffer, size_t size,
                           uint64_t offset) GYRE_WAITS;
GYRE_API ssize_t gyre_write(int fd, const void *buffer, size_t size,
                            uint64_t offset) GYRE_WAITS;
GYRE_API ssize_t gyre_readv(int fd, const struct iovec *iov, unsigned count,
                            uint64_t offset) GYRE_WAITS;
GYRE_API ssize_t gyre_writev(int fd, const struct iovec *iov, unsigned count,
                             uint64_t offset) GYRE_WAITS;
/* With RWF_ flags. */
GYRE_API ssize_t gyre_readv2(int fd, const struct iovec *iov, unsigned count,
                             uint64_t offset, int flags) GYRE_WAITS;
GYRE_API ssize_t gyre_writev2(int fd, const struct iovec *iov, unsigned count,
                              uint64_t offset, int flags) GYRE_WAITS;

/* All of it: 0, or the first error; then some may have been written. */
GYRE_API int gyre_writev_all(int fd, const struct iovec *iov, unsigned count,
                             uint64_t offset) GYRE_WAITS;

/* A descriptor with O_CLOEXEC. If the scope is cancelled while Linux opens, and
 * it succeeds all the same, the descriptor is returned. */
GYRE_API int gyre_open(const char *path, int flags, unsigned mode) GYRE_WAITS;
GYRE_API int gyre_openat(int dirfd, const char *path, int flags,
                         unsigned mode) GYRE_WAITS;
GYRE_API int gyre_openat2(int dirfd, const char *path,
                          struct open_how *how) GYRE_WAITS;

/* Cancel what is in flight on the descriptor in this loop, wait for it, close.
 * Works also in a cancelled scope. */
GYRE_API int gyre_close(int fd) GYRE_WAITS;

GYRE_API int gyre_statx(int dirfd, const char *path, int flags, unsigned mask,
                        struct statx *result) GYRE_WAITS;
GYRE_API int gyre_fsync(int fd, bool data_only) GYRE_WAITS;
GYRE_API int gyre_sync_file_range(int fd, uint64_t offset, uint64_t size,
                                  unsigned flags) GYRE_WAITS;
GYRE_API int gyre_fallocate(int fd, int mode, uint64_t offset,
                            uint64_t size) GYRE_WAITS;
GYRE_API int gyre_ftruncate(int fd, uint64_t size) GYRE_WAITS;
GYRE_API int gyre_fadvise(int fd, uint64_t offset, uint64_t size,
                          int advice) GYRE_WAITS;
GYRE_API int gyre_madvise(void *memory, size_t size, int advice) GYRE_WAITS;
GYRE_API ssize_t gyre_getdents(int fd, void *buffer, size_t size) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
